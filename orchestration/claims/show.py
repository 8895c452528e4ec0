"""Read the claims of a vintage and put their figures into words, for the terminal."""

from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration.errors import TokenshareError, VerificationError, plain
from orchestration.tables import open_files

VERDICTS = {
    "reproduced": "green",
    "more_than_claimed": "green",
    "reproduced_under_other_rules": "yellow",
    "not_reproduced": "red",
    "not_decidable": "yellow",
    "not_measurable": "dim",
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
# Digits after the point: as many as the press gives.
_DIGITS = {"percent": 2, "trillion_tokens": 3}
_SIGNS = {"percent": "%", "trillion_tokens": "T"}

Claim = dict[str, Any]


def read(vintage: Path, claim_id: str | None = None) -> list[Claim]:
    """The rows of `claims` by id, or the one that is asked for.

    Raises TokenshareError where the vintage has no such table or no such claim, VerificationError
    where the table cannot be read.
    """
    path = vintage / "tables" / "claims.parquet"
    if not path.exists():
        raise TokenshareError(
            f"{vintage.name}: holds no table of claims, it is of an earlier version; "
            "`tokenshare run` publishes one"
        )
    with open_files({"claims": path}) as connection:
        try:
            relation = connection.sql("select * from claims order by claim_id")
            names = relation.columns
            claims = [dict(zip(names, row, strict=True)) for row in relation.fetchall()]
        except duckdb.Error as error:
            raise VerificationError(f"{path}: cannot be read: {plain(error)}") from error
        if "asked_by" not in names:
            raise TokenshareError(
                f"{vintage.name}: its table of claims is of an earlier version; "
                "`tokenshare run` publishes a new one"
            )
    if claim_id is None:
        return claims
    found = [claim for claim in claims if claim["claim_id"] == claim_id]
    if not found:
        known = ", ".join(claim["claim_id"] for claim in claims)
        raise TokenshareError(f"there is no claim {claim_id!r}; there are: {known}")
    return found


def _value(claim: Claim, column: str) -> str | None:
    """A value or a date of a claim without its unit."""
    base, _, end = column.partition("_")
    day = claim[f"{base}_date" + (f"_{end}" if end else "")]
    value = claim[column if end else f"{base}_value"]
    if day is not None:
        return str(day)
    return None if value is None else f"{value:.{_DIGITS[claim['unit']]}f}"


def _with_unit(claim: Claim, text: str) -> str:
    sign = _SIGNS.get(claim["unit"])
    return f"{text} {sign}" if sign else text


def published(claim: Claim) -> str:
    """The published figure in its unit, `–` where there is none."""
    text = _value(claim, "published")
    sign = {"above": "> ", "at_least": "≥ ", "below": "< "}.get(claim["comparison"], "")
    return "–" if text is None else sign + _with_unit(claim, text)


def measured(claim: Claim) -> str:
    """What was measured, with its bounds; `–` where nothing was."""
    text = _value(claim, "measured")
    if text is None:
        return "–"
    low, high = (_value(claim, f"measured_{end}") or "never" for end in ("low", "high"))
    return f"{_with_unit(claim, text)} [{low} to {high}]"


def tally(claims: list[Claim]) -> str:
    """How many claims have which verdict, in words."""
    counts = {name: sum(claim["verdict"] == name for claim in claims) for name in VERDICTS}
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count)


def details(claim: Claim) -> list[tuple[str, str]]:
    """Everything to be said of one claim, as (label, text)."""
    when = f", {claim['published_on']}" if claim["published_on"] else ", undated"
    is_ours = claim["asked_by"] == "us"
    groups = claim["group_name"] or "–"
    if claim["over_group"]:
        groups += f" over {claim['over_group']}"
    stated = "stated by the publisher" if claim["rules_are_stated"] else "ours, none are stated"
    known = {"then": "on each day", "now": "now"}[claim["registry_view"]]
    window = claim["window"] + ("" if claim["window_is_stated"] else " (ours, none is stated)")
    searched = (
        f"{claim['rules_matched']} of {claim['rules_searched']} other rules and windows match"
    )
    chance = claim["chance_of_match"]
    figures, most = claim["statement_figures"], claim["statement_figures_matched"]
    together = (
        f"one rule set gives all {figures} figures of {claim['statement_id']}"
        if most == figures
        else f"no rule set gives all {figures} figures of {claim['statement_id']}, at most {most}"
    )
    is_matched = claim["verdict"] in ("reproduced", "reproduced_under_other_rules")
    lines = [
        ("claim", claim["claim_id"]),
        ("question" if is_ours else "statement", claim["statement"]),
        ("asked by", "us, nobody published it" if is_ours else "–"),
        ("published by", "–" if is_ours else claim["published_by"] + when),
        ("url", "–" if is_ours else claim["url"] or "no copy found"),
        ("note", claim["note"] or "–"),
        ("metric", f"{claim['metric']}: {groups}"),
        ("rules", f"{claim['rule_set']} ({stated}), universe {claim['universe']}, "
                  f"lens {claim['lens']}, as known {known}"),
        ("window", window),
        ("asked" if is_ours else "published", published(claim)),
        ("measured", measured(claim)),
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
    if claim["unit"] == "date":
        return f"{claim['difference']:+.0f} days"
    tolerance = "" if claim["tolerance"] is None else f", tolerance {claim['tolerance']:g}"
    if claim["tolerance_above"] != claim["tolerance"]:
        tolerance += f" below and {claim['tolerance_above']:g} above"
    unit = {"percent": "points", "trillion_tokens": "T"}[claim["unit"]]
    return f"{claim['difference']:+.3f} {unit}{tolerance}"


def as_json(claim: Claim) -> Claim:
    """The row with dates as ISO text."""
    return {k: v.isoformat() if isinstance(v, date) else v for k, v in claim.items()}
