"""Properties of the metrics' real SQL, compiled by a run of dbt, on made-up usage (hypothesis)."""

import random
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.settings import Settings

MONDAY = date(2026, 1, 5)
# slug: (identification, lab, headquarters); one lab is known, its country is not.
SLUGS: dict[str, tuple[str, str | None, str | None]] = {
    "a/one": ("attributed", "a", "US"),
    "a/two": ("attributed", "a", "US"),
    "b/one": ("attributed", "b", "US"),
    "c/one": ("attributed", "c", "CN"),
    "c/two": ("attributed", "c", "CN"),
    "d/one": ("attributed", "d", None),
    "openrouter/secret": ("stealth", None, None),
    "nobody/one": ("unmapped", None, None),
    "nobody/two": ("unmapped", None, None),
    "openrouter/auto": ("router", None, None),
    "other": ("tail", None, None),
}
Usage = list[tuple[date, str, int]]
SHARES = ["int_periods", "int_usage_by_lens", "share_by_lab", "share_by_origin"]
CHAIN = [*SHARES, "concentration", "share_change"]
EXAMPLES = settings(max_examples=25, deadline=None, derandomize=True)


class Warehouse:
    """Runs the compiled models on made-up `int_usage_identified` rows, in memory."""

    def __init__(self, compiled: dict[str, tuple[str, str]]) -> None:
        self._compiled = compiled
        self._connection = duckdb.connect(config={"threads": 1})
        self._connection.execute("attach ':memory:' as tokenshare; use tokenshare")
        for schema in ("intermediate", "marts", "metrics", "registry"):
            self._connection.execute(f"create schema tokenshare.{schema}")

    def build(self, usage: Usage, *models: str) -> None:
        """Build `models` (all of the chain by default) and the share tables that they need."""
        rows = []
        for day, slug, tokens in usage:
            identification, lab, country = SLUGS[slug]
            name = lab.upper() if lab else None
            rows.append(
                ("s", day, slug, slug, identification, tokens, True, lab, name, country,
                 lab, name, country)
            )  # fmt: skip
        execute = self._connection.execute
        execute(
            "create or replace table intermediate.int_usage_identified (source varchar, "
            "usage_date date, model_permaslug varchar, base_slug varchar, identification varchar, "
            "tokens bigint, is_complete boolean, lab_id varchar, lab_name varchar, "
            "headquarters varchar, base_lab_id varchar, base_lab_name varchar, "
            "base_headquarters varchar)"
        )
        self._connection.executemany(
            f"insert into intermediate.int_usage_identified values ({', '.join('?' * 13)})", rows
        )
        execute(
            "alter table intermediate.int_usage_identified add column provider_id varchar; "
            "alter table intermediate.int_usage_identified add column provider_name varchar; "
            "alter table intermediate.int_usage_identified add column serving_headquarters varchar"
        )
        execute(
            "create or replace table intermediate.int_days as "
            "select distinct source, usage_date, is_complete from intermediate.int_usage_identified"
        )
        execute(
            "create or replace table registry.change_pairs as select 'pair' as change_id, "
            f"'weekly' as grain, date '{MONDAY}' as period_start_from, "
            f"date '{MONDAY + timedelta(days=7)}' as period_start_to"
        )
        for name in CHAIN:
            if models and name not in models and name not in SHARES:
                continue
            schema, sql = self._compiled[name]
            execute(f"create or replace table {schema}.{name} as {sql}")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        return {
            name: self.rows(f"select * from {self._compiled[name][0]}.{name} order by all")
            for name in CHAIN
        }


@pytest.fixture(scope="module")
def warehouse(small_base: Settings) -> Warehouse:
    target = small_base.dbt_target_dir
    compiled = {}
    for path in (target / "compiled" / "tokenshare" / "models").rglob("*.sql"):
        schema = path.relative_to(target).parts[3]
        compiled[path.stem] = (schema, path.read_text(encoding="utf-8"))
    return Warehouse(compiled)


@st.composite
def days(draw: st.DrawFn, count: int = 3, week: int = 0) -> Usage:
    """One to `count` days, each with some of the slugs; the tail may be many times a model."""
    usage: Usage = []
    for n in range(draw(st.integers(1, count))):
        day = MONDAY + timedelta(days=7 * week + n)
        named = draw(st.lists(st.sampled_from(list(SLUGS)[:-1]), min_size=1, unique=True))
        usage += [(day, slug, draw(st.integers(1, 200))) for slug in named]
        usage.append((day, "other", draw(st.integers(0, 400))))
    return usage


