"""Everything that is kept on disk, in the state folder of an import."""
