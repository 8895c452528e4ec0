"""When the graph runs: the job, the nightly schedule and the inbox sensor."""
