"""A second implementation of docs/method.md, held against every published cell.

Plain pandas, Python integers and `fractions.Fraction`, one module per section of the method. It
reads the landed dump, the seeds and the rule sets, never the models, and imports nothing from
`orchestration` (`test_house.py`). If a published number and this disagree, one of the three is
wrong: the SQL, this package, or the method's text.

Not recomputed: what comes from random draws (the interval of `crossover`) and what is not a number
of the method (verdicts on claims, price matches, revisions).
"""
