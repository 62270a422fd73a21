"""The documentation is executed: commands run, their output is compared, tables and links are checked."""
