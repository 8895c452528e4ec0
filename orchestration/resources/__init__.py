"""Dagster resources: they pass the configuration of a run to the plain functions."""
