"""Put rule sets and claims into the working database as `raw.*`, for the dbt models to read."""

from typing import Any

import duckdb
import pyarrow as pa

from orchestration.configuration.claims import Claim, RuleSets, configured

_TEXT, _DATE, _NUMBER, _FLAG = pa.string(), pa.date32(), pa.float64(), pa.bool_()
_SCHEMAS = {
    "rule_sets": pa.schema(
        [
            ("rule_set", _TEXT),
            ("place", pa.int32()),
            ("description", _TEXT),
            ("universe", _TEXT),
            ("top_n", pa.int32()),
            ("top_of", _TEXT),
            ("denominator", _TEXT),
            ("lens", _TEXT),
            ("registry_view", _TEXT),
            ("free_variants", _TEXT),
        ]
    ),
    "rule_set_windows": pa.schema([("rule_set", _TEXT), ("window_kind", _TEXT)]),
    "rule_set_labs": pa.schema([("rule_set", _TEXT), ("lab_id", _TEXT)]),
    "rule_set_groups": pa.schema(
        [
            ("rule_set", _TEXT),
            ("group_name", _TEXT),
            ("attribute", _TEXT),
            ("value", _TEXT),
            ("is_excluded", _FLAG),
        ]
    ),
    "claims": pa.schema(
        [
            ("claim_id", _TEXT),
            ("statement_id", _TEXT),
            ("source", _TEXT),
            ("statement", _TEXT),
            ("asked_by", _TEXT),
            ("published_by", _TEXT),
            ("published_on", _DATE),
            ("url", _TEXT),
            ("metric", _TEXT),
            ("group_name", _TEXT),
            ("over_group", _TEXT),
            ("rule_set", _TEXT),
            ("rules_are_stated", _FLAG),
            ("window_kind", _TEXT),
            ("window_start", _DATE),
            ("window_end", _DATE),
            ("window_is_stated", _FLAG),
            ("published_value", _NUMBER),
            ("published_date", _DATE),
            ("unit", _TEXT),
            ("tolerance", _NUMBER),
            ("tolerance_above", _NUMBER),
            ("comparison", _TEXT),
            ("is_measurable", _FLAG),
            ("reason", _TEXT),
            ("note", _TEXT),
        ]
    ),
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
    """The rows of every table by its name."""
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

    Raises TokenshareError where the configuration is wrong.
    """
    for name, content in rows(*configured()).items():
        table = pa.Table.from_pylist(content, schema=_SCHEMAS[name])
        connection.register("incoming", table)
        connection.execute(f"create table raw.{name} as select * from incoming")
        connection.unregister("incoming")
