"""Data contracts (ODCS v3): the only definition of the tables that enter and leave the pipeline."""
