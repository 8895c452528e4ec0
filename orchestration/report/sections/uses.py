"""What models are used for, as far as a source has a label for it."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.report.context import Context
from orchestration.report.section import Column, Row, Section, Table, between, ranked, value
from orchestration.words import number, percent, spaced, tokens


@dataclass(frozen=True, kw_only=True)
class Uses(Section):
    # The number of uses that are measured, and the uses that no source can measure.
    measured: int
    # The two uses with most of the classified tokens; none if no task is measured.
    largest: Sequence[Row]
    not_measurable: Sequence[Row]
    table: Table
    apps: Table
    tasks: Table
    tasks_by_origin: Table


def section(context: Context) -> Uses:
    uses, apps, tasks = (context.ask(q) for q in ("uses", "apps", "tasks"))
    return Uses(
        measured=sum(bool(r["measured_windows"]) for r in uses),
        largest=[r for r in uses[:2] if r["newest_token_share"] is not None],
        not_measurable=[r for r in uses if not r["is_measurable"]],
        table=Table(
            "What a source has a label for. Shares: of classified tokens, newest window.",
            [
                Column("Use", value("use_name")),
                Column("Label exists", lambda r: "yes" if r["is_measurable"] else "no", "text"),
                Column("Evidence", value("label_evidence"), "text"),
                Column("Windows here", value("measured_windows", str)),
                Column("Share of tokens", value("newest_token_share", percent)),
                Column(
                    "What it does not say", lambda r: r["why_not"] or r["limits"] or "–", "wrap"
                ),
            ],
            uses,
            shown=20,
        ),
        apps=Table(
            "Apps that identify themselves; share of the listed apps’ tokens, not of OpenRouter. "
            f"{_window(apps)}",
            [
                Column("App", ranked("app_name")),
                Column("Tokens", value("tokens", tokens)),
                Column("Share of listed", value("share_of_listed", percent)),
                Column("Tokens per request", value("tokens_per_request", number, 0)),
            ],
            apps,
        ),
        tasks=Table(
            f"Shares of what the source could classify. {_window(tasks)}",
            [
                Column("Task", lambda r: r["display_name"] or r["tag"]),
                Column("Use", lambda r: r["use"] or "–", "text"),
                Column("Share of tokens", value("classified_token_share", percent)),
                Column("Share of requests", value("classified_usage_share", percent)),
                Column("Tokens of listed models", value("listed_token_share", percent)),
            ],
            tasks,
        ),
        tasks_by_origin=Table(
            f"Of all classified tokens, between these bounds. {_window(tasks)}",
            [
                Column("Use", value("use", spaced)),
                Column("Origin", value("origin"), "text"),
                Column("Between", between("share_low", "share_high")),
            ],
            context.ask("tasks_by_origin"),
        ),
    )


def _window(rows: Sequence[Row]) -> str:
    return f"Window {rows[0]['window_start']} to {rows[0]['window_end']}." if rows else ""
