"""Dagster resources: the edge between a run's configuration and the plain functions."""
