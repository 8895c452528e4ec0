"""Rule sets and claims (`configuration/claims.py`): computed in SQL, carried here.

`raw.py` puts both into the working database, `show.py` reads the verdicts of a vintage. No number
is made here.
"""
