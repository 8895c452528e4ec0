"""Vintages: immutable, reproducible, verifiable; and what a refused candidate leaves behind."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow.parquet as pq
import pytest
from markupsafe import escape
from packaging.requirements import Requirement
from typer.testing import CliRunner

from orchestration import pipeline
from orchestration.assets.publication import vintage as newest_vintage
from orchestration.cli import app
from orchestration.configuration.limits import limits
from orchestration.contracts.odcs import tables
from orchestration.diff.usage import compare_vintages
from orchestration.errors import (
    GateRefusedError,
    RefusedDumpError,
    SourceWithheldError,
    TokenshareError,
    TransformError,
    VerificationError,
)
from orchestration.files import sha256_file, to_json
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import dumps_set_aside, land, list_dumps
from orchestration.publication.candidate import build_candidate, citations, inputs_fingerprint
from orchestration.publication.manifest import Withheld, read_manifest, seal_manifest, set_latest
from orchestration.publication.retention import read_history
from orchestration.publication.verify import verify
from orchestration.publication.views import views
from orchestration.publication.vintage import finish_interrupted, latest_vintage
from orchestration.resources.installation import Installation
from orchestration.run_log import read_runs
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.transformation.raw_tables import create_working_database
from tests import builders
from tests.conftest import vintage_of

# After the last catalogue of the seeds.
PRICED = datetime(2026, 9, 2, tzinfo=UTC)
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


def reseal(folder: Path, **changes: Any) -> dict[str, Any]:
    """Write a manifest that is right about the files that the folder holds now, as a forger can."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    entries = {entry["path"]: entry for entry in manifest["outputs"]}
    outputs = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json"):
        name = path.relative_to(folder).as_posix()
        entry = entries.get(name, {"path": name, "rows": None})
        if path.suffix == ".parquet" and path.parent.name == "tables":
            metadata = pq.read_metadata(path)
            schema = {f.name: str(f.type) for f in metadata.schema.to_arrow_schema()}
            entry = {**entry, "rows": metadata.num_rows, "schema": schema}
        outputs.append({**entry, "sha256": sha256_file(path), "bytes": path.stat().st_size})
    document = {**manifest, "outputs": outputs, **changes}
    del document["manifest_sha256"]
    (folder / "manifest.json").write_bytes(seal_manifest(document))
    return json.loads((folder / "manifest.json").read_bytes())


def copy_of_latest(settings: Settings, name: str, **changes: Any) -> dict[str, Any]:
    """Another folder in vintages/: the latest vintage, its manifest resealed with changes."""
    vintage = latest_vintage(settings)
    assert vintage is not None
    shutil.copytree(vintage.path, settings.vintages_dir / name)
    return reseal(settings.vintages_dir / name, **changes)


def in_dagster(settings: Settings) -> dg.ExecuteInProcessResult:
    """Gate and publish the newest candidate as the last step of the nightly job does."""
    installation = Installation(data_dir=str(settings.data_dir))
    return dg.materialize(
        [newest_vintage], resources={"installation": installation}, raise_on_error=False
    )


def test_a_vintage_has_the_documented_layout(small: Settings) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    names = {p.relative_to(vintage.path).as_posix() for p in vintage.path.rglob("*") if p.is_file()}
    assert names == {
        "manifest.json",
        "datapackage.json",
        "croissant.json",
        "tokenshare.duckdb",
        "report/explorer.html",
        "report/index.html",
        "report/preview.png",
        "gate/index.html",
        "gate/results.json",
        "dbt-docs.html",
        "csv/README.txt",
        *(f"csv/{name}.csv.gz" for name in tables("published")),
        *(f"tables/{name}.parquet" for name in tables("published")),
    } | {n for n in names if n.startswith(("report/data/", "report/figures/"))}
    for name in ("data/README.txt", "data/origin_weekly.csv", "figures/README.txt",
                 "figures/origin.csv", "figures/origin.svg"):  # fmt: skip
        assert f"report/{name}" in names
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
    assert manifest["contract_versions"]["tokenshare.published.usage"] == "2.0.0"
    assert {v["verdict"] for v in manifest["gate"]} <= {"pass", "warn"}
    assert all(dump["citation"] in c for c in manifest["citations"])


def test_the_database_has_the_same_tables_with_comments(small: Settings) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    with duckdb.connect(str(vintage.path / "tokenshare.duckdb"), read_only=True) as connection:
        found = dict(
            connection.execute("select table_name, comment from duckdb_tables()").fetchall()
        )
        readable = dict(
            connection.execute(
                "select view_name, comment from duckdb_views() where not internal"
            ).fetchall()
        )
        bare = connection.execute(
            "select table_name, column_name from duckdb_columns() "
            "where not internal and coalesce(comment, '') = ''"
        ).fetchall()
    assert set(found) == set(tables("published"))
    assert set(readable) == {view.name for view in views()}
    assert all("Licensed under CC BY 4.0" in c for c in [*found.values(), *readable.values()])
    assert not bare


READERS = PROJECT_ROOT / "tests" / "readers"


