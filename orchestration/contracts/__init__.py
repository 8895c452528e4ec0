"""Data contracts (ODCS v3): the one definition of every boundary, and what is derived from it."""
