"""`tokenshare replay`: real pulls around an early read, one of them spoiled, and a file of noise.

About 20 s of CPU: three runs of the pipeline. All pulls of a folder: `make replay`.
"""

import csv
import gzip
import io
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.errors import GateRefusedError, RefusedDumpError, TokenshareError
from orchestration.landing.store import REASON, read_records, refused_folder
from orchestration.publication.vintage import latest_vintage
from orchestration.replay import Night, nights, replay
from orchestration.settings import PROJECT_ROOT, Settings
from tests import builders

PULLS = PROJECT_ROOT.parent / "shared" / "data" / "openrouter" / "rankings-daily" / "pulls"
# 2026-07-18 was read 2.3 % short in the first pull; the second is two nights later.
EARLY, LATER = "2026-07-19T00-05-16Z.csv.gz", "2026-07-21T00-05-19Z.csv.gz"
SPOILED = "2026-07-20T00-05-18Z.csv"
SHORT_DAY = date(2026, 7, 18)


def weekly_sums(pull: Path, first_day: str) -> bytes:
    """A real pull that turns into trailing sums of 7 days on one day, as a scraper once did."""
    with gzip.open(pull, "rt", encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(
        [header, *([d, slug, str(int(t) * (7 if d >= first_day else 1))] for d, slug, t in rows)]
    )
    return out.getvalue().encode()


@pytest.mark.skipif(not PULLS.exists(), reason="the real pulls are beside the project, not in it")
def test_real_nights_replay_around_an_early_read_and_a_spoiled_pull(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "pulls"
    folder.mkdir()
    for name in (EARLY, LATER):
        shutil.copy(PULLS / name, folder / name)
    builders.write(folder, SPOILED, weekly_sums(PULLS / LATER, "2026-07-15"))
    builders.write(folder, "2026-07-22T00-05-16Z.csv", b"<html>not found</html>")

    early, spoiled, later, noise = replay(folder, settings)

    assert [n.file for n in (early, spoiled, later)] == [EARLY, SPOILED, LATER]
    assert (len(early.new_days), early.new_days[-1], early.restated_days) == (56, SHORT_DAY, ())
    # The night of the spoiled pull is stopped with its day, its dump is kept, and the next goes on.
    assert isinstance(spoiled.failure, GateRefusedError)
    assert "2026-07-15:" in str(spoiled.failure)
    assert spoiled.vintage_id is None
    (reason,) = (settings.data_dir / "refused").glob(f"*/*/{REASON}")
    assert reason.read_text(encoding="utf-8").strip() == str(spoiled.failure)
    assert later.new_days == (date(2026, 7, 19), date(2026, 7, 20))
    assert later.restated_days == (SHORT_DAY,)
    assert isinstance(noise.failure, RefusedDumpError)

    latest = latest_vintage(settings)
    assert latest is not None
    assert latest.vintage_id == later.vintage_id
    assert latest.manifest["previous_vintage"] == early.vintage_id
    first = settings.vintages_dir / str(early.vintage_id)
    assert unsettled(first) == [(SHORT_DAY, 5)]
    assert unsettled(latest.path) == [(date(2026, 7, 20), 5)]
    assert "2026-07-20, read early" in (latest.report).read_text(encoding="utf-8")
    shown = CliRunner().invoke(app, ["show", "--data-dir", str(settings.data_dir)])
    assert "Not settled: 2026-07-20, read early" in shown.output

    # Again: nothing is run twice, and what failed is still named.
    again = CliRunner().invoke(app, ["replay", str(folder), "--data-dir", str(settings.data_dir)])
    assert isinstance(again.exception, GateRefusedError | RefusedDumpError)
    assert f"{EARLY}, as of 2026-07-19T00:05:16Z" in again.output
    assert "0 published and verified, 2 failed, 2 with nothing new" in again.output
    assert len(list(settings.vintages_dir.iterdir())) == 2


def unsettled(vintage: Path) -> list[tuple[date, int]]:
    """The unsettled days of a vintage, with the minutes after which each was read."""
    file = vintage / "tables" / "usage_daily.parquet"
    with duckdb.connect() as connection:
        return connection.execute(
            f"select distinct usage_date, read_after_minutes from '{file}' where not is_settled"
        ).fetchall()


def test_a_pull_that_is_already_in_the_latest_vintage_is_no_new_night(
    small: Settings, tmp_path: Path
) -> None:
    (record,) = read_records(small)
    name = "2026-03-01T01-46-00Z.csv"
    shutil.copy(small.landing_dir / record.path, tmp_path / name)
    folder = tmp_path / "pulls"
    folder.mkdir()
    (tmp_path / name).rename(folder / name)
    latest = latest_vintage(small)
    assert latest is not None
    (night,) = replay(folder, small)
    assert night == Night(
        name,
        datetime(2026, 3, 1, 1, 46, tzinfo=UTC),
        why_not=f"is in vintage {latest.vintage_id} already",
    )


def test_the_nights_follow_the_times_in_the_names_whatever_their_zone(tmp_path: Path) -> None:
    for name in (
        "2026-06-23T00-05-00Z.csv.gz",
        "2026-06-22T23-00-00+08-00.csv",
        "2026-06-23.csv",
        "2026-06-23.manifest.json",
        ".hidden",
    ):
        (tmp_path / name).touch()
    assert [p.name for _, p in nights(tmp_path)] == [
        "2026-06-22T23-00-00+08-00.csv", "2026-06-23.csv", "2026-06-23T00-05-00Z.csv.gz",
    ]  # fmt: skip


def test_a_folder_that_cannot_be_replayed_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenshareError, match="contains no pull"):
        nights(tmp_path)
    with pytest.raises(TokenshareError, match="nowhere: cannot be read: No such file"):
        nights(tmp_path / "nowhere")
    (tmp_path / "rankings.csv").touch()
    with pytest.raises(RefusedDumpError, match=r"have no order: rankings\.csv; expected names"):
        nights(tmp_path)


def test_a_dump_that_was_set_aside_has_a_folder_outside_the_landing_zone(
    settings: Settings,
) -> None:
    folder = refused_folder("openrouter_rankings", "a" * 64, settings)
    assert settings.landing_dir not in folder.parents
