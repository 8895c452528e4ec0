"""Turn landed dumps into typed Parquet files, with the quarantined rows beside them."""
