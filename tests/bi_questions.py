"""The five questions of docs/bi.md: their SQL as the page has it, and as a chart asks them."""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from orchestration.settings import PROJECT_ROOT


@dataclass(frozen=True)
class Chart:
    """What a person picks in a BI tool: one table, columns to group by, sums, filters."""

    table: str
    columns: tuple[str, ...]
    sums: tuple[str, ...]
    filters: tuple[tuple[str, str, Any], ...]


_COMPLETE = ("is_complete", "IS TRUE", None)
_SEPTEMBER = ("period_start", "TEMPORAL_RANGE", "2026-09-01 : 2026-09-02")
CHARTS = (
    Chart(
        "bi_share_by_origin_monthly", ("period_start", "origin_name"), ("share",),
        (_COMPLETE, ("period_start", "TEMPORAL_RANGE", "2025-10-01 : 2026-09-02")),
    ),
    Chart(
        "bi_share_by_lab_monthly", ("spend_rank", "lab_name", "origin_name"),
        ("list_spend_usd", "average_usd_per_million_tokens"),
        (_SEPTEMBER, ("spend_rank", "<=", 10)),
    ),
    Chart(
        "bi_share_by_model_weekly",
        ("period_start", "rank", "model", "lab_name", "origin_name", "license"), ("share",),
        (_COMPLETE, ("rank", "<=", 10)),
    ),
    Chart(
        "bi_share_by_origin_monthly", ("origin_name",),
        ("share", "share_year_before", "share - share_year_before"), (_SEPTEMBER,),
    ),
    Chart(
        "bi_share_by_origin_weekly", ("period_start",), ("share", "share_low", "share_high"),
        (_COMPLETE, ("origin_name", "==", "China")),
    ),
)  # fmt: skip


def questions() -> list[str]:
    """The SQL of the five questions, in the order of the page."""
    page = (PROJECT_ROOT / "docs" / "bi.md").read_text(encoding="utf-8")
    section = page.split("## Five questions")[1].split("\n## ")[0]
    found = re.findall(r"```sql\n(.*?)```", section, re.DOTALL)
    assert len(found) == len(CHARTS)
    return found


def table_of(sql: str) -> str:
    """The only table of a question."""
    (name,) = re.findall(r"\b(?:from|join)\s+(\w+)", sql)
    return str(name)


def cell(value: object) -> object:
    """A value as every tool has it: a tool may show a date as text, or a decimal as a float."""
    if isinstance(value, date | datetime):
        return value.isoformat()[:10]
    return round(float(value), 6) if isinstance(value, float | Decimal) else value


def cells(found: list[Any]) -> list[tuple[object, ...]]:
    """Rows that can be compared, in an order of their own."""
    return sorted((tuple(map(cell, row)) for row in found), key=repr)