@pytest.mark.parametrize("reader", sorted(p.stem for p in READERS.glob("duckdb-*.txt")))
def test_older_releases_of_duckdb_open_the_database(small_base: Settings, reader: str) -> None:
    """Drivers of BI tools ship 1.x. The release is in a folder of its own beside the pinned one,
    so that it is another process that reads."""
    folder = Path(sys.prefix) / "readers" / reader
    text = (READERS / f"{reader}.txt").read_text(encoding="utf-8")
    # Each Python has its own oldest release: a release has wheels for the Pythons of its time.
    [pinned] = [
        p
        for line in text.splitlines()
        if line.startswith("duckdb==")
        if (p := Requirement(line.rstrip("\\"))).marker is None or p.marker.evaluate()
    ]
    assert (folder / "duckdb").is_dir(), f"{folder} is missing; `make readers` installs it"
    vintage = latest_vintage(small_base)
    assert vintage is not None
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import duckdb, json\n"
        "c = duckdb.connect(sys.argv[2], read_only=True)\n"
        "names = c.execute('select table_name from duckdb_tables() union all '\n"
        " 'select view_name from duckdb_views() where not internal').fetchall()\n"
        "rows = {t: c.execute(f'select count(*) from (select * from {t})').fetchone()[0]"
        " for t, in names}\n"
        "first = {t: str(c.execute(f'select * from {t} limit 1').fetchall()) for t in rows}\n"
        "comments = c.execute('select count(comment) from duckdb_columns() where not internal')"
        ".fetchone()[0] + sum(c.execute(f'select count(comment) from duckdb_{k}()').fetchone()[0]"
        " for k in ('tables', 'views'))\n"
        "print(json.dumps([duckdb.__version__, rows, comments]))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, folder, vintage.path / "tokenshare.duckdb"],
        capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    version, rows, comments = json.loads(said.stdout)
    assert pinned.specifier.contains(version)
    with duckdb.connect(str(vintage.path / "tokenshare.duckdb"), read_only=True) as connection:
        of_views = {v.name: connection.table(v.name) for v in views()}
        held = {name: len(view.fetchall()) for name, view in of_views.items()}
        columns = sum(len(view.columns) for view in of_views.values())
    assert rows == held | {
        name: pq.read_metadata(vintage.path / "tables" / f"{name}.parquet").num_rows
        for name in tables("published")
    }
    described = sum(1 + len(t.fields) for t in tables("published").values())
    assert comments == described + len(held) + columns


def test_nothing_new_publishes_nothing(small: Settings) -> None:
    before = small.latest_path.read_bytes()
    result = pipeline.run(small)
    assert not result.vintage.is_new
    assert small.latest_path.read_bytes() == before
    assert len(list(small.vintages_dir.iterdir())) == 1


def test_a_new_dump_makes_a_new_vintage_and_leaves_the_old_one(restated_base: Settings) -> None:
    old, new = sorted(p.name for p in restated_base.vintages_dir.iterdir())
    latest = latest_vintage(restated_base)
    assert latest is not None
    assert (latest.vintage_id, latest.manifest["previous_vintage"]) == (new, old)
    for name in (old, new):
        verify(restated_base.vintages_dir / name)


