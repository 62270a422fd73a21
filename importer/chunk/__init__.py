"""From the rows of a chunk to one update per person."""
