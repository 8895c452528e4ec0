"""Read the claims of a vintage and format their figures for the terminal and the report."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from orchestration.claims import AskedBy, Verdict
from orchestration.errors import TokenshareError, VerificationError, safe_text
from orchestration.tables import open_files, rows

VERDICTS: dict[str, str] = {
    Verdict.REPRODUCED: "Reproduced",
    Verdict.MORE_THAN_CLAIMED: "More than claimed",
    Verdict.REPRODUCED_UNDER_OTHER_RULES: "Only under other rules",
    Verdict.NOT_REPRODUCED: "Not reproduced",
    Verdict.NOT_DECIDABLE: "Not decidable",
    Verdict.NOT_MEASURABLE: "Not measurable",
}
# Colors on the terminal.
STYLES: dict[str, str] = {
    Verdict.REPRODUCED: "green",
    Verdict.MORE_THAN_CLAIMED: "green",
    Verdict.REPRODUCED_UNDER_OTHER_RULES: "yellow",
    Verdict.NOT_REPRODUCED: "red",
    Verdict.NOT_DECIDABLE: "yellow",
    Verdict.NOT_MEASURABLE: "dim",
}
_TABLES = {
    "share": ("share_by_rule_set_weekly", "share_by_rule_set_monthly"),
    "license_share": ("share_by_rule_set_weekly", "share_by_license_weekly"),
    "tokens": ("share_by_rule_set_weekly", "usage_daily"),
    "lead": ("share_by_rule_set_weekly",),
    "first_lead_date": ("share_by_rule_set_weekly",),
    "price_gap": ("price_history", "usage_daily"),
    "price_quality": ("price_quality",),
    "none": (),
}
# The decimals of a measured figure; a published one is shown as it is.
_DIGITS = {"percent": 1, "trillion_tokens": 2}
_SIGNS = {"percent": " %", "trillion_tokens": " T"}
_COMPARISONS = {"above": "> ", "at_least": "≥ ", "below": "< "}

Claim = dict[str, Any]


class Measured(NamedTuple):
    """A measured figure with its unit, and its bounds, as text."""

    text: str
    low: str
    high: str


def read(vintage: Path, claim_id: str | None = None) -> list[Claim]:
    """The rows of the table `claims` by id, or the only row with `claim_id`.

    Raises TokenshareError if the vintage has no such table or claim, and VerificationError if the
    table cannot be read.
    """
    path = vintage / "tables" / "claims.parquet"
    if not path.exists():
        raise TokenshareError(
            f"{vintage.name}: has no table claims, because it is of an earlier version; "
            "`tokenshare run` publishes one"
        )
    with open_files({"claims": path}) as connection:
        try:
            claims = rows(connection, "select * from claims order by claim_id")
        except duckdb.Error as error:
            raise VerificationError(f"{path}: cannot be read: {safe_text(error)}") from error
        if claims and "asked_by" not in claims[0]:
            raise TokenshareError(
                f"{vintage.name}: its table claims has no column asked_by, because it is of an "
                "earlier version; `tokenshare run` publishes a new one"
            )
    if claim_id is None:
        return claims
    found = [claim for claim in claims if claim["claim_id"] == claim_id]
    if not found:
        known = ", ".join(claim["claim_id"] for claim in claims)
        raise TokenshareError(f"{claim_id!r} is not a claim; expected one of: {known}")
    return found


def chosen(
    claims: Sequence[Claim],
    verdicts: Sequence[Verdict] = (),
    asked_by: AskedBy | None = None,
    by: str = "",
    about: str = "",
) -> list[Claim]:
    """The claims that pass every filter that is given; `by` is a part of the publisher's name,
    `about` of the id, the statement or the window, in upper or lower case."""

    def has(claim: Claim, text: str, *fields: str) -> bool:
        return any(text.casefold() in (claim[field] or "").casefold() for field in fields)

    return [
        claim
        for claim in claims
        if (not verdicts or claim["verdict"] in verdicts)
        and asked_by in (None, claim["asked_by"])
        and has(claim, by, "published_by")
        and has(claim, about, "claim_id", "statement", "window")
    ]


def published(claim: Claim) -> str:
    """The published figure with its unit, `–` if the statement has none."""
    if claim["published_date"] is not None:
        return str(claim["published_date"])
    if claim["published_value"] is None:
        return "–"
    sign = _COMPARISONS.get(claim["comparison"], "")
    return f"{sign}{claim['published_value']:g}{_SIGNS.get(claim['value_unit'], '')}"


def measured(claim: Claim) -> Measured | None:
    """The measured figure, None if nothing was measured; `never` for a day that has not come."""
    if claim["value_unit"] == "date":
        days = (claim[f"measured_date{end}"] for end in ("", "_low", "_high"))
        found, low, high = (str(day or "never") for day in days)
        is_known = claim["measured_date"] or claim["verdict"] != "not_measurable"
        return Measured(found, low, high) if is_known else None
    if claim["measured_value"] is None:
        return None
    digits = _DIGITS.get(claim["value_unit"], 2)
    figures = (claim[f"measured_{end}"] for end in ("value", "low", "high"))
    found, low, high = ("…" if x is None else f"{x:.{digits}f}".replace("-", "−") for x in figures)
    return Measured(found + _SIGNS.get(claim["value_unit"], ""), low, high)


def measured_text(claim: Claim) -> str:
    """The measured figure with its bounds, `–` if nothing was measured."""
    figure = measured(claim)
    return "–" if figure is None else f"{figure.text} ({figure.low} to {figure.high})"


def publisher(claim: Claim) -> str:
    """Who published the statement, and when."""
    return f"{claim['published_by']}, {claim['published_on'] or 'undated'}"


def window(claim: Claim) -> str:
    """The period that is counted."""
    return f"{claim['window']}{'' if claim['window_is_stated'] else ' (our reading)'}"


def known(claim: Claim) -> str:
    """The view of the registry that the claim is measured with."""
    return f"as known {'on each day' if claim['registry_view'] == 'then' else 'now'}"


def counts(claims: Sequence[Claim]) -> list[tuple[str, str, int]]:
    """The number of claims by verdict: verdict, its label, count. Verdicts without claims are left
    out."""
    found = [
        (verdict, label, sum(claim["verdict"] == verdict for claim in claims))
        for verdict, label in VERDICTS.items()
    ]
    return [entry for entry in found if entry[2]]


def tally(claims: Sequence[Claim]) -> str:
    """The number of claims by verdict, as text."""
    return ", ".join(f"{count} {label.lower()}" for _, label, count in counts(claims))


def details(claim: Claim) -> list[tuple[str, str]]:
    """All details of one claim, as (label, text)."""
    is_ours = claim["asked_by"] == "us"
    groups = claim["group_name"] or "–"
    if claim["over_group"]:
        groups += f" over {claim['over_group']}"
    stated = "stated by the publisher" if claim["rules_are_stated"] else "ours, none are stated"
    searched = (
        f"{claim['rules_matched']} of {claim['rules_searched']} other rules and windows match"
    )
    chance = claim["chance_of_match"]
    figures, most = claim["statement_figures"], claim["statement_figures_matched"]
    together = (
        f"one rule set reproduces all {figures} figures of {claim['statement_id']}"
        if most == figures
        else f"no rule set reproduces all {figures} figures of {claim['statement_id']}; the best "
        f"reproduces {most}"
    )
    is_matched = claim["verdict"] in ("reproduced", "reproduced_under_other_rules")
    lines = [
        ("claim", claim["claim_id"]),
        ("question" if is_ours else "statement", claim["statement"]),
        ("asked by", "us, nobody published it" if is_ours else "–"),
        ("published by", "–" if is_ours else publisher(claim)),
        ("url", "–" if is_ours else claim["url"] or "no copy found"),
        ("note", claim["note"] or "–"),
        ("metric", f"{claim['metric']}: {groups}"),
        ("rules", f"{claim['rule_set']} ({stated}), universe {claim['universe']}, "
                  f"lens {claim['lens']}, {known(claim)}"),
        ("window", window(claim)),
        ("asked" if is_ours else "published", published(claim)),
        ("measured", measured_text(claim)),
        ("difference", _difference(claim)),
        ("verdict", claim["verdict"]),
        ("matched by", claim["rules"] or "–"),
        ("searched", searched if claim["rules_searched"] else "–"),
        ("chance", f"{100 * chance:.0f} % of figures within 25 % of this one would have matched"
                   if chance is not None else "–"),
        ("together", together if is_matched and figures > 1 else "–"),
        ("reason", claim["reason"] or "–"),
        ("tables", ", ".join(("claims", *_TABLES[claim["metric"]]))),
    ]  # fmt: skip
    return [(label, text) for label, text in lines if text != "–"]


def _difference(claim: Claim) -> str:
    if claim["difference"] is None:
        return "–"
    if claim["value_unit"] == "date":
        return f"{claim['difference']:+.0f} days"
    tolerance = "" if claim["tolerance"] is None else f", tolerance {claim['tolerance']:g}"
    if claim["tolerance_above"] != claim["tolerance"]:
        tolerance += f" below and {claim['tolerance_above']:g} above"
    unit = {"percent": "points", "trillion_tokens": "T"}[claim["value_unit"]]
    return f"{claim['difference']:+.3f} {unit}{tolerance}"


def as_json(claim: Claim) -> Claim:
    """The row of a claim, with dates as ISO text."""
    return {k: v.isoformat() if isinstance(v, date) else v for k, v in claim.items()}
