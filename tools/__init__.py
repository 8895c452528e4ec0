"""Tools that derive the seeds from public files. A run of the pipeline does not need them."""
