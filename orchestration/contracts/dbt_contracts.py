"""Derive the dbt model contracts (`contract: enforced`) from the published data contracts.

`python -m orchestration.contracts.dbt_contracts` rewrites the YAML file; a test fails while the
file on disk differs from what the contracts say.
"""

from typing import Any

import yaml

from orchestration.contracts.odcs import Table, tables
from orchestration.settings import DBT_PROJECT_DIR

TARGET = DBT_PROJECT_DIR / "models" / "published_contracts.yml"
_HEADER = (
    "# Derived from data_contracts/published by orchestration/contracts/dbt_contracts.py.\n"
    "# Change the data contract and run `make contracts`; edits here are overwritten.\n"
)


def _model(table: Table) -> dict[str, Any]:
    columns = []
    for field in table.fields:
        column: dict[str, Any] = {
            "name": field.name,
            "data_type": field.sql_type,
            "description": field.description,
        }
        if field.sql_name != field.name:
            column["quote"] = True
        if field.required:
            column["constraints"] = [{"type": "not_null"}]
        columns.append(column)
    return {
        "name": table.name,
        "description": table.description,
        "config": {"contract": {"enforced": True}},
        "columns": columns,
    }


def render() -> str:
    """The YAML text that the contracts ask for."""
    models = [_model(t) for t in tables("published").values() if t.made_by_dbt]
    body = yaml.safe_dump(
        {"version": 2, "models": models}, sort_keys=False, allow_unicode=True, width=100
    )
    return _HEADER + body


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