def test_a_refused_candidate_changes_nothing_and_is_published_once_a_threshold_lets_it(
    small: Settings, drop: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = small.latest_path.read_bytes()
    named = "2026-02-11"
    land_feed(small, drop, times(2.5, lambda day: day == named))
    small.inbox_dir.mkdir()
    (small.inbox_dir / "page.json").write_bytes(b"<html>502</html>")
    (small.inbox_dir / "folder").mkdir()
    # What a killed run left, with a name that sorts last, takes no place of a refused candidate.
    left = small.candidates_dir / "20990101T000000000000-00000000"
    left.mkdir(parents=True)
    (left / "candidate.json").write_text("{}", encoding="utf-8")
    object.__setattr__(small, "keep_refused_candidates", 1)
    with pytest.raises(GateRefusedError) as refused:
        pipeline.run(small)
    message = str(refused.value)
    assert "DAY_TOTAL" in message
    assert named in message
    assert refused.value.exit_code == 5
    for left_or_refused in ("page.json", "inbox: folder"):
        assert sum(left_or_refused in note for note in refused.value.__notes__) == 1
    assert small.latest_path.read_bytes() == before
    assert len(list(small.vintages_dir.iterdir())) == 1
    (kept,) = small.candidates_dir.iterdir()
    assert str(kept) in message
    assert named in (kept / "gate" / "index.html").read_text(encoding="utf-8")
    assert (kept / "tables" / "usage_daily.parquet").exists()

    # The next night goes on without the dump, also if the same bytes come again.
    ((aside, why),) = dumps_set_aside(small).items()
    assert "DAY_TOTAL" in why
    assert sum(str(aside) in note for note in refused.value.__notes__) == 1
    assert "no dump and no code has changed" in pipeline.run(small).vintage.why_not
    back = small.landing_dir / "openrouter_rankings"
    with pytest.raises(RefusedDumpError, match=rf"set aside before: .*DAY_TOTAL.* to {back}$"):
        land_feed(small, drop, times(2.5, lambda day: day == named))
    # Somebody moves it back, so that it is tried again.
    aside.rename(back / aside.name)
    refused_again = in_dagster(small)
    assert not refused_again.success
    (failure,) = [e for e in refused_again.all_events if e.is_step_failure]
    said = str(failure.step_failure_data.user_failure_data.description)
    assert f"later.csv is set aside in {aside}, and the next run goes on without it" in said
    judged = {c.check_name: c for c in refused_again.get_asset_check_evaluations()}
    assert not judged["gate_day_total"].passed
    assert named in str(judged["gate_day_total"].metadata["rows"].value)
    assert [e.step_key for e in refused_again.all_events if e.is_step_failure] == ["vintage"]
    assert not [e for e in refused_again.all_events if e.is_step_up_for_retry]
    assert small.latest_path.read_bytes() == before
    # A dump that came after the refused candidate was made is not the cause.
    land_feed(small, drop, count=COUNT + 1)
    assert not in_dagster(small).success
    assert list(dumps_set_aside(small)) == [aside]
    (came_after,) = [r for r in list_dumps(small) if r.original_name == "later.csv"]
    shutil.rmtree(back / came_after.sha256)

    day_total = limits().day_total.model_copy(update={"max_factor": 3.0})
    wider = limits().model_copy(update={"day_total": day_total})
    monkeypatch.setattr("orchestration.gate.rules.limits", lambda: wider)
    aside.rename(back / aside.name)
    assert pipeline.publish_newest(small).is_new
    assert not pipeline.run(small).vintage.is_new, "it is not published twice"


@pytest.mark.parametrize(
    ("case", "note"),
    [
        ("one new dump", "later.csv is set aside in "),
        ("two new dumps", "2 dumps of openrouter_rankings are new, so none of them is set aside"),
        ("other code", ""),
        ("a full disk", ""),
        ("nothing new", ""),
    ],
)
def test_a_dump_from_which_no_tables_can_be_built_is_set_aside_if_it_is_the_only_cause(
    small: Settings, drop: Callable[[str, bytes], Path], monkeypatch: pytest.MonkeyPatch,
    case: str, note: str,
) -> None:  # fmt: skip
    if case != "nothing new":
        land_feed(small, drop, count=COUNT + 1)
    if case == "two new dumps":
        land_feed(small, drop, count=COUNT + 2)
    if case == "other code":
        monkeypatch.setattr("orchestration.pipeline.code_fingerprint", lambda: "other")
    landed = list_dumps(small)
    text = "IO Error: No space left on device" if case == "a full disk" else "a test failed"

    def step(withheld: Sequence[Withheld]) -> None:
        raise TransformError(text)

    with pytest.raises(TransformError, match=text) as failed:
        pipeline.build_or_withhold(step, ingest_all(landed, small), small)
    notes = getattr(failed.value, "__notes__", [])
    assert [n[: len(note)] for n in notes] == ([note] if note else [])
    assert len(list_dumps(small)) == len(landed) - len(dumps_set_aside(small))
    assert len(dumps_set_aside(small)) == (case == "one new dump")


@pytest.fixture(scope="module")
def odd_dumps(small_base: Settings, tmp_path_factory: pytest.TempPathFactory) -> pipeline.RunResult:
    """A run on a dump that is dated anew, one with a bad row, and counts of apps that cannot be
    added up."""
    folder = tmp_path_factory.mktemp("odd")
    shutil.copytree(small_base.data_dir, folder / "data", symlinks=True)
    settings = Settings(data_dir=folder / "data")

    def drop(name: str, content: bytes) -> Path:
        return builders.write(folder, name, content)

    def spoil(row: builders.Row) -> builders.Row:
        small_row = row[0] == "2026-02-10" and row[1] == "mistralai/mistral-nemo"
        return (row[0], row[1], "-1") if small_row else row

    content = builders.csv3(builders.feed(builders.days(FIRST, COUNT)))
    anew = builders.AS_OF + timedelta(hours=1)
    assert land(drop("feed.csv", content), settings, as_of=anew).is_redated
    land_feed(settings, drop, spoil)
    land(drop("apps.json", builders.app_rankings({1: 2**62, 2: 2**61})), settings)
    return pipeline.run(settings)


def test_a_dump_dated_anew_and_a_day_that_lost_rows_to_quarantine_are_published_as_such(
    odd_dumps: pipeline.RunResult,
) -> None:
    result = odd_dumps
    dated_anew, spoiled = result.vintage.manifest["inputs"]
    assert dated_anew["as_of"] == "2026-03-01T02:46:00Z"
    assert [h["as_of"] for h in dated_anew["history"]] == ["2026-03-01T01:46:00Z"]
    assert (dated_anew["rows_quarantined"], spoiled["rows_quarantined"]) == (0, 1)
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
    assert "QUARANTINED_ROWS" in {
        v.rule for v in result.vintage.gate_results if v.outcome == "warn"
    }


def test_verify_accepts_a_copy_under_another_name(small: Settings, tmp_path: Path) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    copy = tmp_path / "copied"
    shutil.copytree(vintage.path, copy)
    assert verify(copy)["vintage_id"] == vintage.vintage_id


def test_verify_sees_a_flipped_byte_in_any_file(small: Settings) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    files = sorted(p for p in vintage.path.rglob("*") if p.is_file())
    for n, path in enumerate(files):
        content = path.read_bytes()
        path.chmod(0o644)
        positions = (0, len(content) // 2, len(content) - 1)
        # All of the manifest, which seals itself; of the others, whose hash it holds, one each.
        for position in positions if path.name == "manifest.json" else positions[n % 3 :][:1]:
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


def forge(folder: Path, *statements: str, **changes: Any) -> None:
    """Change tables of a vintage in its database and in Parquet alike, and seal what came out.

    Each statement is `<table>: <SQL>`; a table that the SQL drops is removed from the manifest too.
    What describes the tables follows.
    """
    database = folder / "tokenshare.duckdb"
    database.chmod(0o644)
    with duckdb.connect(str(database)) as connection:
        for statement in statements:
            table, sql = statement.split(": ", 1)
            connection.execute(sql)
            path = folder / "tables" / f"{table}.parquet"
            path.unlink()
            if not sql.startswith("drop"):
                connection.execute(f"copy {table} to '{path}' (format parquet)")
    describe_again(folder)
    reseal(folder, **changes)


def describe_again(folder: Path) -> None:
    """Let `datapackage.json` and `croissant.json` tell of the tables that are there now."""
    hashes = {p.name: sha256_file(p) for p in (folder / "tables").iterdir()}
    held = {p.stem: set(pq.read_schema(p).names) for p in (folder / "tables").iterdir()}
    package, dataset = (
        json.loads((folder / name).read_bytes()) for name in ("datapackage.json", "croissant.json")
    )
    package["resources"] = [r for r in package["resources"] if r["name"] in held]
    for resource in package["resources"]:
        resource["hash"] = f"sha256:{hashes[resource['name'] + '.parquet']}"
        fields = resource["schema"]["fields"]
        resource["schema"]["fields"] = [f for f in fields if f["name"] in held[resource["name"]]]
    dataset["distribution"] = [f for f in dataset["distribution"] if f["name"] in hashes]
    for file in dataset["distribution"]:
        size = (folder / "tables" / file["name"]).stat().st_size
        file.update(sha256=hashes[file["name"]], contentSize=f"{size} B")
    dataset["recordSet"] = [r for r in dataset["recordSet"] if r["name"] in held]
    for records in dataset["recordSet"]:
        kept = held[records["name"]]
        records["field"] = [f for f in records["field"] if f["name"] in kept]
    (folder / "datapackage.json").write_bytes(to_json(package))
    (folder / "croissant.json").write_bytes(to_json(dataset))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            "share_by_lab_weekly: update share_by_lab_weekly set tokens = tokens - 1 "
            "where lab_id = 'openai' and period_start = date '2026-01-05'",
            "TOKENS_CONSERVED: every share table counts",
        ),
        (
            "spend_by_origin_monthly: update spend_by_origin_monthly "
            "set spend_share = spend_share + 2e-9 where origin = 'CN'",
            "SPEND_CONSERVED: every spend table counts",
        ),
        (
            "share_by_origin_daily: update share_by_origin_daily set share_high = share - 1e-9 "
            "where origin = 'US'",
            "SHARE_BOUNDS: share_low ≤ share",
        ),
        (
            "share_by_rule_set_monthly: delete from share_by_rule_set_monthly "
            "where rule_set = 'all_rows'",
            "RULE_SET_TOKENS: rule set all_rows counts",
        ),
        ("share_by_lab_weekly: drop table share_by_lab_weekly", "no table share_by_lab_weekly"),
    ],
    ids=["tokens", "spend", "bounds", "rule set", "no table"],
)
def test_verify_asks_the_rules_of_the_gate_again(
    small: Settings, statement: str, said: str
) -> None:
    """A forger can seal what he wants, but not make it add up."""
    vintage = latest_vintage(small)
    assert vintage is not None
    forge(vintage.path, statement)
    with pytest.raises(VerificationError, match=said):
        verify(vintage.path)