def model_completion(usage: Usage, chance: random.Random) -> dict[str, int]:
    """Tokens by model in one state of the world that the assumptions allow."""
    tokens: dict[str, int] = defaultdict(int)
    by_day: dict[date, dict[str, int]] = defaultdict(dict)
    for day, slug, count in usage:
        by_day[day][slug] = count
    greedy = chance.random() < 0.5
    loose = 0
    for named in by_day.values():
        smallest = min(count for slug, count in named.items() if slug != "other")
        for slug, count in named.items():
            if SLUGS[slug][0] not in ("tail", "router"):
                tokens[slug] += count
            elif SLUGS[slug][0] == "router":
                loose += count
        hidden = [s for s in SLUGS if s not in named and SLUGS[s][0] not in ("tail", "router")]
        unseen = [f"tail/{i}" for i in range(named.get("other", 0))]
        if greedy:
            hidden.sort(key=lambda s: -sum(d.get(s, 0) for d in by_day.values()))
        else:
            chance.shuffle(hidden)
            chance.shuffle(unseen)
        left = named.get("other", 0)
        for slug in [*hidden, *unseen]:
            if not left:
                break
            piece = min(left, smallest if greedy else chance.randint(1, smallest))
            tokens[slug] += piece
            left -= piece
        assert left == 0
    _spread(tokens, loose, chance, greedy)
    return tokens


def _spread(tokens: dict[str, int], loose: int, chance: random.Random, greedy: bool) -> None:
    """Give tokens that may be anyone's to the largest, or to random units, known or new."""
    if greedy or not tokens:
        tokens[max(tokens, key=lambda k: tokens[k]) if tokens else "new"] += loose
        return
    units = [*tokens, *(f"new/{i}" for i in range(5))]
    while loose:
        piece = chance.randint(1, loose)
        tokens[chance.choice(units)] += piece
        loose -= piece


def measures(tokens: Iterable[int]) -> tuple[Fraction, Fraction]:
    """HHI and top-5 share, exactly."""
    values = sorted(tokens, reverse=True)
    total = sum(values)
    hhi = sum((Fraction(v, total) ** 2 for v in values), Fraction())
    return hhi, Fraction(sum(values[:5]), total)


def bounds(warehouse: Warehouse, grain: str, unit: str) -> tuple[float, ...]:
    (row,) = warehouse.rows(
        f"select hhi_low, hhi, hhi_high, top_5_share_low, top_5_share, top_5_share_high "
        f"from metrics.concentration where grain = '{grain}' and unit = '{unit}' "
        "and lens in ('none', 'author_hq')"
    )
    return row


def assert_contained(found: tuple[float, ...], tokens: dict[str, int]) -> None:
    low, point, high, top_low, top, top_high = found
    hhi, top_5 = measures(tokens.values())
    assert low - 1e-12 <= hhi <= high + 1e-12
    assert top_low - 1e-12 <= top_5 <= top_high + 1e-12
    assert low <= point <= high
    assert top_low <= top <= top_high


@EXAMPLES
@given(usage=days(), seed=st.integers(0, 2**32))
def test_model_bounds_contain_every_completion(
    warehouse: Warehouse, usage: Usage, seed: int
) -> None:
    warehouse.build(usage, "concentration")
    chance = random.Random(seed)
    for _ in range(5):
        assert_contained(bounds(warehouse, "weekly", "model"), model_completion(usage, chance))
    first = [row for row in usage if row[0] == MONDAY]
    warehouse.build(first, "concentration")
    for _ in range(5):
        assert_contained(bounds(warehouse, "daily", "model"), model_completion(first, chance))


def _by_owner(usage: Usage, position: int) -> tuple[dict[str, int], dict[str, int], int]:
    """Tokens of known labs or origins, of what must be of one but of nobody knows which, the rest.

    A stealth model is of one lab, so are all models of one author, and a lab is in one country.
    """
    known: dict[str, int] = defaultdict(int)
    owned: dict[str, int] = defaultdict(int)
    loose = 0
    for _, slug, count in usage:
        identification, lab, _ = SLUGS[slug]
        name = SLUGS[slug][position]
        if isinstance(name, str):
            known[name] += count
        elif identification in ("tail", "router"):
            loose += count
        else:
            owned[lab or (slug if identification == "stealth" else slug.split("/")[0])] += count
    return known, owned, loose


