"""Tools beside the pipeline: they derive the seeds from public files. No run needs them."""
