"""From raw tables to marts: load `raw.*` into the working database and run dbt on it."""