def test_verify_says_what_of_another_version_it_cannot_ask(small: Settings) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    spend = [p.stem for p in (vintage.path / "tables").glob("spend_by_*.parquet")]
    older = [f"{name}: alter table {name} drop column free_tokens" for name in spend]
    forge(vintage.path, *older, data_interface_version="1.2.0")
    notes: list[str] = []
    verify(vintage.path, note=notes.append)
    assert notes == ["SPEND_BAND: not checked; its tables are of another version"]
    forge(
        vintage.path,
        "share_by_origin_weekly: update share_by_origin_weekly set tokens = tokens + 1",
    )
    with pytest.raises(VerificationError, match="TOKENS_CONSERVED"):
        verify(vintage.path)


@pytest.mark.parametrize(
    "statement",
    [
        "update headline set share = share + 0.1 where origin = 'CN'",
        "delete from usage_daily where usage_date = date '2026-01-20'",
        "insert into share_by_lab_weekly select * from share_by_lab_weekly limit 1",
        "insert into quarantine (source) values (null)",
    ],
    ids=["value", "rows less", "row twice", "a row of NULLs more"],
)
def test_verify_refuses_a_resealed_database_that_says_something_else(
    small: Settings, statement: str
) -> None:
    """Readers of BI tools see the database, not the Parquet files."""
    vintage = latest_vintage(small)
    assert vintage is not None
    database = vintage.path / "tokenshare.duckdb"
    database.chmod(0o644)
    with duckdb.connect(str(database)) as connection:
        connection.execute(statement)
    reseal(vintage.path)
    with pytest.raises(
        VerificationError, match=r"tokenshare\.duckdb and Parquet differ in \d+ row"
    ):
        verify(vintage.path)


