"""Shares as others count them, from configuration/rule_sets.yml.

docs/method.md: "Rule sets". Whether a row is in a group has three answers: `YES`, `NO` and `MAYBE`
(nothing known says otherwise). "Any of" is then the largest of the answers, "all of" the smallest.
"""

import datetime as dt
import functools
import itertools
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd

from tests.reference import inputs, periods, registry
from tests.reference.registry import UNIDENTIFIED

NO, MAYBE, YES = 0, 1, 2
HIDDEN = ["tail", "stealth", "router"]  # what these rows are is not known, not even the author
KNOWN_UNIVERSES = ["all", "identified_only", "top_n", "labs"]

Rules = dict[str, Any]


class Usage:
    """Rows under a lens and in a view of the registry, in order of days.

    `kinds` are the distinct combinations of what groups ask for, `kind` each row's place in them.
    """

    asked = ("origin", "lab", "author", "base_slug", "identification", "license")

    def __init__(self, lens: str, view: str) -> None:
        table = registry.attributed(view).sort_values("usage_date", kind="stable")
        table["origin"], table["lab"] = table[f"origin_{lens}"], table[f"lab_{lens}"]
        revealed = table["revealed_as"].str.split("/").str[0]
        table["author"] = revealed.where(table["revealed_as"] != "", table["author"])
        self.rows = table.reset_index(drop=True)
        grouped = self.rows.groupby(list(self.asked), sort=False)
        self.kind = grouped.ngroup().to_numpy()
        self.kinds = grouped.head(1).reset_index(drop=True)
        self.tokens = self.rows["tokens"].to_numpy()
        self.is_free = (self.rows["variant"] == "free").to_numpy()
        self.periods = {}
        for grain in ("weekly", "monthly"):
            starts = periods.starts(self.rows["usage_date"], grain)
            first = np.flatnonzero(~starts.duplicated())
            self.periods[grain] = (starts.iloc[first].tolist(), first)

    def sums(self, grain: str, counts: np.ndarray) -> list[int]:
        """Exact tokens of the rows that count, by period."""
        return np.add.reduceat(np.where(counts, self.tokens, 0), self.periods[grain][1]).tolist()


@functools.cache
def usage(lens: str, view: str) -> Usage:
    """The rows under a lens and in a view."""
    return Usage(lens, view)


def _one_of(values: pd.Series, wanted: list[str], is_open: pd.Series) -> np.ndarray:
    """Is the value one of these? Open: it may be."""
    return np.where(values.isin(wanted), YES, np.where(is_open, MAYBE, NO))


def _any(rows: pd.DataFrame, conditions: Rules) -> np.ndarray:
    """Does a row meet any of the conditions on origin, lab, author, model, identification?"""
    hidden = rows["identification"].isin(HIDDEN)
    answers = {
        "origins": ("origin", rows["origin"] == UNIDENTIFIED),
        "labs": ("lab", rows["lab"] == UNIDENTIFIED),
        "authors": ("author", hidden),
        "models": ("base_slug", hidden),
        "identifications": ("identification", hidden & False),
    }
    found = [
        _one_of(rows[column], conditions[name], is_open)
        for name, (column, is_open) in answers.items()
        if name in conditions
    ]
    return np.max(found, axis=0) if found else np.full(len(rows), YES)


def members(rows: pd.DataFrame, group: Rules) -> np.ndarray:
    """Is a row in the group? `YES`, `MAYBE` or `NO` for each."""
    answer = _any(rows, group)
    if "licenses" in group:
        is_open = rows["license"] == "unknown"
        answer = np.minimum(answer, _one_of(rows["license"], group["licenses"], is_open))
    if "excludes" in group:
        answer = np.minimum(answer, YES - _any(rows, group["excludes"]))
    return answer


def identified(rows: pd.DataFrame, group: Rules) -> np.ndarray:
    """Rows that `identified_only` counts: attributed, and origin and lab known if asked for."""
    known = rows["identification"] == "attributed"
    asked = group.keys() | group.get("excludes", {}).keys()
    for name, column in (("origins", "origin"), ("labs", "lab")):
        if name in asked:
            known &= rows[column] != UNIDENTIFIED
    return known.to_numpy()


@functools.cache
def largest(table: Usage, top_of: str, top_n: int, grain: str) -> np.ndarray:
    """The rows of the N largest models of each period; the tail is none, equal ones go by name."""
    first = table.periods[grain][1]
    names = table.rows["model_permaslug" if top_of == "rows" else "base_slug"].tolist()
    is_tail = (table.rows["identification"] == "tail").tolist()
    tokens, top = table.tokens.tolist(), np.full(len(names), False)
    for start, end in itertools.pairwise([*first.tolist(), len(names)]):
        sums = Counter()
        for n in range(start, end):
            if not is_tail[n]:
                sums[names[n]] += tokens[n]
        best = set(sorted(sums, key=lambda name: (-sums[name], name))[:top_n])
        top[start:end] = [name in best for name in names[start:end]]
    return top