@EXAMPLES
@given(usage=days(), seed=st.integers(0, 2**32))
def test_lab_and_origin_bounds_contain_every_completion(
    warehouse: Warehouse, usage: Usage, seed: int
) -> None:
    warehouse.build(usage, "concentration")
    chance = random.Random(seed)
    for unit, position in (("lab", 1), ("origin", 2)):
        found = bounds(warehouse, "monthly", unit)
        known, owned, loose = _by_owner(usage, position)
        total = sum(known.values()) + sum(owned.values()) + loose
        for _ in range(3):
            tokens = defaultdict(int, known)
            for name, count in owned.items():
                tokens[chance.choice([*tokens, f"new/{name}"])] += count
            _spread(tokens, loose, chance, greedy=False)
            assert_contained(found, tokens)
        # The lower bound is what is left when the rest is spread without end ...
        apart = sorted([*known.values(), *owned.values()], reverse=True)
        assert found[0] == pytest.approx(sum(v * v for v in apart) / total**2, abs=1e-12)
        assert found[3] == pytest.approx(sum(apart[:5]) / total, abs=1e-12)
        # ... and the upper one when the largest has all.
        _spread(known, sum(owned.values()) + loose, chance, greedy=True)
        assert_contained(found, known)
        assert found[2] == pytest.approx(float(measures(known.values())[0]), abs=1e-12)


@EXAMPLES
@given(usage=days(count=1))
def test_the_upper_bound_of_a_day_is_reached(warehouse: Warehouse, usage: Usage) -> None:
    """By a tail as lumpy as it can be and routers that all lead to the largest model."""
    named = {slug: count for _, slug, count in usage if slug != "other"}
    smallest = min(named.values())
    ((_, _, tail),) = [row for row in usage if row[1] == "other"]
    # Up to 100 models in the tail are told apart (a day of the history has at most 40).
    usage = [row for row in usage if row[1] != "other"]
    tail = min(tail, 100 * smallest)
    usage.append((MONDAY, "other", tail))
    tokens = {s: c for s, c in named.items() if SLUGS[s][0] != "router"}
    for i in range(100):
        tokens[f"tail/{i}"] = max(min(smallest, tail - i * smallest), 0)
    largest = max(tokens, key=lambda k: tokens[k])
    tokens[largest] += sum(c for s, c in named.items() if SLUGS[s][0] == "router")
    warehouse.build(usage, "concentration")
    found = bounds(warehouse, "daily", "model")
    hhi, top_5 = measures(tokens.values())
    assert found[2] == pytest.approx(float(hhi), abs=1e-12)
    assert found[5] == pytest.approx(float(top_5), abs=1e-12)


@EXAMPLES
@given(before=days(), after=days(week=1))
def test_a_change_is_the_sum_of_its_terms(
    warehouse: Warehouse, before: Usage, after: Usage
) -> None:
    warehouse.build(before + after, "share_change")
    rows = warehouse.rows(
        "select origin, delta_share, entrants, leavers, within_lab, between_lab, tokens_from, "
        "tokens_to from metrics.share_change where change_id = 'pair'"
    )
    totals = [sum(count for *_, count in usage) for usage in (before, after)]
    by_origin: dict[str, float] = defaultdict(float)
    for origin, delta, *terms, _, _ in rows:
        assert abs(delta - sum(terms)) <= 1e-12
        by_origin[origin] += delta
    assert sum(row[6] for row in rows) == totals[0]
    assert sum(row[7] for row in rows) == totals[1]
    for origin, delta in by_origin.items():
        exact = [
            Fraction(
                sum(c for _, s, c in usage if (SLUGS[s][2] or "unidentified") == origin), total
            )
            for usage, total in zip((before, after), totals, strict=True)
        ]
        assert abs(delta - float(exact[1] - exact[0])) <= 1e-12


@settings(EXAMPLES, max_examples=10)
@given(usage=days(), later=days(week=1), seed=st.integers(0, 2**32))
def test_row_order_and_splitting_a_row_change_nothing(
    warehouse: Warehouse, usage: Usage, later: Usage, seed: int
) -> None:
    rows = usage + later
    warehouse.build(rows)
    expected = warehouse.everything()
    chance = random.Random(seed)
    spoiled: Usage = []
    for day, slug, tokens in rows:
        part = chance.randint(0, tokens)
        spoiled += [(day, slug, part), (day, slug, tokens - part)]
    chance.shuffle(spoiled)
    warehouse.build(spoiled)
    assert warehouse.everything() == expected
