"""Importing this module parses the dbt project, for the processes that are forked from here."""

import tempfile
from pathlib import Path

from orchestration.settings import Settings
from orchestration.transformation.dbt import ensure_manifest

with tempfile.TemporaryDirectory() as folder:
    ensure_manifest(Settings(data_dir=Path(folder)))