def test_verify_refuses_a_resealed_manifest_with_a_failed_blocker(small: Settings) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    judged = vintage.manifest["gate"]
    blocker = next(n for n, v in enumerate(judged) if v["severity"] == "blocker")
    failed = {**judged[blocker], "passed": False, "verdict": "fail"}
    reseal(vintage.path, gate=[*judged[:blocker], failed, *judged[blocker + 1 :]])
    rule = judged[blocker]["rule"]
    with pytest.raises(
        VerificationError, match=rf"was published despite failed blockers: .*{rule}"
    ):
        verify(vintage.path)


def test_verify_does_not_ask_for_an_order_of_rows(small: Settings) -> None:
    """The key of the headline grew a column: vintages of an earlier interface have another order.
    Nor does the database have to have that of the files."""
    vintage = latest_vintage(small)
    assert vintage is not None
    headline = vintage.manifest["headline"]
    assert len(headline) > 2
    database = vintage.path / "tokenshare.duckdb"
    database.chmod(0o644)
    with duckdb.connect(str(database)) as connection:
        connection.execute("create table held as from usage_daily order by tokens")
        connection.execute("delete from usage_daily")
        connection.execute("insert into usage_daily from held; drop table held")
    reseal(vintage.path, headline=headline[::-1])
    verify(vintage.path)


@pytest.mark.parametrize(
    "name",
    [
        """tables/x"; copy (select 1) to '{home}/pwned'; --.parquet""",
        "tables/x' from y; --.parquet",
        "report/\x1b[31m.html",
        os.fsdecode(b"report/caf\xe9.html"),
    ],
)
def test_a_name_in_a_strangers_vintage_is_never_sql(
    small: Settings, name: str, tmp_path: Path
) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    name = name.replace("{home}/", "")  # a file's name has no slash: it would write to where we are
    shutil.copy(vintage.path / "tables" / "headline.parquet", vintage.path / name)
    held = {p.name for p in Path.cwd().iterdir()}
    with pytest.raises(VerificationError, match="not in the manifest") as unlisted:
        verify(vintage.path)
    assert str(unlisted.value).replace("\n", "").isprintable()
    reseal(vintage.path)
    with pytest.raises(VerificationError, match="not a plain path inside the folder"):
        verify(vintage.path)
    assert {p.name for p in Path.cwd().iterdir()} == held


@pytest.mark.parametrize(
    "path", ["/etc/hostname", "../x", "tables/../../x", "./x", "a//b", "a\\b", "", "a\nb", 5, None]
)
def test_a_manifest_names_plain_paths_inside_its_folder(small: Settings, path: object) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    entry = {**vintage.manifest["outputs"][0], "path": path}
    reseal(vintage.path, outputs=[*vintage.manifest["outputs"], entry])
    with pytest.raises(VerificationError, match=r"outputs\.\d+\.path"):
        verify(vintage.path)


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (
            "alter table headline rename to aside; "
            "create view headline as select * from read_csv('/etc/passwd')",
            "contains a view, headline",
        ),
        (
            "create or replace view bi_countries as select 'CN' as origin, content as origin_name "
            "from read_text('/etc/passwd')",
            "contains a view, bi_countries, that is not one of this version",
        ),
        ("create view bi_more as select 1 as n", "contains a view, bi_more"),
        ("create schema a; create view a.bi_labs as select 1 as n", "contains a view, bi_labs"),
        ("create macro usage(x) as (select content from read_text(x))", "contains a macro, usage"),
        ("create table more as select 1 as n", "a table that is in no Parquet file, more"),
        (
            "create table computed (n int, sql varchar as ('x')); drop table headline; "
            "alter table computed rename to headline",
            "headline: is not the same table",
        ),
    ],
    ids=["view", "changed view", "view more", "a view's namesake", "macro", "table", "computed"],
)
def test_the_database_of_a_vintage_holds_its_tables_and_only_our_views_run(
    small: Settings, statements: str, said: str
) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    database = vintage.path / "tokenshare.duckdb"
    database.chmod(0o644)
    with duckdb.connect(str(database)) as connection:
        connection.execute(statements)
    reseal(vintage.path)
    with pytest.raises(VerificationError, match=said):
        verify(vintage.path)


def test_verify_waits_for_no_pipe_and_follows_no_link(small: Settings, tmp_path: Path) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    report = vintage.path / "report" / "index.html"
    content = report.read_bytes()
    report.unlink()
    os.mkfifo(report)
    with pytest.raises(VerificationError, match=r"report/index\.html: is a link or a device"):
        verify(vintage.path)
    report.unlink()
    (tmp_path / "elsewhere").write_bytes(content)
    report.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(VerificationError, match=r"report/index\.html: is a link or a device"):
        verify(vintage.path)
    report.unlink()
    (vintage.path / "report").rename(tmp_path / "report")
    (tmp_path / "report" / "index.html").write_bytes(content)
    (vintage.path / "report").symlink_to(tmp_path / "report")
    with pytest.raises(VerificationError, match="report: not in the manifest"):
        verify(vintage.path)


