"""Two gateways beside each other, and measured spend beside implied spend.

docs/method.md: "Another gateway". The shipped history has no other gateway, so both sides are given
to these functions: what was landed of the one and of the other.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import pandas as pd

from tests.reference import inputs, periods, prices, registry
from tests.reference.registry import UNIDENTIFIED

SOURCE = "vercel_leaderboard"
GRAINS = ("weekly", "monthly")
# Of other kinds of share the usage source counts nothing.
COUNTED = {("text", "tokens"), ("all", "tokens")}


class Listed(NamedTuple):
    """One row of an answer; `made_on` is the day on which the answer was made."""

    dataset: str
    modality: str
    metric: str
    day: dt.date
    name: str
    percent: str
    made_on: dt.date


# Shares of one day by key.
Day = dict[str, Fraction]


def newest(answers: Iterable[Listed]) -> list[Listed]:
    """Each day of a data set, modality and metric whole from its newest answer."""
    found: dict[tuple[Any, ...], list[Listed]] = defaultdict(list)
    for row in answers:
        found[row[:4]].append(row)
    return [
        row
        for rows in found.values()
        for row in rows
        if row.made_on == max(other.made_on for other in rows)
    ]


def _lab(row: Listed) -> str:
    """The lab that a listed name belongs to, if the registry knew it on the day."""
    for name in inputs.seed("gateway_names"):
        if (name["dataset"], name["name"]) == (row.dataset, row.name):
            known = registry.row_of("labs", "lab_id", name["lab_id"], row.day.isoformat(), "then")
            return known["lab_id"] or UNIDENTIFIED
    return UNIDENTIFIED


def _of(lab: str, key: str, day: dt.date) -> str:
    if lab == UNIDENTIFIED or key == "lab_id":
        return lab
    return registry.headquarters(lab, day.isoformat(), "then")


def _ours(usage: Iterable[tuple[str, str, str]], key: str) -> dict[dt.date, tuple[Day, int]]:
    """Tokens by key of each day, and their sum; rows of usage are (day, slug, tokens)."""
    days: dict[dt.date, Day] = defaultdict(lambda: defaultdict(Fraction))
    for day, slug, tokens in usage:
        found = registry.attribute(slug, day, "then")
        column = "origin_author_hq" if key == "origin" else "lab_author_hq"
        days[dt.date.fromisoformat(day)][found[column]] += int(tokens)
    return {day: (by, int(sum(by.values()))) for day, by in days.items()}


def _total(rows: list[Listed]) -> Fraction:
    """100, or the sum of a day's shares if rounding makes it larger."""
    return max(sum((Fraction(row.percent) for row in rows), Fraction(0)), Fraction(100))


def _theirs(rows: list[Listed], key: str) -> Day:
    """Shares of one day by key; what is neither listed nor assigned is unidentified."""
    total = _total(rows)
    by: Day = defaultdict(Fraction)
    for row in rows:
        by[_of(_lab(row), key, row.day)] += Fraction(row.percent) / total
    by[UNIDENTIFIED] += 1 - sum(by.values())
    return by


def _double(value: Fraction) -> float:
    return float(prices.rounded(value, 12))


def _bounds(point: Fraction, unknown: Fraction, name: str) -> dict[str, float]:
    low, high = _double(point), _double(point + unknown)
    return {name: low, f"{name}_low": low, f"{name}_high": high}


def comparison(
    usage: Iterable[tuple[str, str, str]], answers: Iterable[Listed], key: str, grain: str
) -> pd.DataFrame:
    """`gateway_comparison_by_origin_*` (key `origin`) or `…_by_lab_*` (key `lab_id`)."""
    ours = _ours(usage, key)
    listed: dict[tuple[Any, ...], dict[dt.date, list[Listed]]] = defaultdict(dict)
    for row in newest(answers):
        if row.day in ours:
            frame = (row.dataset, row.modality, row.metric, periods.start(row.day, grain))
            listed[frame].setdefault(row.day, []).append(row)
    rows = [
        {
            "source": inputs.SOURCE,
            "gateway_source": SOURCE,
            "dataset": dataset,
            "modality": modality,
            "share_of": metric,
            "period_start": start,
            "days_compared": len(days),
            "is_complete": _is_complete(days, start, grain),
            "lens": "author_hq",
            **row,
        }
        for (dataset, modality, metric, start), days in listed.items()
        for row in _compared(ours, days, key, (modality, metric) in COUNTED)
    ]
    return pd.DataFrame(rows, dtype=object)


def _is_complete(days: dict[dt.date, list[Listed]], start: dt.date, grain: str) -> bool:
    settled = all(
        row.made_on >= day + dt.timedelta(2) for day, rows in days.items() for row in rows
    )
    return settled and len(days) == (periods.before(start, grain, -1) - start).days


