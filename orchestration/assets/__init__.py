"""Dagster assets: each calls one plain function and tells the UI what came of it."""
