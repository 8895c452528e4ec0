"""Compare two vintages, two usage dumps, or two versions of the registry.

Nothing that is made here is published.
"""
