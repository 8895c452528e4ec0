"""Published statements and our own questions, compared with the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from orchestration.claims import show
from orchestration.report.context import Context
from orchestration.report.section import Column, Row, Section, Table, measured
from orchestration.words import spaced


@dataclass(frozen=True, kw_only=True)
class Claims(Section):
    claims: Table
    questions: Table


def section(context: Context) -> Claims:
    rows = context.ask("claims")
    return Claims(
        claims=Table(
            "Published statements, newest first. T: trillion tokens.",
            _columns("Statement", "Published"),
            [r for r in rows if r["asked_by"] == "publisher"],
        ),
        questions=Table(
            "Our own questions, which nobody published. T: trillion tokens.",
            _columns("Question", "Asked"),
            [r for r in rows if r["asked_by"] == "us"],
        ),
    )


def _columns(statement: str, published: str) -> Sequence[Column]:
    return [
        Column("Verdict", _verdict),
        Column(statement, _statement, "wrap"),
        Column(published, show.published, "wide"),
        Column("Measured, with bounds", measured, "wide"),
    ]


def _verdict(claim: Row) -> Any:
    return Markup('<span id="claim-{}" class="verdict {}">{}</span>').format(
        claim["claim_id"], claim["verdict"], show.VERDICTS[claim["verdict"]]
    )


def _statement(claim: Row) -> Any:
    """The statement with its source, rules and notes, and the figures again, for a phone."""
    is_ours = claim["asked_by"] == "us"
    by = "Asked by us" if is_ours else show.publisher(claim)
    link = Markup('<a href="{}">{}</a>').format(claim["url"], by) if claim["url"] else escape(by)
    figures = ""
    if claim["verdict"] != "not_measurable":
        figures = Markup('<span class="narrow">{} {}, measured {}.</span>').format(
            "Asked" if is_ours else "Published", show.published(claim), measured(claim)
        )
    counted = ""
    if claim["metric"] != "none":
        counted = (
            f" Counted: {show.window(claim)}; "
            f"{spaced(claim['rule_set'])}, {spaced(claim['lens'])}, {show.known(claim)}."
        )
    return Markup('{}<br>{}<span class="soft">{}.{}</span>{}').format(
        claim["statement"], figures, link, counted, Markup("").join(_notes(claim, is_ours))
    )


def _notes(claim: Row, is_ours: bool) -> list[Markup]:
    said = [claim["reason"], claim["note"] if is_ours else None]
    notes = [Markup('<br><span class="soft">{}</span>').format(text) for text in said if text]
    folded = [text for text in (None if is_ours else claim["note"], claim["rules"]) if text]
    summary = "How it is read"
    if claim["rules"] and claim["rules_searched"]:
        summary = f"Matched by, {claim['rules_matched']} of {claim['rules_searched']} searched"
        if claim["chance_of_match"] is not None:
            summary += f"; so would {100 * claim['chance_of_match']:.0f} % of random figures"
    if folded:
        notes.append(
            Markup("<details><summary>{}</summary>{}</details>").format(
                summary, Markup("<br>").join(folded)
            )
        )
    return notes
