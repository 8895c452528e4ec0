"""Build `report/index.html` from the tables of a vintage.

Every number on the page comes out of a query on the published Parquet files; nothing is typed.
"""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from orchestration.quality.gate import Verdict
from orchestration.report import charts
from orchestration.tables import open_tables, sql_text

_LABS_SHOWN = 8
# A week with fewer days says more about the edge of the window than about usage.
_MIN_DAYS_CHARTED = 4

Row = dict[str, Any]


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as per cent for people."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


def tokens(value: int) -> str:
    """A token count for people, in trillions or billions."""
    return f"{value / 1e12:,.2f} trillion" if value >= 1e12 else f"{value / 1e9:,.1f} billion"


def week(start: date) -> str:
    """An ISO week by its days."""
    return f"{start:%Y-%m-%d} to {start + timedelta(days=6):%Y-%m-%d}"


@cache
def environment() -> Environment:
    """The templates of the package, escaping on, undefined names an error."""
    made = Environment(
        loader=PackageLoader("orchestration", "report/templates"),
        autoescape=select_autoescape(default_for_string=True, default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(percent=percent, tokens=tokens, week=week)
    return made


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    relation = connection.sql(sql)
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def _json(document: Any) -> Markup:
    """JSON that is safe inside a script element."""
    text = json.dumps(document, default=str, separators=(",", ":"), ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704  # escaped on this line


def headline(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """The headline figures, in a stable order."""
    return _rows(connection, "select * from headline order by source, period_start, figure")


def _weekly_origins(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    return _rows(
        connection,
        """
        select period_start, days_present, is_complete, total_tokens,
            max(share) filter (where origin = 'CN') as cn,
            max(share_high) filter (where origin = 'CN') as cn_high,
            max(share) filter (where origin = 'US') as us,
            max(share_high) filter (where origin = 'US') as us_high,
            coalesce(sum(share) filter (where origin not in ('CN', 'US', 'unidentified')), 0)
                as others,
            coalesce(max(share) filter (where origin = 'unidentified'), 0) as unidentified
        from share_by_origin_weekly where lens = 'author_hq'
        group by all order by period_start
        """,
    )


def _context(
    connection: duckdb.DuckDBPyConnection, verdicts: Sequence[Verdict], inputs: Sequence[Row]
) -> Row:
    weeks = _weekly_origins(connection)
    charted = [w for w in weeks if w["days_present"] >= _MIN_DAYS_CHARTED]
    figures = {f["figure"]: f for f in headline(connection)}
    labs = _rows(
        connection,
        f"""
        with latest as (
            select max(period_start) as period_start from share_by_lab_weekly
            where is_complete and lens = 'author_hq'
        )
        select lab_id, lab_name, origin, share, share_low, share_high, rank, tokens
        from share_by_lab_weekly inner join latest using (period_start)
        where lab_id <> 'unidentified' and lens = 'author_hq' order by rank limit {_LABS_SHOWN}
        """,
    )
    lab_ids = ", ".join(sql_text(lab["lab_id"]) for lab in labs) or "''"
    lab_weeks = _rows(
        connection,
        f"""
        select period_start, lab_name, round(share, 6) as share from share_by_lab_weekly
        where lens = 'author_hq' and lab_id in ({lab_ids}) and days_present >= {_MIN_DAYS_CHARTED}
        order by period_start, lab_name
        """,
    )
    bands = _rows(
        connection,
        """
        select period_start, is_complete, price_band, round(share, 6) as share,
            list_position(
                ['free', 'under_0.5', '0.5_to_2', '2_to_10', 'over_10', 'unpriced'], price_band
            ) as band_order
        from share_by_price_band_monthly order by period_start, band_order
        """,
    )
    coverage = _rows(
        connection,
        """
        select min(usage_date) as first_day, max(usage_date) as last_day,
            count(distinct usage_date) as days, count(*) as rows, sum(tokens) as tokens,
            count(distinct usage_date) filter (where not is_complete) as incomplete_days,
            (select count(*) from quarantine) as quarantined
        from usage_daily
        """,
    )[0]
    unmapped = _rows(
        connection,
        """
        select author, sum(tokens) as tokens,
            sum(tokens) / (select sum(tokens) from usage_daily) as share
        from usage_daily where identification = 'unmapped'
        group by author order by tokens desc, author limit 12
        """,
    )
    kinds = _rows(
        connection,
        """
        select identification, sum(tokens) as tokens,
            sum(tokens) / (select sum(tokens) from usage_daily) as share
        from usage_daily group by all order by tokens desc
        """,
    )
    groups = [
        ("CN", "cn"), ("US", "us"), ("other countries", "others"), ("unidentified", "unidentified"),
    ]  # fmt: skip
    areas = [
        {
            "period_start": w["period_start"],
            "group": name,
            "group_order": i,
            "share": round(w[key], 6),
        }
        for w in charted
        for i, (name, key) in enumerate(groups)
        if w[key] is not None
    ]
    lines = [
        {
            "period_start": w["period_start"],
            "origin": origin,
            "share": round(w[key], 6),
            "share_low": round(w[key], 6),
            "share_high": round(w[f"{key}_high"], 6),
        }
        for w in charted
        for origin, key in (("CN", "cn"), ("US", "us"))
        if w[key] is not None
    ]
    specs = {
        "chart-origin": charts.origin_area(
            areas, "Stacked area chart: weekly share of tokens by origin, with unidentified on top"
        ),
        "chart-bounds": charts.bounds_lines(
            lines, "Line chart: weekly shares of CN and US with the band of what is unidentified"
        ),
        "chart-labs": charts.lab_lines(
            lab_weeks,
            [lab["lab_name"] for lab in labs],
            "Line chart: weekly shares of the labs that lead the latest complete week",
        ),
        "chart-price": charts.price_bars(
            bands, "Stacked bar chart: monthly share of tokens by list price band"
        ),
    }
    months = sorted({b["period_start"] for b in bands})
    by_month = {
        m: {b["price_band"]: b["share"] for b in bands if b["period_start"] == m} for m in months
    }
    return {
        "weeks": weeks,
        "figures": figures,
        "labs": labs,
        "lab_table": {
            w["period_start"]: {
                r["lab_name"]: r["share"]
                for r in lab_weeks
                if r["period_start"] == w["period_start"]
            }
            for w in charted
        },
        "bands": list(_band_names(bands)),
        "band_table": by_month,
        "coverage": coverage,
        "unmapped": unmapped,
        "kinds": kinds,
        "inputs": inputs,
        "warnings": [v for v in verdicts if v.verdict == "warn"],
        "passed": sum(v.passed for v in verdicts),
        "specs": _json(specs),
        "javascript": Markup(charts.javascript()),  # noqa: S704  # our pinned library
    }


def _band_names(bands: Sequence[Row]) -> list[str]:
    return list(
        dict.fromkeys(b["price_band"] for b in sorted(bands, key=lambda b: b["band_order"]))
    )


def build_report(
    tables_dir: Path,
    target: Path,
    vintage_id: str,
    verdicts: Sequence[Verdict],
    inputs: Sequence[Row],
    citations: Sequence[str],
) -> None:
    """Write the report of a vintage; `target` is the path of the HTML file."""
    with open_tables(tables_dir) as connection:
        context = _context(connection, verdicts, inputs)
    page = (
        environment()
        .get_template("report.html.j2")
        .render(vintage_id=vintage_id, citations=citations, **context)
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page, encoding="utf-8")
