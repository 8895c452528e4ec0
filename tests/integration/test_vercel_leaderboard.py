"""A second gateway: what its answers are read as, and that it moves nothing of the first one."""

import json
from collections import Counter
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
from tests.conftest import vintage_of

REAL = PROJECT_ROOT.parent / "shared" / "data" / "vercel"
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
    small.inbox_dir.mkdir()
    shares = {"A": 50, "B": 25, "C": 20.1276, "Other": 4.8724}
    builders.write(small.inbox_dir, "2026-03-03T06-00-00Z.json", answer(shares))
    labs = answer({"spacexai": 60, "zai": 40}, dataset="labs")
    builders.write(small.inbox_dir, "2026-03-03T06-00-01Z.json.gz", labs)
    hashed.clear()
    pipeline.run(small)
    counted = Counter(str(Path(path).relative_to(small.landing_dir)) for path in hashed)
    # Once a run, and what was in the inbox once more before it leaves that.
    assert counted == {
        r.path: 2 if r.source == "vercel_leaderboard" else 1 for r in list_dumps(small)
    }
    made, without = (vintage_of(s).path / "tables" for s in (small, restated_base))
    assert [
        p.stem
        for p in sorted(made.glob("*.parquet"))
        if not pq.read_table(p).equals(pq.read_table(without / p.name))
    ] == ["gateway_shares_daily"]
    rows = pq.read_table(made / "gateway_shares_daily.parquet").to_pylist()
    assert [(r["dataset"], r["name"], r["share_percent"], r["share"], r["rank"]) for r in rows] == [
        ("labs", "spacexai", 60, 0.6, 1), ("labs", "zai", 40, 0.4, 2),
        ("models", "A", 50, 0.5, 1), ("models", "B", 25, 0.25, 2),
        ("models", "C", Decimal("20.1276"), 0.201276, 3),
        ("models", "Other", Decimal("4.8724"), 0.048724, None),
    ]  # fmt: skip
    manifest = vintage_of(small).manifest
    stated = [i for i in manifest["inputs"] if i["source"] == "vercel_leaderboard"]
    assert [i["license"] for i in stated] == ["CC BY 4.0"] * 2
    assert sum(i["citation"].startswith(CITATION) for i in stated) == 1
    assert any(c.startswith("© 2026 Vercel.") for c in manifest["citations"])
    assert "© 2026 Vercel." in vintage_of(small).report.read_text(encoding="utf-8")
