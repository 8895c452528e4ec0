"""Simulated pulls: restated as measured, the same for the same seed, and wrong only on purpose."""

import csv
import gzip
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.demo.history import OTHER, History, Rows, in_order, read_history
from orchestration.demo.simulator import FEED_FAULTS, Feed, FeedFault, pull_time, write_pulls
from orchestration.errors import TokenshareError
from orchestration.landing.store import land
from orchestration.settings import Settings
from tests import builders

FIRST = date(2025, 1, 1)
LAST = date(2026, 1, 31)
BILLION = 1_000_000_000


@pytest.fixture(scope="module")
def history() -> History:
    """396 days of the small feed, without one that was never published."""
    days: dict[date, dict[str, int]] = {}
    for day, slug, tokens in builders.feed(builders.days("2025-01-01", 396), 1_000_000_000):
        days.setdefault(date.fromisoformat(day), {})[slug] = int(tokens)
    del days[date(2025, 6, 15)]
    return History(
        {d: in_order(rows) for d, rows in days.items()}, datetime(2026, 2, 1, tzinfo=UTC)
    )


@pytest.fixture(scope="module")
def shipped() -> History:
    """The shipped history from 2026 on, 50 models and `other` a day."""
    found = read_history()
    return History({d: r for d, r in found.days.items() if d.year == 2026}, found.as_of)


def read(feed: Feed, day: date, age: int, hour: int = 0) -> dict[str, int]:
    """The figures of a day in the pull of some nights later."""
    at = pull_time(day + timedelta(days=age), feed.seed).replace(hour=hour)
    return dict(feed.as_read(day, at))


def total(rows: dict[str, int] | Rows) -> int:
    return sum(dict(rows).values())


