"""Statistics that SQL cannot make: what a maintained library computes from tables of the models.

Point figures stay in dbt; nothing here sums tokens.
"""
