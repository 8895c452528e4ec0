"""Write a candidate: a folder with every published table, apart from the published vintages.

The tables are Parquet files, sorted by key and with the types of their contract, so that the same
inputs result in the same bytes. Here alone exact amounts are rounded, to the places of their
contract. `tokenshare.duckdb` has the same tables with comments, and the views of `views/`, for BI
tools.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchestration.configuration.limits import limits
from orchestration.contracts.odcs import Field, Table, published_by_model, tables
from orchestration.errors import TokenshareError, TransformError, safe_text
from orchestration.files import (
    BUILDING_PREFIX,
    fingerprint,
    move_into_place,
    new_building_folder,
    read_json,
    sha256_bytes,
    to_json,
)
from orchestration.ingestion.ingest import Ingested
from orchestration.landing.gaps import Gap, read_gaps
from orchestration.landing.store import DumpRecord
from orchestration.publication.manifest import Withheld
from orchestration.publication.views import create_views, read_views
from orchestration.publication.withheld import left_out
from orchestration.request_logs import REQUEST_LOGS
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.tables import parquet, sql_name, sql_text

DATABASE_NAME = "tokenshare.duckdb"
CANDIDATE_FILE = "candidate.json"
# The files that a run reads; the lock file represents the libraries. If anything else changes
# (tests, tools, documents), no new vintage is published.
_CODE = ("orchestration", "dbt_project", "data_contracts", "configuration", "requirements.lock")
_NOT_READ_BY_A_RUN = ("*.md", "*__unit_tests.yml", "configuration/registry_judgements.yml")
# What a manifest says of the dump of a request log if small cells are suppressed.
_SAID_OF_SMALL_CELLS = (
    "source", "layout", "sha256", "pulled_at", "as_of", "as_of_origin", "license", "citation",
    "sidecar_sha256",
)  # fmt: skip
# The oldest format that can store all tables: BI drivers contain older versions of DuckDB 1.x,
# which cannot open newer formats.
_STORAGE_VERSION = "v1.0.0"
# One thread and no optimizer save a quarter of the time for a thousand small statements.
_DATABASE = {"threads": 1, "storage_compatibility_version": _STORAGE_VERSION}


@dataclass(frozen=True)
class Candidate:
    """A complete candidate folder."""

    path: Path
    inputs_sha256: str
    inputs: tuple[dict[str, Any], ...]
    citations: tuple[str, ...]
    registry: dict[str, str]
    withheld: tuple[Withheld, ...] = ()
    gaps: tuple[Gap, ...] = ()
    small_cells: int = 0

    @property
    def tables_dir(self) -> Path:
        return self.path / "tables"


def code_fingerprint(root: Path = PROJECT_ROOT, without: tuple[str, ...] = ()) -> str:
    """One hash over the files that a run reads. It changes if a file changes that can affect a
    vintage."""
    return fingerprint(tuple(root / name for name in _CODE), (*_NOT_READ_BY_A_RUN, *without))


def build_fingerprint(root: Path = PROJECT_ROOT) -> str:
    """A hash that changes with everything that can change the tables of a candidate: all code and
    configuration, except for the gate's limits that no table uses."""
    used = [
        limits().price_freshness.fresh_days,
        limits().settled_day.hours_after_day,
        limits().request_log_day.tolerated_rows_share,
    ]
    code = code_fingerprint(root, without=("configuration/gate.yml",))
    return sha256_bytes(json.dumps([code, *used]).encode())


def inputs_fingerprint(records: Sequence[DumpRecord], settings: Settings) -> str:
    """One hash over everything that a vintage is made from: dumps with their sidecars, known gaps,
    the view of the registry, the address in the report's links, which cells are small, code and
    libraries."""
    gaps = [g.model_dump(mode="json") for g in read_gaps(settings)]
    known = sorted((r.source, r.sha256, r.sidecar()["sidecar_sha256"]) for r in records)
    reading = [registry_reading(settings), str(settings.public_url), settings.small_cells]
    return sha256_bytes(json.dumps([known, gaps, reading, code_fingerprint()]).encode())


def registry_reading(settings: Settings) -> dict[str, str]:
    """The view and the last day of the registry that a run uses, for the manifest."""
    return {"view": settings.registry_view, "as_of": settings.registry_as_of.isoformat()}


