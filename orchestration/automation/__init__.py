"""What starts the graph: the job, the nightly schedule and the inbox sensor."""