def test_a_run_that_was_killed_before_latest_json_is_finished_and_a_rollback_is_not_undone(
    restated: Settings,
) -> None:
    """What such a run leaves is a vintage, its marker and the older pointer (test_write_order)."""
    new = latest_vintage(restated)
    assert new is not None
    old = read_manifest(restated.vintages_dir / new.manifest["previous_vintage"])
    # A restored folder of next century says nothing of the time.
    copy_of_latest(restated, "29991231T235959Z-00000000")
    set_latest(restated.published_dir, old)
    before = restated.latest_path.read_bytes()
    stated = {k: new.manifest[k] for k in ("vintage_id", "manifest_sha256", "previous_vintage")}
    (restated.data_dir / ".publishing.json").write_bytes(to_json(stated))

    result = pipeline.run(restated)
    assert (result.vintage.vintage_id, result.vintage.is_new) == (new.vintage_id, False)
    assert any("interrupted run is complete" in notice for notice in result.notices)
    pointer = json.loads(restated.latest_path.read_text(encoding="utf-8"))
    assert pointer["vintage_id"] == new.vintage_id

    restated.latest_path.write_bytes(before)  # an operator's rollback
    result = pipeline.run(restated)
    assert restated.latest_path.read_bytes() == before
    assert (result.vintage.vintage_id, result.vintage.is_new) == (old["vintage_id"], False)
    assert f"latest.json names {old['vintage_id']} and is left so" in result.vintage.why_not
    left_alone = [notice for notice in result.notices if "left as it is" in notice]
    assert [new.vintage_id in n or "29991231" in n for n in left_alone] == [True, True]


def test_a_rollback_lasts_until_there_is_something_new_and_then_old_vintages_are_pruned(
    restated: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    new = latest_vintage(restated)
    assert new is not None
    old = new.manifest["previous_vintage"]
    ages = ("20250102T000000Z-00000000", "20250103T000000Z-00000000")
    for name in ages:  # of one week and month
        copy_of_latest(restated, name, vintage_id=name)
    reason = "wrong counts"
    restated.latest_path.write_bytes(b"{}")  # it repairs that as well
    assert pipeline.roll_back_to(new.vintage_id[:16], reason, restated)[:2] == (new.vintage_id, "")
    assert pipeline.roll_back_to(old, reason, restated) == (old, new.vintage_id, [])
    assert [(e.vintages, e.before, e.reason) for e in read_history(restated)] == [
        ((new.vintage_id,), "", reason),
        ((old,), new.vintage_id, reason),
    ]

    same = pipeline.run(restated).vintage
    assert (same.vintage_id, same.is_new) == (old, False)
    assert f"tokenshare vintages rollback {new.vintage_id} --reason" in same.why_not
    assert pipeline.prune_vintages(restated, dry_run=True)[0].vintage_ids == ages[:1]

    land_feed(restated, drop, count=COUNT + 2)
    result = pipeline.run(restated, entrance="schedule")
    assert result.vintage.is_new
    assert result.vintage.manifest["previous_vintage"] == old
    assert [n for n in result.notices if "prune" in n] == [f"{ages[0]} is pruned"]
    assert {p.name for p in restated.vintages_dir.iterdir()} == {
        ages[1], old, new.vintage_id, result.vintage.vintage_id,
    }  # fmt: skip
    *_, first, second = read_runs(restated)
    assert (first.state, first.vintage_id, first.entrance) == ("nothing_new", old, "program")
    assert (second.state, second.exit_code, second.entrance) == ("published", 0, "schedule")

    (restated.vintages_dir / old / "report" / "index.html").write_bytes(b"")
    with pytest.raises(VerificationError, match=r"report/index\.html: has 0 bytes"):
        pipeline.roll_back_to(old, reason, restated)
    assert latest_vintage(restated) == replace(result.vintage, is_new=False, notices=())


@pytest.mark.parametrize(
    "name", ["29990101T000000Z-00000000", "99990101T000000Z-00000000", "notes"]
)
@pytest.mark.parametrize("own_id", [True, False])
def test_a_folder_that_no_run_published_is_named_and_left_alone(
    small: Settings, name: str, own_id: bool
) -> None:
    before = small.latest_path.read_bytes()
    old = latest_vintage(small)
    assert old is not None
    changes = {"vintage_id": name, "previous_vintage": old.vintage_id} if own_id else {}
    copy_of_latest(small, name, **changes)
    (said,) = finish_interrupted(small)
    assert name in said
    assert "left as it is" in said
    assert small.latest_path.read_bytes() == before
    assert (small.vintages_dir / name / "manifest.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"previous_vintage": None},
        {"previous_vintage": "20200101T000000Z-00000000"},
        {"manifest_sha256": "0" * 64},
        {"vintage_id": "../../elsewhere"},
        {"vintage_id": ["x"]},
        {"vintage_id": None},
        b"[]",
        b"{",
    ],
    ids=str,
)
def test_a_marker_that_proves_nothing_moves_nothing(
    small: Settings, change: dict[str, Any] | bytes
) -> None:
    """It must name the very vintage, with the present one before it."""
    before = small.latest_path.read_bytes()
    old = latest_vintage(small)
    assert old is not None
    name = "29990101T000000Z-00000000"
    made = copy_of_latest(small, name, vintage_id=name, previous_vintage=old.vintage_id)
    marker = small.data_dir / ".publishing.json"
    right = {k: made[k] for k in ("vintage_id", "manifest_sha256", "previous_vintage")}
    marker.write_bytes(change if isinstance(change, bytes) else to_json({**right, **change}))
    notices = finish_interrupted(small)
    assert small.latest_path.read_bytes() == before
    assert not marker.exists()
    assert ".publishing.json: cannot be used to finish" in notices[0]
    assert "left as it is" in notices[1]


