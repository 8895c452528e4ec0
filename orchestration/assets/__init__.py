"""Dagster assets: each calls one plain function and reports its result to the UI."""
