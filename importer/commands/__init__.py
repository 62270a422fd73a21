"""Commands that look at, correct or remove what runs have left."""
