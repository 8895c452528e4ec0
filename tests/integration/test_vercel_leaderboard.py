"""A second gateway: what its answers are read as, and that it moves nothing of the first one."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from orchestration import pipeline
from orchestration.errors import RefusedDumpError
from orchestration.landing.store import land, list_dumps
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.sources import SOURCES, Dump, find_source, parse
from orchestration.sources.checks import split_rows
from tests import builders
from tests.conftest import GPT, NEWEST, vintage_of
from tests.reference import compare, gateways, inputs

REAL = PROJECT_ROOT.parent / "shared" / "data" / "vercel"
TABLES = [
    f"gateway_{name}_{grain}"
    for name in ("comparison_by_origin", "comparison_by_lab", "spend_by_lab")
    for grain in ("weekly", "monthly")
]
AS_OF = datetime(2026, 3, 3, 6, tzinfo=UTC)
CITATION = '© 2026 Vercel. "AI Gateway Leaderboard Data", as of 2026-03-03T06:00:00Z. '


def answer(shares: dict[str, float], **document: Any) -> bytes:
    """The API's answer with shares of tokens on 2026-03-01 by name; of models if nothing is said.

    Rows as in a real answer of 2026-03-01 (© 2026 Vercel. "AI Gateway Leaderboard Data". Licensed
    under CC BY 4.0), the document around them as its owner describes it; the figures are made up.
    """
    rows = [
        {"date": "2026-03-01", "group": "model", "name": name, "metric": "tokens",
         "modality": "text", "share_percent": share}
        for name, share in shares.items()
    ]  # fmt: skip
    plain = {
        "dataset": "models",
        "license": "CC-BY-4.0",
        "license_url": "https://creativecommons.org/licenses/by/4.0/",
        "modality": "text",
        "rows": rows,
    }
    return json.dumps({**plain, **document}).encode()


# Shares of a day by name; all of them have a list price on OpenRouter but Kimi K3 (not yet out) and
# `No Such Model`, whom nobody knows. Rounding makes the labs' tokens add up to 100.0002.
MODELS = {
    "tokens": {"Claude Sonnet 4.5": "20.5", "DeepSeek V3.2": "31.25", "GPT-4o": "3.2501",
               "Kimi K3": "1", "No Such Model": "4", "Other": "39.9999"},
    "spend": {"Claude Sonnet 4.5": "55.5", "DeepSeek V3.2": "2.125", "Gemini 2.5 Flash": "9",
              "GPT-4o": "12.375", "Kimi K3": "1", "Other": "20"},
}  # fmt: skip
LABS = {
    "tokens": {"anthropic": "30.0001", "deepseek": "40.5", "spacexai": "19.5001", "zai": "7",
               "stealth": "2", "nobody": "1"},
    "requests": {"google": "60", "openai": "40"},
    "spend": {"anthropic": "81", "deepseek": "3.0001", "openai": "15.9998"},
}  # fmt: skip


def month(
    dataset: str, days: list[str], made: datetime, shares: dict[str, dict[str, str]]
) -> tuple[bytes, list[gateways.Listed]]:
    """An answer with these shares on every day, `No Such Model` one point more a day at the cost of
    `Other`; and its rows."""
    rows = []
    for n, day in enumerate(days):
        for metric, by_name in shares.items():
            moved = {"No Such Model": n, "Other": -n} if "No Such Model" in by_name else {}
            rows += [
                gateways.Listed(
                    dataset, "text", metric, date.fromisoformat(day), name,
                    str(Decimal(share) + moved.get(name, 0)), made.date(),
                )
                for name, share in by_name.items()
            ]  # fmt: skip
    listed = [
        {"date": str(r.day), "group": dataset[:-1], "name": r.name, "metric": r.metric,
         "modality": "text", "share_percent": float(r.percent)}
        for r in rows
    ]  # fmt: skip
    return answer({}, dataset=dataset, rows=listed), rows


def landed_months(settings: Settings) -> Iterator[gateways.Listed]:
    """Lands two answers for the labs and two for the models, of windows that overlap; their rows.

    The later answer for models lists others; the day before the last answer was made is live.
    """
    days = builders.days("2026-01-26", 18)  # to 2026-02-12, the newest day of usage
    others = {"tokens": {"GPT-4o": "60", "Other": "40"}, "spend": {"GPT-4o": "70", "Other": "30"}}
    first, second = (datetime(2026, 2, day, 6, tzinfo=UTC) for day in (9, 13))
    for dataset, asked, made, shares in (
        ("models", days[:14], first, MODELS), ("models", days[12:], second, others),
        ("labs", days[:14], first, LABS), ("labs", days[7:], second, LABS),
    ):  # fmt: skip
        content, rows = month(dataset, asked, made, shares)
        dump = builders.write(settings.data_dir, "answer.json", content)
        land(dump, settings, as_of=made)
        dump.unlink()
        yield from rows


def judged(content: bytes, as_of: datetime = AS_OF) -> tuple[list[dict[str, Any]], list[str]]:
    """Good rows, and codes of the bad ones."""
    dump = Dump("v.json", content)
    source = find_source(dump)
    assert source.name == "vercel_leaderboard"
    good, bad = split_rows(parse(dump, source), source.table, as_of)
    return good.to_pylist(), bad["code"].to_pylist()


def test_shares_are_typed_rows_with_every_digit() -> None:
    (first, second), bad = judged(answer({"Claude Opus 4.6": 99.9999, "Other": 1e-4}))
    assert first == {
        "row_number": 1, "dataset": "models", "modality": "text", "metric": "tokens",
        "usage_date": date(2026, 3, 1), "name": "Claude Opus 4.6",
        "share_percent": Decimal("99.9999"),
    }  # fmt: skip
    assert (second["name"], second["share_percent"], bad) == ("Other", Decimal("0.0001"), [])
    ((lab,), _) = judged(answer({"spacexai": 100}, dataset="labs"))
    assert (lab["dataset"], lab["name"]) == ("labs", "spacexai")


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        (answer({"A": 60, "Other": 39.9991}), []),
        (answer({"A": 60, "Other": 39.9989}), ["malformed_row"] * 2),
        (answer({"A": 60}), ["malformed_row"]),
        (answer({"A": -1, "Other": 101}), ["out_of_range"] * 2),
        (answer({"A ": 50, "Other": 50}), ["bad_form"]),
        (answer({"A": 100}).replace(b'"tokens"', b'"users"'), ["bad_form"]),
        (answer({"A": 100}).replace(b"2026-03-01", b"2025-09-30"), ["date_too_early"]),
        # The running day is live.
        (answer({"A": 100}).replace(b"2026-03-01", b"2026-03-03"), ["day_not_over"]),
        (answer({"A": 100}, **{"from": "2026-03-02", "to": "2026-03-02"}), ["outside_window"]),
        (answer({}, rows=["A"]), ["malformed_row"]),
        (answer({"A": 100, "B": 7}).replace(b"7", b"NaN"), ["not_a_number"]),
        (answer({"A": 100, "B": 7}).replace(b"7", b'"much"'), ["not_a_number"]),
        (answer({"A": 100, "B": 7}).replace(b"7", b"null"), ["missing_value"]),
    ],
)
def test_shares_that_cannot_be_believed_are_quarantined(content: bytes, codes: list[str]) -> None:
    assert judged(content)[1] == codes


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (answer({"A": 100}, license="proprietary"), "license is 'proprietary'; expected 'CC-BY-4"),
        (answer({"A": 100}, dataset="apps"), "dataset is 'apps'; expected 'labs' or 'models'"),
        (answer({"A": 100}, rows=None), "expected a JSON object with a list `rows`"),
        (answer({"A": 100}, **{"from": "May", "to": "June"}), "from: 'May' is not an ISO-8601"),
        (answer({}), "has a valid json/api header but no rows"),
        (b"date,group,name\n2026-03-01,model,A\n", "fetch it without format=csv"),
    ],
)
def test_an_answer_that_is_not_what_it_should_be_is_refused(content: bytes, said: str) -> None:
    with pytest.raises(RefusedDumpError, match=said):
        parse(Dump("v.json", content), SOURCES["vercel_leaderboard"])


def test_the_real_answer_lands_whole_and_the_real_list_of_providers_is_refused(
    settings: Settings,
) -> None:
    path = REAL / "vercel-models-text-2026-03-01.json"
    if not path.exists():
        pytest.skip("no real answer beside this checkout (../shared/data/vercel)")
    landed = land(path, settings)
    rows, bad = judged(path.read_bytes(), landed.record.as_of)
    assert [(r["metric"], r["name"], r["share_percent"]) for r in rows] == [
        (r["metric"], r["name"], Decimal(str(r["share_percent"])))
        for r in json.loads(path.read_bytes())["rows"]
    ]
    assert (landed.good_rows, len(rows), bad) == (29, 29, [])
    assert landed.record.as_of.isoformat() == "2026-08-26T07:20:59+00:00"
    with pytest.raises(RefusedDumpError, match="dataset is 'providers'"):
        land(REAL / "vercel-providers-docs-sample.json", settings)


def test_a_second_gateway_is_published_apart_and_changes_nothing_else(
    small: Settings, restated_base: Settings, hashed: list[str]
) -> None:
    """From the inbox to the vintage; `restated_base` is the same run without it."""
    known = {r.sha256 for r in list_dumps(small)}
    for later in list_dumps(restated_base):
        if later.sha256 not in known:
            land(restated_base.landing_dir / later.path, small, as_of=later.as_of)
    answers = list(landed_months(small))
    small.inbox_dir.mkdir()
    shares = {"A": 50, "B": 25, "C": 20.1276, "Other": 4.8724}
    builders.write(small.inbox_dir, "2026-03-03T06-00-00Z.json", answer(shares))
    labs = answer({"spacexai": 60, "zai": 40}, dataset="labs")
    builders.write(small.inbox_dir, "2026-03-03T06-00-01Z.json.gz", labs)
    hashed.clear()
    pipeline.run(small)
    counted = Counter(str(Path(path).relative_to(small.landing_dir)) for path in hashed)
    # Once a run, and what was in the inbox once more before it leaves that.
    from_inbox = {r.path for r in list_dumps(small) if r.as_of.month == 3 and r.as_of.hour == 6}
    assert len(from_inbox) == 2
    assert counted == {r.path: 1 + (r.path in from_inbox) for r in list_dumps(small)}
    made, without = (vintage_of(s).path / "tables" for s in (small, restated_base))
    assert [
        p.stem
        for p in sorted(made.glob("*.parquet"))
        if not pq.read_table(p).equals(pq.read_table(without / p.name))
    ] == sorted(["gateway_shares_daily", *TABLES])
    march = [("usage_date", ">=", date(2026, 3, 1))]
    rows = pq.read_table(made / "gateway_shares_daily.parquet", filters=march).to_pylist()
    assert [(r["dataset"], r["name"], r["share_percent"], r["share"], r["rank"]) for r in rows] == [
        ("labs", "spacexai", 60, 0.6, 1), ("labs", "zai", 40, 0.4, 2),
        ("models", "A", 50, 0.5, 1), ("models", "B", 25, 0.25, 2),
        ("models", "C", Decimal("20.1276"), 0.201276, 3),
        ("models", "Other", Decimal("4.8724"), 0.048724, None),
    ]  # fmt: skip
    # Every cell of the comparisons as docs/method.md says.
    with_newest = builders.feed(builders.days("2026-01-01", 43))
    usage = [
        (day, slug, str(int(tokens) + 10_000_000 * ((day, slug) == (NEWEST, GPT))))
        for day, slug, tokens in with_newest
    ]
    for name in TABLES:
        key, grain = name.split("_")[-2:]
        expected = (
            gateways.spend_by_lab(answers, grain)
            if name.startswith("gateway_spend")
            else gateways.comparison(usage, answers, {"lab": "lab_id"}.get(key, key), grain)
        )
        published = compare.read(made / f"{name}.parquet")
        assert len(published) > 3
        assert compare.differences(published, expected, inputs.keys()[name]) == [], name
    manifest = vintage_of(small).manifest
    stated = [i for i in manifest["inputs"] if i["source"] == "vercel_leaderboard"]
    assert [i["license"] for i in stated] == ["CC BY 4.0"] * 6
    assert sum(i["citation"].startswith(CITATION) for i in stated) == 1
    assert any(c.startswith("© 2026 Vercel.") for c in manifest["citations"])
    assert "© 2026 Vercel." in vintage_of(small).report.read_text(encoding="utf-8")