def counted(table: Usage, rule: Rules, groups: dict[str, Rules], grain: str) -> Iterator[Rules]:
    """K, U, T and B of each group and period."""
    counts = np.full(len(table.rows), True)
    if rule.get("free_variants") == "excluded":
        counts = ~table.is_free
    for name, group in groups.items():
        answer = members(table.kinds, group)[table.kind]
        universe, left_out = counts, np.full(len(counts), False)
        if rule["universe"] == "top_n":
            universe = counts & largest(table, rule["top_of"], rule["top_n"], grain)
        elif rule["universe"] == "identified_only":
            universe = counts & identified(table.kinds, group)[table.kind]
            left_out = counts & ~universe  # the bounds put it back
        elif rule["universe"] == "labs":
            universe = counts & table.rows["lab"].isin(rule["labs"]).to_numpy()
            left_out = counts & (table.rows["lab"] == UNIDENTIFIED).to_numpy()
        denominator = counts if rule.get("denominator") == "all_rows" else universe
        columns = (
            universe & (answer == YES),
            (universe & (answer == MAYBE)) | (left_out & (answer != NO)),
            denominator,
            denominator | left_out,
        )
        sums = [table.sums(grain, column) for column in columns]
        for start, *numbers in zip(table.periods[grain][0], *sums, strict=True):
            yield {"group_name": name, "period_start": start, **_shares(*numbers)}


def rule_sets() -> Iterator[tuple[Rules, dict[str, Rules]]]:
    """Every rule set with its defaults and its groups."""
    config = inputs.configuration("rule_sets")
    for rule in config["rule_sets"]:
        groups = {} if rule.get("only_own_groups") else config["groups"]
        full = {"universe": "all", "lens": "author_hq", "registry_view": "then", **rule}
        if full["universe"] not in KNOWN_UNIVERSES:
            raise ValueError(f"{full['universe']!r} has no second implementation yet")
        yield full, {**groups, **rule.get("groups", {})}


def _described(rule: Rules) -> Rules:
    universe = rule["universe"]
    if universe == "top_n":
        universe = f"top_{rule['top_n']}" + (
            "_base_models" if rule["top_of"] == "base_models" else ""
        )
    return {
        "source": inputs.SOURCE,
        "rule_set": rule["rule_set"],
        "universe": universe,
        "denominator": rule.get("denominator", "universe"),
        "lens": rule["lens"],
        "registry_view": rule["registry_view"],
    }


def _shares(known: int, open_: int, total: int, base: int) -> Rules:
    def part(tokens: int, of: int) -> Fraction:
        return Fraction(tokens, of) if of else Fraction(0)

    return {
        "tokens": known,
        "total_tokens": total,
        "share": part(known, total),
        "share_low": part(known, base),
        "share_high": part(known + open_, base),
    }


@functools.cache
def _table(grain: str) -> pd.DataFrame:
    """Every rule set and group in every week, or month as a sum of days."""
    window = {"weekly": "iso_week", "monthly": "month_sum"}[grain]
    rows = []
    for rule, groups in rule_sets():
        if window not in rule.get("windows", [window]):
            continue
        table = usage(rule["lens"], rule["registry_view"])
        head = {**_described(rule), "window_kind": window}
        rows += [{**head, **row} for row in counted(table, rule, groups, grain)]
    return periods.describe(pd.DataFrame(rows, dtype=object), grain)


def weekly() -> pd.DataFrame:
    """`share_by_rule_set_weekly`."""
    return _table("weekly")


def _weeks_of(month: dt.date) -> list[dt.date]:
    """The Mondays of the weeks whose Thursday is in the month."""
    days = (month + dt.timedelta(days=n) for n in range(31))
    thursdays = (day for day in days if day.month == month.month and day.weekday() == 3)
    return [day - dt.timedelta(days=3) for day in thursdays]


def monthly() -> pd.DataFrame:
    """`share_by_rule_set_monthly`: the sum of a month's days and the mean of its complete weeks."""
    kinds = {r["rule_set"]: r.get("windows") for r, _ in rule_sets()}
    complete = set(periods.complete("weekly"))
    weeks = _table("weekly")
    weeks = weeks[weeks["period_start"].isin(complete)]
    of_month: dict[tuple[str, str, dt.date], list[Rules]] = {}
    for week in weeks.to_dict("records"):
        month = (week["period_start"] + dt.timedelta(days=3)).replace(day=1)
        of_month.setdefault((week["rule_set"], week["group_name"], month), []).append(week)
    rows = []
    for (rule, _, month), found in of_month.items():
        if "month_mean_of_weeks" not in (kinds[rule] or ["month_mean_of_weeks"]):
            continue
        row = found[0] | {"window_kind": "month_mean_of_weeks", "period_start": month}
        row |= {c: sum(week[c] for week in found) for c in ("tokens", "total_tokens")}
        for column in ("share", "share_low", "share_high"):
            row[column] = round(float(sum(week[column] for week in found) / len(found)), 12)
        row["days_present"] = periods.present("monthly")[month][0]
        row["is_complete"] = complete.issuperset(_weeks_of(month))
        rows.append(row)
    return pd.concat([_table("monthly"), pd.DataFrame(rows, dtype=object)], ignore_index=True)
