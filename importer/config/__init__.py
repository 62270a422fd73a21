"""The configuration: its sections and keys, how a file is read and checked, secrets by reference."""