@pytest.mark.parametrize(
    "pointer",
    [
        b"[]", b"3", b'"x"', b"null", b"", b"\xff", b"[" * 100_000, b'{"vintage_id": NaN}',
        b'{"path": ' + b"1" * 5000 + b"}",
        {"manifest_sha256": "0" * 64}, {"manifest_sha256": 5}, {"path": 5}, {"path": "/etc"},
        {"path": "vintages/../vintages/x"}, {"path": "vintages/gone"},
        {"vintage_id": "20200101T000000Z-00000000"}, {"vintage_id": "20209901T000000Z-00000000"},
        {"vintage_id": None}, {"vintage_id": "x" * 100_000},
    ],
    ids=lambda v: str(v)[:40],
)  # fmt: skip
def test_a_pointer_that_is_not_right_stops_readers_with_its_repair_and_a_run_repairs_it(
    small: Settings, pointer: bytes | dict[str, Any]
) -> None:
    before = small.latest_path.read_bytes()
    right = json.loads(before)
    wrong = pointer if isinstance(pointer, bytes) else to_json({**right, **pointer})
    small.latest_path.write_bytes(wrong)
    with pytest.raises(VerificationError, match=r"latest\.json: .*remove latest\.json") as said:
        latest_vintage(small)
    assert len(str(said.value)) < 1500
    assert small.latest_path.read_bytes() == wrong
    (notice,) = pipeline.tidy_up(small)
    assert "latest.json: " in notice
    assert len(notice) < 1000
    if pointer == {"manifest_sha256": "0" * 64}:  # or was the vintage replaced?
        assert notice.startswith("nothing can be published")
        assert small.latest_path.read_bytes() == wrong
    else:
        assert notice.startswith(f"latest.json names {right['vintage_id']} now")
        assert small.latest_path.read_bytes() == before
        (entry,) = read_history(small)
        assert (entry.action, entry.vintages) == ("rollback", (right["vintage_id"],))
        assert entry.reason.startswith("by itself, to the newest whole vintage: ")


def test_a_pointer_that_is_a_link_to_nowhere_or_leads_to_another_vintage_stops_the_run(
    small: Settings,
) -> None:
    vintage = latest_vintage(small)
    assert vintage is not None
    reseal(vintage.path, vintage_id="20200101T000000Z-00000000")
    with pytest.raises(VerificationError, match="states vintage_id"):
        pipeline.run(small)
    small.latest_path.unlink()
    small.latest_path.symlink_to("nowhere")
    with pytest.raises(VerificationError, match="is not there"):
        pipeline.run(small)


