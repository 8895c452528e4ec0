"""Vintages: immutable, reproducible, verifiable; and what a refused candidate leaves behind."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from orchestration import pipeline
from orchestration.contracts.odcs import tables
from orchestration.errors import GateRefusedError, TokenshareError, VerificationError
from orchestration.files import sha256_file
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import land, list_dumps
from orchestration.publication.candidate import build_candidate, inputs_fingerprint
from orchestration.publication.verify import seal_manifest, verify
from orchestration.publication.vintage import latest_vintage
from orchestration.quality.rules import thresholds
from orchestration.settings import Settings
from tests import builders

LATER = datetime(2026, 3, 2, 1, 46, tzinfo=UTC)
FIRST, COUNT = "2026-01-01", 42


def land_feed(
    settings: Settings,
    drop: Callable[[str, bytes], Path],
    change: Callable[[builders.Row], builders.Row] = lambda row: row,
    count: int = COUNT,
) -> None:
    """Land the feed once more, later, with some of its rows changed."""
    rows = [change(row) for row in builders.feed(builders.days(FIRST, count))]
    land(drop("later.csv", builders.csv3(rows)), settings, as_of=LATER)


def times(factor: float, on: Callable[[str], bool]) -> Callable[[builders.Row], builders.Row]:
    """Multiply the tokens of some days."""
    return lambda r: (r[0], r[1], str(int(int(r[2]) * factor))) if on(r[0]) else r


def test_a_vintage_has_the_documented_layout(small: Settings) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    names = {p.relative_to(vintage.path).as_posix() for p in vintage.path.rglob("*") if p.is_file()}
    assert names == {
        "manifest.json",
        "tokenshare.duckdb",
        "report/index.html",
        "report/preview.png",
        "quality/index.html",
        "quality/gate.json",
        *(f"tables/{name}.parquet" for name in tables("published")),
    }
    pointer = json.loads(small.latest_path.read_text(encoding="utf-8"))
    assert pointer["vintage_id"] == vintage.vintage_id
    assert (small.published_dir / pointer["path"]).samefile(vintage.path)


def test_the_manifest_leads_every_number_back_to_its_dump(small: Settings) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    manifest = vintage.manifest
    (dump,) = manifest["inputs"]
    landed = small.data_dir / dump["path"]
    assert sha256_file(landed) == dump["sha256"]
    assert dump["rows"] == dump["rows_ingested"] + dump["rows_quarantined"]
    assert {"source", "as_of", "pulled_at", "license", "citation", "bytes"} <= dump.keys()
    used = pq.read_table(vintage.path / "tables/usage_daily.parquet", columns=["dump_sha256"])
    assert set(used["dump_sha256"].to_pylist()) == {dump["sha256"]}
    assert manifest["contract_versions"]["tokenshare.published.usage"] == "1.0.0"
    assert {v["verdict"] for v in manifest["gate"]} <= {"pass", "warn"}
    assert all(dump["citation"] in c for c in manifest["citations"])


def test_the_database_has_the_same_tables_with_comments(small: Settings) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    with duckdb.connect(str(vintage.path / "tokenshare.duckdb"), read_only=True) as connection:
        found = dict(
            connection.execute("select table_name, comment from duckdb_tables()").fetchall()
        )
        bare = connection.execute(
            "select table_name, column_name from duckdb_columns() "
            "where not internal and coalesce(comment, '') = ''"
        ).fetchall()
    assert set(found) == set(tables("published"))
    assert all("Licensed under CC BY 4.0" in comment for comment in found.values())
    assert not bare


def test_the_same_inputs_give_the_same_bytes(small_base: Settings, tmp_path: Path) -> None:
    again = Settings(data_dir=tmp_path / "again")
    shutil.copytree(small_base.landing_dir, again.landing_dir)
    first, second = latest_vintage(small_base), pipeline.run(again).vintage
    assert first is not None
    for name in tables("published"):
        file = f"tables/{name}.parquet"
        assert (first.path / file).read_bytes() == (second.path / file).read_bytes(), name


def test_nothing_new_publishes_nothing(small: Settings) -> None:
    before = small.latest_path.read_bytes()
    result = pipeline.run(small)
    assert not result.vintage.is_new
    assert small.latest_path.read_bytes() == before
    assert len(list(small.vintages_dir.iterdir())) == 1


def test_a_new_dump_makes_a_new_vintage_and_leaves_the_old_one(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    old = latest_vintage(small)
    assert old is not None
    land_feed(small, drop, count=COUNT + 1)
    new = pipeline.run(small).vintage
    assert new.is_new
    assert new.vintage_id > old.vintage_id
    assert new.manifest["previous_vintage"] == old.vintage_id
    verify(old.path)
    verify(new.path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (times(7, lambda day: day >= "2026-01-25"), "2026-01-25"),
        (times(1e-6, lambda day: day == "2026-02-11"), "2026-02-11"),
        (times(0, lambda day: day == "2026-02-05"), "2026-02-05"),
    ],
    ids=["grain", "collapse", "zero"],
)
def test_a_refused_candidate_changes_nothing_and_names_the_days(
    small: Settings,
    drop: Callable[[str, bytes], Path],
    change: Callable[[builders.Row], builders.Row],
    named: str,
) -> None:
    before = small.latest_path.read_bytes()
    land_feed(small, drop, change)
    with pytest.raises(GateRefusedError) as refused:
        pipeline.run(small)
    message = str(refused.value)
    assert "DAY_TOTAL" in message
    assert named in message
    assert refused.value.exit_code == 5
    assert small.latest_path.read_bytes() == before
    assert len(list(small.vintages_dir.iterdir())) == 1
    (kept,) = small.candidates_dir.iterdir()
    assert str(kept) in message
    assert named in (kept / "quality" / "index.html").read_text(encoding="utf-8")
    assert (kept / "tables" / "usage_daily.parquet").exists()
    with pytest.raises(GateRefusedError):
        pipeline.publish_newest(small)


def test_a_day_that_lost_rows_to_quarantine_is_incomplete_everywhere(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    def spoil(row: builders.Row) -> builders.Row:
        small_row = row[0] == "2026-02-10" and row[1] == "mistralai/mistral-nemo"
        return (row[0], row[1], "-1") if small_row else row

    land_feed(small, drop, spoil)
    result = pipeline.run(small)
    assert any("quarantine" in notice for notice in result.notices)
    folder = result.vintage.path / "tables"
    with duckdb.connect() as connection:

        def incomplete(table: str, column: str) -> set[str]:
            rows = connection.execute(
                f"select distinct {column}::varchar from '{folder}/{table}.parquet' "
                "where not is_complete"
            ).fetchall()
            return {row[0] for row in rows}

        assert incomplete("usage_daily", "usage_date") == {"2026-02-10"}
        assert incomplete("share_by_origin_daily", "period_start") == {"2026-02-10"}
        assert "2026-02-09" in incomplete("share_by_lab_weekly", "period_start")
        rows = connection.execute(
            f"select usage_date::varchar, field, value, code from '{folder}/quarantine.parquet'"
        ).fetchall()
    assert rows == [("2026-02-10", "total_tokens", "-1", "too_small")]
    assert "QUARANTINED_ROWS" in {v.rule for v in result.vintage.verdicts if v.verdict == "warn"}


def test_verify_accepts_a_copy_under_another_name(small: Settings, tmp_path: Path) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    copy = tmp_path / "copied"
    shutil.copytree(vintage.path, copy)
    assert verify(copy)["vintage_id"] == vintage.vintage_id


def test_verify_sees_a_flipped_byte_in_any_file(small: Settings) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    for path in sorted(p for p in vintage.path.rglob("*") if p.is_file()):
        content = path.read_bytes()
        path.chmod(0o644)
        for position in (0, len(content) // 2, len(content) - 1):
            flipped = bytearray(content)
            flipped[position] ^= 0x01
            path.write_bytes(bytes(flipped))
            with pytest.raises(VerificationError):
                verify(vintage.path)
        path.write_bytes(content)
    verify(vintage.path)


@pytest.mark.parametrize("name", ["tables/usage_daily.parquet", "report/index.html"])
def test_verify_sees_a_missing_file(small: Settings, name: str) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    (vintage.path / name).unlink()
    with pytest.raises(VerificationError, match=f"{name}: missing"):
        verify(vintage.path)


@pytest.mark.parametrize("name", ["extra.txt", "tables/extra.parquet", "empty_folder/"])
def test_verify_sees_what_is_too_much(small: Settings, name: str) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    if name.endswith("/"):
        (vintage.path / name).mkdir()
    else:
        (vintage.path / name).write_text("x", encoding="utf-8")
    with pytest.raises(VerificationError, match="not in the manifest"):
        verify(vintage.path)


def test_verify_rechecks_what_a_resealed_manifest_claims(small: Settings) -> None:
    """A forger who seals a manifest of his own still cannot claim other headline figures."""
    vintage = latest_vintage(small)
    assert vintage is not None
    document = {k: v for k, v in vintage.manifest.items() if k != "manifest_sha256"}
    document["headline"][0]["share"] += 0.1
    (vintage.path / "manifest.json").write_bytes(seal_manifest(document))
    with pytest.raises(VerificationError, match="headline"):
        verify(vintage.path)


def test_verify_does_not_ask_for_an_order_of_the_headline(small: Settings) -> None:
    """Its key grew a column: vintages of an earlier interface have another order."""
    vintage = latest_vintage(small)
    assert vintage is not None
    document = {k: v for k, v in vintage.manifest.items() if k != "manifest_sha256"}
    assert len(document["headline"]) > 2
    document["headline"].reverse()
    (vintage.path / "manifest.json").write_bytes(seal_manifest(document))
    verify(vintage.path)


def test_a_vintage_that_was_not_yet_named_is_named_by_the_next_run(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    before = small.latest_path.read_bytes()
    land_feed(small, drop, count=COUNT + 1)
    new = pipeline.run(small).vintage
    small.latest_path.write_bytes(before)  # killed between the rename and latest.json
    result = pipeline.run(small)
    assert result.vintage.vintage_id == new.vintage_id
    assert not result.vintage.is_new
    assert json.loads(small.latest_path.read_text(encoding="utf-8"))["vintage_id"] == new.vintage_id


def test_a_refused_inbox_file_is_named_even_where_the_gate_refuses_too(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    small.inbox_dir.mkdir()
    (small.inbox_dir / "page.json").write_bytes(b"<html>502</html>")
    land_feed(small, drop, times(7, lambda day: day >= "2026-01-25"))
    with pytest.raises(GateRefusedError) as refused:
        pipeline.run(small)
    assert any("page.json" in note for note in refused.value.__notes__)


def test_a_run_names_what_it_leaves_in_the_inbox(small: Settings) -> None:
    settings = small.model_copy(update={"inbox_quiet_seconds": 0.2})
    (settings.inbox_dir / "folder").mkdir(parents=True)
    path = settings.inbox_dir / "2026-03-05.csv"
    with path.open("wb") as copy:
        copy.write(builders.csv3(builders.feed(builders.days(FIRST, COUNT + 1))))
        copy.flush()
        said: list[str] = []
        result = pipeline.run(settings, said.append)
    assert not result.vintage.is_new
    assert "waiting up to 0 s for files of the inbox to settle" in said
    assert [n.split(": ")[1:] for n in result.notices] == [
        ["2026-03-05.csv", "is left", "a process holds it open for writing"],
        ["folder", "is left", "it is a folder; put its files here"],
    ]
    assert path.exists()


def test_nothing_new_compares_all_that_a_run_reads(
    small: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (record,) = list_dumps(small)
    known = inputs_fingerprint([record], small)
    for field, value in (("as_of", LATER), ("citation", "another"), ("note", "a word")):
        assert inputs_fingerprint([record.model_copy(update={field: value})], small) != known
    for setting, chosen in (
        ("registry_view", "now"),
        ("registry_as_of", date(2026, 2, 1)),
        ("public_url", "https://example.org/"),
    ):
        other = small.model_copy(update={setting: chosen})
        assert inputs_fingerprint([record], other) != known, setting
    assert inputs_fingerprint([record], small.model_copy(update={"dbt_threads": 1})) == known
    monkeypatch.setattr("orchestration.publication.candidate.LIBRARIES", tmp_path / "other.lock")
    assert inputs_fingerprint([record], small) != known


def test_a_dump_dated_anew_makes_a_new_vintage(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    content = builders.csv3(builders.feed(builders.days(FIRST, COUNT)))
    assert land(drop("feed.csv", content), small, as_of=LATER).is_better
    vintage = pipeline.run(small).vintage
    assert vintage.is_new
    (entry,) = vintage.manifest["inputs"]
    assert (entry["as_of"], entry["rows_quarantined"]) == ("2026-03-02T01:46:00Z", 0)
    assert [h["as_of"] for h in entry["history"]] == ["2026-03-01T01:46:00Z"]


def test_a_dump_that_was_cut_short_is_refused(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    content = builders.csv3(builders.feed(builders.days(FIRST, COUNT + 1)))
    land(drop("cut.csv", b"\n".join(content.splitlines()[:-2]) + b"\n"), small, as_of=LATER)
    with pytest.raises(GateRefusedError, match=r"TAIL_MISSING[\s\S]*2026-02-12"):
        pipeline.run(small)


def test_publish_refuses_a_candidate_of_other_dumps(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    """Left by a killed run, it would put an older state on top of a newer vintage."""
    settings = small
    build_candidate(ingest_all(list_dumps(settings), settings), settings)
    land_feed(settings, drop, count=COUNT + 1)
    newest = pipeline.run(settings).vintage
    with pytest.raises(TokenshareError, match="other dumps"):
        pipeline.publish_newest(settings)
    assert (
        json.loads(settings.latest_path.read_text(encoding="utf-8"))["vintage_id"]
        == newest.vintage_id
    )


def test_publish_after_a_threshold_changed_is_not_published_twice(
    small: Settings, drop: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    land_feed(small, drop, times(2.5, lambda day: day == "2026-02-11"))
    with pytest.raises(GateRefusedError):
        pipeline.run(small)
    limits = {**thresholds(), "day_total": {**thresholds()["day_total"], "max_factor": 3.0}}
    monkeypatch.setattr("orchestration.quality.rules.thresholds", lambda: limits)
    made = pipeline.publish_newest(small)
    assert made.is_new
    assert not pipeline.run(small).vintage.is_new


def test_a_damaged_warehouse_is_made_anew(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    for path in (small.warehouse_dir / "raw").rglob("*.parquet"):
        path.write_bytes(path.read_bytes()[:50])
    land_feed(small, drop, count=COUNT + 1)
    assert pipeline.run(small).vintage.is_new


def test_a_catalogue_that_is_landed_first_does_not_stand_for_usage(
    settings: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    content = builders.catalogue({"openai/gpt-4o": ("0.000001", "0.000002")})
    land(drop("2026-08-23.json", content), settings)
    records, _ = pipeline.land_waiting(settings)
    assert {r.source for r in records} == {"openrouter_models", "openrouter_rankings"}


def test_a_pointer_that_leads_nowhere_is_said_plainly(small: Settings) -> None:
    small.latest_path.write_text('["x"]', encoding="utf-8")
    with pytest.raises(VerificationError, match=r"latest\.json"):
        latest_vintage(small)
