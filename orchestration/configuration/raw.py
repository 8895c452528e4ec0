"""Load the configuration into tables `raw.*` of the working database, which the dbt models read."""

from typing import Any

import duckdb
import pyarrow as pa

from orchestration.configuration.claims import Claim, RuleSets, rule_sets_and_claims
from orchestration.configuration.corrections import CORRECTIONS_FILE, Corrections
from orchestration.configuration.files import read
from orchestration.words import countries

_COLUMNS = {
    "rule_sets": (
        "rule_set varchar, place integer, description varchar, universe varchar, "
        "top_n integer, top_of varchar, denominator varchar, lens varchar, "
        "registry_view varchar, free_variants varchar"
    ),
    "rule_set_windows": "rule_set varchar, window_kind varchar",
    "rule_set_labs": "rule_set varchar, lab_id varchar",
    "rule_set_groups": (
        "rule_set varchar, group_name varchar, attribute varchar, value varchar, "
        "is_excluded boolean"
    ),
    "claims": (
        "claim_id varchar, statement_id varchar, source varchar, statement varchar, "
        "asked_by varchar, published_by varchar, published_on date, url varchar, "
        "metric varchar, group_name varchar, over_group varchar, rule_set varchar, "
        "rules_are_stated boolean, window_kind varchar, window_start date, window_end date, "
        "window_is_stated boolean, published_value double, published_date date, "
        "unit varchar, tolerance double, tolerance_above double, comparison varchar, "
        "is_measurable boolean, reason varchar, note varchar"
    ),
    "corrections": (
        "id varchar, source varchar, key varchar, field varchar, expect varchar, value varchar, "
        "valid_from date, valid_to date, reason varchar, evidence varchar, checked_on date"
    ),
    "countries": "code varchar",
}


def _claim_row(claim: Claim) -> dict[str, Any]:
    renamed = {
        "group_name": claim.group,
        "over_group": claim.over,
        "is_measurable": claim.measurable,
        "window_kind": claim.window.kind if claim.window else None,
        "window_start": claim.window.start if claim.window else None,
        "window_end": claim.window.end if claim.window else None,
    }
    return {**claim.model_dump(exclude={"window"}), **renamed}


def rows(rule_sets: RuleSets, claims: tuple[Claim, ...]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each table, by the name of the table."""
    sets = rule_sets.rule_sets
    return {
        "rule_sets": [{**r.model_dump(), "place": i} for i, r in enumerate(sets, start=1)],
        "rule_set_windows": [
            {"rule_set": r.rule_set, "window_kind": kind} for r in sets for kind in r.windows
        ],
        "rule_set_labs": [{"rule_set": r.rule_set, "lab_id": lab} for r in sets for lab in r.labs],
        "rule_set_groups": [
            {
                "rule_set": r.rule_set,
                "group_name": name,
                "attribute": attribute,
                "value": value,
                "is_excluded": excluded,
            }
            for r in sets
            for name, group in rule_sets.groups_of(r).items()
            for attribute, value, excluded in group.terms()
        ],
        "claims": [_claim_row(c) for c in claims],
    }


def load_configuration(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the tables in the schema `raw`.

    Raises TokenshareError if the configuration is wrong.
    """
    corrections = read(CORRECTIONS_FILE, Corrections).model_dump()
    contents = {
        **rows(*rule_sets_and_claims()),
        "corrections": sorted(corrections, key=lambda c: c["id"]),
        "countries": [{"code": code} for code in countries()],
    }
    for name, content in contents.items():
        columns = [column.split()[0] for column in _COLUMNS[name].split(", ")]
        connection.execute(f"create table raw.{name} ({_COLUMNS[name]})")
        if content:
            listed = [{column: row[column] for column in columns} for row in content]
            connection.register("incoming", pa.Table.from_pylist(listed))
            connection.execute(f"insert into raw.{name} select * from incoming")
            connection.unregister("incoming")
