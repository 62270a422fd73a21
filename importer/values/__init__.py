"""From cells to typed, encoded values, column by column."""