def test_nothing_is_compared_with_a_damaged_vintage(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    """One table times 1.004 made hundreds of false revisions, within what the gate lets pass."""
    before = small.latest_path.read_bytes()
    vintage = latest_vintage(small)
    assert vintage is not None
    path = vintage.path / "tables" / "usage_daily.parquet"
    usage = pq.read_table(path)
    with duckdb.connect() as connection:
        changed = connection.sql(
            "select * replace (cast(tokens * 1.004 as bigint) as tokens) from usage"
        ).to_arrow_table()
    path.chmod(0o644)
    pq.write_table(changed.cast(usage.schema), path, compression="zstd")
    land_feed(small, drop, count=COUNT + 1)
    with pytest.raises(VerificationError) as damaged:
        pipeline.run(small)
    assert damaged.value.exit_code == 6
    assert "the latest vintage is damaged. Restore" in str(damaged.value)
    assert "tables/usage_daily.parquet: has " in str(damaged.value)
    assert small.latest_path.read_bytes() == before
    assert len(list(small.vintages_dir.iterdir())) == 1


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
    assert "waiting up to 0 s for files in the inbox to be complete" in said
    assert [n.split(": ")[1:] for n in result.notices] == [
        ["2026-03-05.csv", "is left", "a process has it open for writing"],
        ["folder", "is left", "it is a folder; put its files here"],
    ]
    assert path.exists()


def test_nothing_new_compares_all_that_a_run_reads(
    small: Settings, monkeypatch: pytest.MonkeyPatch
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
    monkeypatch.setattr("orchestration.publication.candidate.code_fingerprint", lambda: "other")
    assert inputs_fingerprint([record], small) != known


def test_publish_refuses_a_candidate_of_other_dumps(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    """Left by a killed run, it would put an older state on top of a newer vintage."""
    before = small.latest_path.read_bytes()
    build_candidate(ingest_all(list_dumps(small), small), small)
    land_feed(small, drop, count=COUNT + 1)
    with pytest.raises(TokenshareError, match="have changed since it was made"):
        pipeline.publish_newest(small)
    assert small.latest_path.read_bytes() == before


@pytest.mark.parametrize(
    "change", [{"build_sha256": "0" * 64}, {"registry": {"view": "now", "as_of": "9999-12-31"}}],
    ids=["code", "registry view"],
)  # fmt: skip
def test_publish_refuses_a_candidate_of_other_code_or_another_reading(
    small: Settings, change: dict[str, Any]
) -> None:
    before = small.latest_path.read_bytes()
    made = build_candidate(ingest_all(list_dumps(small), small), small)
    stated = json.loads((made.path / "candidate.json").read_bytes())
    (made.path / "candidate.json").write_bytes(to_json({**stated, **change}))
    with pytest.raises(
        TokenshareError, match="the registry view or what a small cell is have changed"
    ):
        pipeline.publish_newest(small)
    assert small.latest_path.read_bytes() == before


def test_publish_refuses_a_candidate_whose_tables_are_not_as_the_export_left_them(
    small: Settings,
) -> None:
    before = small.latest_path.read_bytes()
    made = build_candidate(ingest_all(list_dumps(small), small), small)
    path = made.tables_dir / "headline.parquet"
    right = pq.read_table(path)
    share = right.column_names.index("share")
    for wrong in (
        right.drop_columns(["origin"]),
        right.append_column("extra", right["share"]),
        right.set_column(share, "share", right["share"].cast("float")),
        None,
    ):
        path.unlink(missing_ok=True)
        if wrong is not None:
            pq.write_table(wrong, path)
        with pytest.raises(TokenshareError, match=r"other columns than .*'headline\.parquet'"):
            pipeline.publish_newest(small)
    pq.write_table(right, path)
    pq.write_table(right, made.tables_dir / "stray.parquet")
    with pytest.raises(TokenshareError, match=r"missing, unexpected.*'stray\.parquet'"):
        pipeline.publish_newest(small)
    assert small.latest_path.read_bytes() == before


def test_the_citation_of_the_newest_dump_is_cited(
    settings: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    """Whichever was landed last."""
    for n, as_of in enumerate((LATER, builders.AS_OF)):
        rows = builders.feed(builders.days(FIRST, 2 + n))
        land(drop(f"{n}.csv", builders.csv3(rows)), settings, as_of=as_of)
    (cited,) = citations(list_dumps(settings))
    assert "as of 2026-03-02" in cited


def test_a_damaged_warehouse_is_made_anew(small: Settings) -> None:
    files = list((small.warehouse_dir / "raw").rglob("*.parquet"))
    right = [path.read_bytes() for path in files]
    for path in files:
        path.write_bytes(path.read_bytes()[:50])
    create_working_database(ingest_all(list_dumps(small), small), small)
    assert [path.read_bytes() for path in files] == right


def test_a_cut_catalogue_is_withheld_and_returns_when_it_is_mended(
    small: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    """The gate would refuse it; the rankings do not wait for it."""
    runner = CliRunner()
    before = vintage_of(small)
    cut = land(drop("cut.json", builders.CUT_CATALOGUE), small, as_of=PRICED).record
    result = runner.invoke(app, ["run", "--data-dir", str(small.data_dir)])
    assert isinstance(result.exception, SourceWithheldError), result.output
    assert result.exception.exit_code == 10
    assert "published vintage" in result.output
    vintage = vintage_of(small)
    assert vintage.vintage_id != before.vintage_id
    (withheld,) = vintage.withheld
    assert (withheld.source, withheld.is_absent) == ("openrouter_models", True)
    assert [(r.rule, "was a catalogue cut?" in r.rows[0]) for r in withheld.rules] == [
        ("CATALOGUE_SHRANK", True)
    ]
    assert [d.sha256 for d in withheld.dumps] == [cut.sha256]
    assert cut.sha256 not in {i["sha256"] for i in vintage.manifest["inputs"]}
    said = withheld.describe()
    assert said in str(result.exception)
    for page in ("report/index.html", "gate/index.html"):
        assert str(escape(said)) in (vintage.path / page).read_text(encoding="utf-8")
    for table in tables("published"):
        was, now = (
            pq.read_table(v.path / "tables" / f"{table}.parquet") for v in (before, vintage)
        )
        assert now.equals(was), table
    verify(vintage.path)
    (kept,) = small.candidates_dir.iterdir()
    assert "CATALOGUE_SHRANK" in (kept / "gate" / "index.html").read_text(encoding="utf-8")
    assert compare_vintages(before.path, vintage.path).after.withheld == ("openrouter_models",)

    again = pipeline.run(small).vintage
    assert not again.is_new
    assert again.withheld, "it is still withheld, and still said"
    checks = {c.check_name: c for c in in_dagster(small).get_asset_check_evaluations()}
    assert not checks["no_source_withheld"].passed
    noted = checks["no_source_withheld"].metadata["openrouter_models"].value
    assert "CATALOGUE_SHRANK" in str(noted)

    with duckdb.connect() as connection:
        priced = connection.execute(
            "select distinct model_permaslug from "
            f"'{vintage.path}/tables/price_history.parquet' where valid_to is null"
        ).fetchall()
    whole = builders.catalogue({slug: ("0.000001", "0.000002") for (slug,) in priced})
    land(drop("whole.json", whole), small, as_of=PRICED + timedelta(days=1))
    mended = pipeline.run(small).vintage
    assert mended.is_new
    assert not mended.withheld
    assert cut.sha256 in {i["sha256"] for i in mended.manifest["inputs"]}


def test_counts_of_apps_that_cannot_be_added_up_do_not_stop_the_rankings(
    odd_dumps: pipeline.RunResult,
) -> None:
    vintage = odd_dumps.vintage
    assert vintage.is_new
    (withheld,) = vintage.withheld
    source = "openrouter_app_rankings"
    assert (withheld.source, [r.rule for r in withheld.rules]) == (source, ["NOT_BUILT"])
    (dump,) = withheld.dumps
    assert dump.path.removeprefix("landing/") in withheld.rules[0].rows[1]
    assert pq.read_table(vintage.path / "tables" / "app_usage.parquet").num_rows == 0