def _compared(
    ours: dict[dt.date, tuple[Day, int]], days: dict[dt.date, list[Listed]], key: str, counted: bool
) -> Iterator[dict[str, Any]]:
    theirs = {day: _theirs(rows, key) for day, rows in days.items()}
    sides = [theirs] + [
        {d: {k: t / ours[d][1] for k, t in ours[d][0].items()} for d in days}
    ] * counted
    names = {k for side in sides for by in side.values() for k in by}
    total = sum(ours[day][1] for day in days)
    for name in names:

        def mean(side: dict[dt.date, Day], of: str) -> Fraction:
            return sum((side[d].get(of, Fraction(0)) for d in days), Fraction(0)) / len(days)

        def loose(side: dict[dt.date, Day], name: str = name) -> Fraction:
            return Fraction(0) if name == UNIDENTIFIED else mean(side, UNIDENTIFIED)

        row: dict[str, Any] = {key: name} | _bounds(
            mean(theirs, name), loose(theirs), "gateway_share"
        )
        lacking = ("mean_share", "mean_share_low", "mean_share_high", "token_weighted_share",
                   "spread", "spread_low", "spread_high")  # fmt: skip
        row |= dict.fromkeys(lacking)
        if counted:
            mine = sides[1]
            spread = mean(theirs, name) - mean(mine, name)
            row |= _bounds(mean(mine, name), loose(mine), "mean_share") | {
                "token_weighted_share": sum(ours[d][0].get(name, Fraction(0)) for d in days)
                / total,
                "spread": _double(spread),
                "spread_low": _double(spread - loose(mine)),
                "spread_high": _double(spread + loose(theirs)),
            }
        if key == "lab_id":
            last = max(d for d in days if any(name in side[d] for side in sides))
            row["lab_name"] = registry.lab_name(name, last.isoformat())
            row["origin"] = _of(name, "origin", last)
        yield row


class Model(NamedTuple):
    """A model that is listed by tokens and by spend on a day and has a list price."""

    lab: str
    tokens: Fraction
    spend: Fraction
    prompt: Decimal
    completion: Decimal


def _models(tokens: list[Listed], spend: list[Listed]) -> Iterator[Model]:
    measured = {row.name: Fraction(row.percent) for row in spend}
    slugs = {n["name"]: n["base_slug"] for n in inputs.seed("gateway_names")}
    for row in tokens:
        usd = prices.on_day(slugs.get(row.name, ""), row.day.isoformat())
        if row.name in measured and {"prompt", "completion"} <= usd.keys():
            yield Model(
                _lab(row), Fraction(row.percent), measured[row.name],
                usd["prompt"], usd["completion"],
            )  # fmt: skip


def spend_by_lab(answers: Iterable[Listed], grain: str) -> pd.DataFrame:
    """`gateway_spend_by_lab_*`."""
    listed: dict[tuple[str, dt.date], dict[str, list[Listed]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in newest(answers):
        if row.dataset == "models":
            listed[row.modality, row.day][row.metric].append(row)
    found: dict[tuple[str, dt.date], dict[dt.date, list[Model]]] = defaultdict(dict)
    for (modality, day), by in listed.items():
        models = list(_models(by["tokens"], by["spend"]))
        if models:
            found[modality, periods.start(day, grain)][day] = models
    rows = [
        {
            "source": SOURCE,
            "modality": modality,
            "period_start": start,
            "days_compared": len(days),
            "is_complete": _is_complete(
                {d: listed[modality, d]["tokens"] + listed[modality, d]["spend"] for d in days},
                start,
                grain,
            ),
            "lens": "author_hq",
            **{
                f"compared_{kind}_share": _mean(
                    [
                        sum((getattr(m, metric) for m in of), Fraction(0))
                        / _total(listed[modality, day][metric])
                        for day, of in days.items()
                    ]
                )
                for kind, metric in (("token", "tokens"), ("spend", "spend"))
            },
            **row,
        }
        for (modality, start), days in found.items()
        for row in _spent(days)
    ]
    return pd.DataFrame(rows, dtype=object)


def _mean(shares: list[Fraction]) -> float:
    return _double(sum(shares, Fraction(0)) / len(shares))


def _spent(days: dict[dt.date, list[Model]]) -> Iterator[dict[str, Any]]:
    for lab in {m.lab for models in days.values() for m in models}:
        shares = [_shares(lab, models) for models in days.values()]
        measured, implied, low, high = (list(column) for column in zip(*shares, strict=True))
        last = max(day for day, models in days.items() if any(m.lab == lab for m in models))
        yield {
            "lab_id": lab,
            "lab_name": registry.lab_name(lab, last.isoformat()),
            "origin": _of(lab, "origin", last),
            "models_compared": max(sum(m.lab == lab for m in of) for of in days.values()),
            "measured_share": _mean(measured),
            "implied_share": _mean(implied),
            "implied_share_low": _mean(low),
            "implied_share_high": _mean(high),
            "implied_minus_measured": _mean(
                [i - m for m, i in zip(measured, implied, strict=True)]
            ),
        }


def _shares(lab: str, models: list[Model]) -> tuple[Fraction, Fraction, Fraction, Fraction]:
    """Measured and implied share of a lab on one day, and the bounds of the latter."""

    def cost(price: Any, is_own: bool) -> Fraction:
        return sum((m.tokens * price(m) for m in models if (m.lab == lab) == is_own), Fraction(0))

    def share(own: Any, others: Any) -> Fraction:
        mine = cost(own, True)
        return mine / (mine + cost(others, False))

    def cheap(m: Model) -> Fraction:
        return Fraction(min(m.prompt, m.completion))

    def dear(m: Model) -> Fraction:
        return Fraction(max(m.prompt, m.completion))

    def blend(m: Model) -> Fraction:
        return Fraction(3 * m.prompt + m.completion) / 4

    own = sum(m.spend for m in models if m.lab == lab)
    measured = Fraction(own, 1) / sum(m.spend for m in models)
    return measured, share(blend, blend), share(cheap, dear), share(dear, cheap)
