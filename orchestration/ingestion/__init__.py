"""From landed dumps to typed Parquet, with the rows that are not believed beside them."""