def test_early_readings_run_short_as_measured_and_older_days_never_change(
    shipped: History,
) -> None:
    feed, usual, unusual, second = Feed(shipped, seed=5), [], [], 0
    for day, settled in shipped.days.items():
        first = read(feed, day, 1)
        assert first.keys() == dict(settled).keys()
        shortages = {s: (tokens - first[s]) * BILLION // tokens for s, tokens in settled}
        assert shortages[OTHER] > 0
        assert 30 <= sum(first[s] < tokens for s, tokens in settled) <= 51
        of_day = (total(settled) - total(first)) * BILLION // total(settled)
        (usual if of_day < 1_000_000 else unusual).append(of_day)
        # The most that one row was short: 0.34 %, and 5.85 % in the one unusual night.
        most = 3_450_000 if of_day < 1_000_000 else 62_500_000
        assert 0 <= min(shortages.values()) <= max(shortages.values()) < most
        second += read(feed, day, 2) != dict(settled)
        assert read(feed, day, 3) == read(feed, day, 40) == dict(settled)
        assert read(feed, day, 1, hour=5) == dict(settled)
        assert read(feed, day, 0) == {}
    # The measured nights: 7,646 to 217,238 parts per billion, and 23,531,908 once in 40.
    assert (min(usual) > 7_000, max(usual) < 225_000) == (True, True)
    assert 12_000 < sorted(usual)[len(usual) // 2] < 20_000
    assert 1 <= len(unusual) <= 15
    assert all(23_000_000 < ppb < 25_000_000 for ppb in unusual)
    assert 1 <= second <= 15


def test_the_same_seed_makes_the_same_bytes(history: History, tmp_path: Path) -> None:
    def content(folder: str, seed: int) -> dict[str, bytes]:
        paths = write_pulls(Feed(history, seed), tmp_path / folder, date(2026, 3, 1), 40)
        return {p.name: p.read_bytes() for p in paths}

    first = content("a", 1)
    assert content("b", 1) == first
    other = content("c", 2)
    assert len(first) == len(other) == 40
    assert not set(first.values()) & set(other.values())


@pytest.mark.parametrize(
    ("ahead", "back"), [(1, 27), (2, 26), (7, 21), (28, 0), (29, 27), (300, 8)]
)
def test_a_day_after_the_history_is_like_its_weekday_and_not_the_same(
    shipped: History, ahead: int, back: int
) -> None:
    day, model = shipped.last + timedelta(days=ahead), shipped.last - timedelta(days=back)
    made_up, like = dict(Feed(shipped, seed=1).settled(day)), dict(shipped.days[model])
    assert day.weekday() == model.weekday()
    assert made_up != like
    assert made_up.keys() == like.keys()
    assert all(abs(made_up[slug] / tokens - 1) <= 0.0201 for slug, tokens in like.items())


def test_a_day_that_was_never_published_stays_missing(history: History) -> None:
    assert Feed(history).settled(date(2025, 6, 15)) == ()
    at = datetime(2025, 6, 18, tzinfo=UTC)
    window = Feed(history).window(date(2025, 6, 14), date(2025, 6, 16), at)
    assert [day.day for day, _ in window] == [14, 16]


@pytest.mark.parametrize("fault", FEED_FAULTS)
def test_a_fault_begins_on_its_day_and_not_before(history: History, fault: FeedFault) -> None:
    begins = date(2025, 11, 10)
    feed, before = Feed(history, 1, fault, begins), begins - timedelta(days=1)
    late = dict(history.days)
    found = {d: read(feed, d, 60) for d in (before, begins, begins + timedelta(days=1))}
    next_day = dict(late[begins + timedelta(days=1)])
    if fault == "restated":
        # Days up to the fault are lowered, by 0.005 to 0.061 %, in answers made after it.
        assert read(feed, before - timedelta(days=3), 4) == dict(late[before - timedelta(days=3)])
        lowered = BILLION - total(found[begins]) * BILLION // total(late[begins])
        assert 50_000 < lowered < 620_000
        assert total(found[before]) < total(late[before])
        assert read(feed, begins - timedelta(days=26), 60) == dict(
            late[begins - timedelta(days=26)]
        )
        assert found[begins + timedelta(days=1)] == next_day
        return
    assert found[before] == dict(late[before])
    if fault == "trailing-sums":
        for day in (begins, begins + timedelta(days=1)):
            week = [late[day - timedelta(days=back)] for back in range(7)]
            assert total(found[day]) == sum(map(total, week))
        return
    assert found[begins + timedelta(days=1)] == next_day
    if fault == "tiny-day":
        assert 600 < total(found[begins]) <= 700
        assert min(found[begins].values()) > 0
    elif fault == "empty-day":
        assert found[begins] == {}
    else:
        assert fault == "repeated-day"
        assert found[begins] == dict(late[before])


def test_a_year_of_nights_is_written_with_its_origin(
    history: History, tmp_path: Path, settings: Settings
) -> None:
    folder = tmp_path / "year"
    paths = write_pulls(Feed(history, 3), folder, date(2026, 1, 20), 365)
    assert [p.name[:10] for p in paths] == builders.days("2025-01-21", 365)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "not OpenRouter's answers" in readme
    assert "365 nights, 2025-01-21 to 2026-01-20, seed 3, no fault" in readme
    last = list(csv.DictReader(gzip.decompress(paths[-1].read_bytes()).decode().splitlines()))
    assert sorted({row["date"] for row in last}) == builders.days("2025-12-21", 30)
    found = land(paths[-1], settings)
    assert found.record.as_of == pull_time(date(2026, 1, 20), 3)
    assert (found.record.as_of_origin, found.quarantined_rows) == ("file_name", 0)
    assert ".simulated." in found.record.original_name


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["simulate", "pulls", *arguments])
    return result.exit_code, " ".join(
        [result.output, str(result.exception) if result.exception else ""]
    )


def test_the_command_simulates_from_the_shipped_history(tmp_path: Path, settings: Settings) -> None:
    folder = tmp_path / "nights"
    code, said = run(str(folder), "--nights", "2", "--layout", "json", "--days", "3")
    assert (code, "2 simulated pulls" in said) == (0, True)
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "pulls"]
    names = sorted(p.name for p in (folder / "pulls").iterdir())
    assert [n[:10] for n in names] == ["2026-10-09", "2026-10-10"]
    assert names[1].endswith(".simulated.json.gz")
    found = land(folder / "pulls" / names[1], settings)
    assert (found.record.as_of_origin, found.good_rows) == ("meta", 3 * 51)
    code, said = run(str(folder))
    assert code != 0 and "is not empty; expected a new or empty folder" in said


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three days of the small feed, the last one in a newer dump too."""
    folder = tmp_path_factory.mktemp("landed")
    settings = Settings(data_dir=folder / "data")
    days = builders.days("2026-02-01", 3)
    for name, content in (
        ("2026-02-04.csv", builders.csv3(builders.feed(days, 1_000))),
        ("2026-02-05.csv", builders.csv3(builders.feed(days[2:], 2_000))),
    ):
        land(builders.write(folder, name, content), settings)
    return settings


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--nights", "700"], "ask for fewer nights, or for a later --until"),
        (["--until", "2999-01-01"], "from the future"),
        (["--until", "soon"], "expected a UTC day, YYYY-MM-DD"),
        (["--layout", "xml"], "expected csv or json"),
        (["--fault", "gone", "--from", "2026-08-01"], "expected one of trailing-sums"),
        (["--fault", "tiny-day"], "needs its first day"),
        (["--landed", "/nonexistent"], "no dump of openrouter_rankings is landed"),
    ],
)
def test_a_wrong_option_says_what_was_expected(
    arguments: list[str], expected: str, tmp_path: Path, landed: Settings
) -> None:
    code, said = run(str(tmp_path / "new"), "--landed", str(landed.data_dir), *arguments)
    assert code != 0
    assert expected in " ".join(said.replace("│", " ").split())
    assert not (tmp_path / "new").exists()


def test_each_day_is_read_from_the_newest_landed_dump(landed: Settings, tmp_path: Path) -> None:
    found = read_history(landed)
    assert (found.first, found.last) == (date(2026, 2, 1), date(2026, 2, 3))
    assert found.as_of == datetime(2026, 2, 5, tzinfo=UTC)
    newer = {slug: int(tokens) for _, slug, tokens in builders.feed(["2026-02-03"], 2_000)}
    assert dict(found.days[date(2026, 2, 3)]) == newer
    assert found.days[date(2026, 2, 3)][-1][0] == OTHER
    with pytest.raises(TokenshareError, match="is landed there"):
        read_history(Settings(data_dir=tmp_path / "empty"))
