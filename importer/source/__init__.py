"""From a path to batches of rows: finding files, decoding text, the grammar of CSV, Parquet."""