def _input_entry(item: Ingested, small_cells: int) -> dict[str, Any]:
    record = item.record
    path = f"landing/{record.path}"
    if small_cells and record.source in REQUEST_LOGS:
        # A dump may have few requests; what says how many, or on which days, is left out.
        sidecar = record.sidecar()
        unknown = dict.fromkeys(("rows_ingested", "rows_quarantined", "fields_quarantined"))
        return {**{name: sidecar[name] for name in _SAID_OF_SMALL_CELLS}, "path": path, **unknown}
    return {
        **record.sidecar(),
        "path": path,
        "rows_ingested": item.good_rows,
        "rows_quarantined": item.quarantined_rows,
        "fields_quarantined": item.quarantined_fields,
    }


def citations(records: Sequence[DumpRecord]) -> list[str]:
    """The citations that must accompany the data: for each source, that of the newest dump."""
    newest: dict[str, DumpRecord] = {}
    for record in sorted(records, key=lambda r: (r.as_of, r.pulled_at, r.sha256)):
        newest[record.source] = record
    return [newest[source].citation for source in sorted(newest)]


def _locate_models(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The schema of every model with published rows, by the name of the model.

    Raises TokenshareError if a model was not built, or was built in both schemas.
    """
    built: dict[str, list[str]] = {name: [] for name in published_by_model()}
    for schema, name in connection.execute(
        "select table_schema, table_name from information_schema.tables "
        "where table_schema in ('marts', 'metrics')"
    ).fetchall():
        built.setdefault(name, []).append(schema)
    for name in published_by_model():
        if len(built[name]) != 1:
            raise TokenshareError(
                f"table {name} was built {len(built[name])} times in the schemas marts and "
                "metrics; expected once"
            )
    return {name: schemas[0] for name, schemas in built.items()}


def _refuse(wrong: Sequence[tuple[Table, str, str, str]]) -> None:
    """Raise TransformError if there are columns that do not follow their contract.

    `wrong` has the table, the column's name, what was found and what was expected.
    """
    if wrong:
        lines = [
            f"  table {table.name}, column {safe_text(name)}: found {found}, expected {expected}"
            for table, name, found, expected in wrong
        ]
        raise TransformError(
            f"{len(wrong)} column(s) do not follow data_contracts/published:\n" + "\n".join(lines)
        )


def _check_columns(connection: duckdb.DuckDBPyConnection, schemas: dict[str, str]) -> None:
    """Compare the names and types of all built columns with the contracts; the order is free.

    A model of several grains has an additional column `grain`, and no rows of a grain without a
    table. A decimal may have more digits and places than its contract, see `_published`. Raises
    TransformError that names every missing or unexpected column and every wrong type.
    """
    wrong = []
    for model, family in published_by_model().items():
        relation = connection.sql(f"select * from {schemas[model]}.{model} limit 0")
        found = {f.name: f.type for f in relation.to_arrow_table().schema}
        grains = [table.grain for table in family if table.grain]
        for table in family:
            expected = {f.name: f.type for f in table.arrow_schema()}
            if grains:
                expected["grain"] = pa.string()
            for name in dict.fromkeys([*expected, *found]):
                held, wanted = found.get(name), expected.get(name)
                if held != wanted and not _is_rounded(held, wanted):
                    says = [str(t or "no such column") for t in (held, wanted)]
                    wrong.append((table, name, *says))
        if grains and found.get("grain") == pa.string():
            wrong += [
                (family[0], "grain", safe_text(grain), f"one of {', '.join(grains)}")
                for (grain,) in connection.execute(
                    f"select distinct grain from {schemas[model]}.{model} order by grain"
                ).fetchall()
                if grain not in grains
            ]
    _refuse(wrong)


def _is_rounded(held: pa.DataType | None, wanted: pa.DataType | None) -> bool:
    """True if the export rounds a column of the model to the type of its contract."""
    return (
        isinstance(held, pa.Decimal128Type)
        and isinstance(wanted, pa.Decimal128Type)
        and held.scale >= wanted.scale
    )


def _published(field: Field) -> str:
    """SQL of a column as it is published.

    A decimal is rounded to the places of its contract, halves away from zero; DuckDB raises an
    error if it has more digits than fit. The models below stay exact, so that sums, shares and
    bounds are those of exact numbers, and low ≤ value ≤ high holds after rounding as before.
    """
    if pa.types.is_decimal(field.arrow_type):
        return f"cast({field.sql_name} as {field.sql_type}) as {field.sql_name}"
    return field.sql_name


def _read_table(connection: duckdb.DuckDBPyConnection, schema: str, table: Table) -> pa.Table:
    """The rows of a published table, sorted by key, with the columns in the order of the contract.

    From a model with several grains, only the rows of the table's grain are read.

    Raises TransformError if a required column has NULL, or a decimal has too many digits.
    """
    columns = ", ".join(map(_published, table.fields))
    rows = f"where grain = {sql_text(table.grain)}" if table.grain else ""
    order = ", ".join(table.key)
    try:
        content = connection.sql(
            f"select {columns} from {schema}.{table.model} {rows} order by {order}"
        ).to_arrow_table()
    except duckdb.ConversionException as error:
        raise TransformError(
            f"table {table.name}: a number has more digits than its contract has room for: "
            f"{safe_text(error)}"
        ) from error
    empty = [f.name for f in table.fields if f.required and content.column(f.name).null_count]
    _refuse([(table, name, _nulls(content, name, table.key), "a value") for name in empty])
    # This is not a cast: a column of another type raises an error.
    return pa.table(content.columns, schema=table.arrow_schema())


def _nulls(content: pa.Table, column: str, key: Sequence[str]) -> str:
    """A text with the number of rows with NULL in this column, and the key of the first one."""
    missing = content.filter(pc.is_null(content.column(column)))
    (first,) = missing.select(key).slice(0, 1).to_pylist()
    named = ", ".join(f"{name}={safe_text(value)}" for name, value in first.items())
    return f"NULL in {len(missing)} of {len(content)} rows (the first: {named})"


def _left_out(connection: duckdb.DuckDBPyConnection) -> tuple[tuple[Withheld, ...], int]:
    """The sources that the working database leaves out, and which cells were too small for it."""
    ((withheld, small_cells),) = connection.execute(
        "select withheld, small_cells from raw.run_settings"
    ).fetchall()
    return tuple(Withheld.model_validate(entry) for entry in json.loads(withheld)), small_cells


def _check_provenance(connection: duckdb.DuckDBPyConnection, records: Sequence[DumpRecord]) -> None:
    """Raise TokenshareError if the working database was made from other dumps than `records`."""
    held = connection.execute("select source, dump_sha256, as_of from raw.dumps").fetchall()
    if set(held) != {(r.source, r.sha256, r.as_of.replace(tzinfo=None)) for r in records}:
        raise TokenshareError(
            "the working database was rebuilt by another run in the meantime; run again"
        )


def _write_database(
    path: Path, tables_dir: Path, written: Iterable[Table], cited: Sequence[str]
) -> None:
    """Write the database from the Parquet files, and its views. `written` yields each table once
    its file is complete."""
    with duckdb.connect(str(path), config=_DATABASE) as connection:
        connection.execute("pragma disable_optimizer")
        # One transaction, because otherwise each of the 900 comments would be flushed to disk.
        connection.begin()
        for table in written:
            file = parquet(tables_dir / f"{table.name}.parquet")
            connection.execute(f"create table {sql_name(table.name)} as select * from {file}")
            comment = sql_text(" ".join([table.description, *cited]))
            connection.execute(f"comment on table {table.name} is {comment}")
            for field in table.fields:
                connection.execute(
                    f"comment on column {table.name}.{field.sql_name} is "
                    f"{sql_text(field.description)}"
                )
        create_views(connection, " ".join(cited))
        connection.commit()
    # A reader who opens the file without read_only would change it, and so its hash.
    path.chmod(0o444)


@cache
def stored_views() -> dict[str, str]:
    """The SQL of every view, by name, as DuckDB reads it in a database that was written here."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / DATABASE_NAME
        with duckdb.connect(str(path), config=_DATABASE) as connection:
            connection.execute("pragma disable_optimizer")
            connection.begin()
            for table in tables("published").values():
                columns = ", ".join(f"{f.sql_name} {f.sql_type}" for f in table.fields)
                connection.execute(f"create table {sql_name(table.name)} ({columns})")
            create_views(connection, "")
            connection.commit()
        with duckdb.connect(str(path), read_only=True) as connection:
            return dict(read_views(connection, path.stem))


def build_candidate(
    ingested: Sequence[Ingested],
    settings: Settings,
    now: datetime | None = None,
    pages: Mapping[str, bytes] | None = None,
) -> Candidate:
    """Export every published table of the working database into a new candidate folder. `pages` are
    written beside the tables, by file name.

    `ingested` has all landed dumps, including those that the working database leaves out.

    Raises TransformError if a table does not have exactly the columns and types of its contract,
    or has NULL in a required column.
    """
    now = now or datetime.now(UTC)
    records = [i.record for i in ingested]
    inputs_sha256 = inputs_fingerprint(records, settings)
    name = f"{now:%Y%m%dT%H%M%S%f}-{inputs_sha256[:8]}"
    building = new_building_folder(settings.candidates_dir, name)
    tables_dir = building / "tables"
    tables_dir.mkdir()
    with duckdb.connect(str(settings.database_path), read_only=True) as connection:
        withheld, small_cells = _left_out(connection)
        out = left_out(withheld)
        ingested = [i for i in ingested if (i.record.source, i.record.sha256) not in out]
        records = [i.record for i in ingested]
        cited = citations(records)
        _check_provenance(connection, records)
        schemas = _locate_models(connection)
        _check_columns(connection, schemas)

        def export(table: Table) -> Table:
            content = _read_table(connection.cursor(), schemas[table.model], table)
            content = content.replace_schema_metadata(
                {"description": table.description, "citation": "\n".join(cited)}
            )
            pq.write_table(content, tables_dir / f"{table.name}.parquet", compression="zstd")
            return table

        with ThreadPoolExecutor(max_workers=2) as pool:
            written = pool.map(export, tables("published").values())
            _write_database(building / DATABASE_NAME, tables_dir, written, cited)
    inputs = sorted(
        (_input_entry(i, small_cells) for i in ingested), key=lambda e: (e["source"], e["as_of"])
    )
    for page, content in (pages or {}).items():
        (building / page).write_bytes(content)
    (building / CANDIDATE_FILE).write_bytes(
        to_json(
            {
                "inputs_sha256": inputs_sha256,
                "build_sha256": build_fingerprint(),
                "inputs": inputs,
                "citations": cited,
                "registry": registry_reading(settings),
                "withheld": [w.model_dump() for w in withheld],
                "gaps": [g.model_dump(mode="json") for g in read_gaps(settings)],
                "small_cells": small_cells,
            }
        )
    )
    final = settings.candidates_dir / name
    move_into_place(building, final)
    return read_candidate(final)


def read_candidate(path: Path) -> Candidate:
    """Read a candidate folder that an earlier run completed.

    Raises TokenshareError if the folder is not a candidate, or if its tables do not have the
    columns of their contracts.
    """
    try:
        expected = {f"{t.name}.parquet": t.arrow_schema() for t in tables("published").values()}
        held = {p.name: pq.read_schema(p) for p in (path / "tables").iterdir()}
        if wrong := [n for n in sorted(expected | held) if held.get(n) != expected.get(n)]:
            raise ValueError(
                "missing, unexpected, or with other columns than in data_contracts/published: "
                f"{wrong}"
            )
        document = read_json(path / CANDIDATE_FILE)
        return Candidate(
            path,
            document["inputs_sha256"],
            tuple(document["inputs"]),
            tuple(document["citations"]),
            document["registry"],
            tuple(Withheld.model_validate(entry) for entry in document["withheld"]),
            tuple(Gap.model_validate(entry) for entry in document["gaps"]),
            int(document["small_cells"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TokenshareError(f"{path}: is not a complete candidate: {safe_text(error)}") from error


def with_current_inputs(
    candidate: Candidate, records: Sequence[DumpRecord], settings: Settings
) -> Candidate:
    """The candidate with the present fingerprint of its inputs, if only limits of the gate have
    changed since it was made.

    Raises TokenshareError if other dumps are landed now, or the code or a setting has changed.
    """
    document = read_json(candidate.path / CANDIDATE_FILE)
    landed = {(r.source, r.sha256, r.sidecar()["sidecar_sha256"]) for r in records}
    held = {(e["source"], e["sha256"], e.get("sidecar_sha256")) for e in candidate.inputs}
    held |= {(w.source, d.sha256, d.sidecar_sha256) for w in candidate.withheld for d in w.dumps}
    same_code = document.get("build_sha256") == build_fingerprint()
    made_with = (candidate.registry, candidate.small_cells)
    if (
        held != landed
        or not same_code
        or made_with != (registry_reading(settings), settings.small_cells)
    ):
        raise TokenshareError(
            f"{candidate.path}: the dumps, the code, the registry view or what a small cell is "
            "have changed since it was made; `tokenshare run` makes and publishes a new candidate"
        )
    return replace(candidate, inputs_sha256=inputs_fingerprint(records, settings))


def newest_candidate(settings: Settings) -> Candidate:
    """The newest complete candidate.

    Raises TokenshareError if there is none.
    """
    folders = [
        p
        for p in settings.candidates_dir.glob("*")
        if (p / CANDIDATE_FILE).exists() and not p.name.startswith(BUILDING_PREFIX)
    ]
    if not folders:
        raise TokenshareError(
            f"{settings.candidates_dir}: contains no candidate; `tokenshare run` makes one"
        )
    return read_candidate(max(folders))
