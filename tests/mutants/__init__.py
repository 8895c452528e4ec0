"""`make mutants`: small mistakes, one at a time, for each of which a test must fail."""
