"""Statistics that SQL cannot compute: maintained libraries compute them from the dbt models.

Point figures stay in dbt. Nothing here sums tokens.
"""
