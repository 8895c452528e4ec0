"""From raw tables to marts: loads `raw.*` into the working database and runs dbt on it."""
