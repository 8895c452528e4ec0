"""Rule sets and claims: configuration that is checked here and computed in SQL.

`config.py` reads `data_contracts/rule_sets.yml` and `data_contracts/claims/`, `raw.py` puts both
into the working database, `show.py` reads the verdicts of a vintage. No number is made here.
"""
