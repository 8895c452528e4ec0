"""Run dbt inside this process, with a manifest that is parsed once.

Measured on two cores: a subprocess through DbtCliResource takes 12 s, while dbtRunner with a
manifest has less than 1 s of overhead. dbt is imported inside the functions that use it (3 s).
"""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestration.errors import ResourceError, TransformError, resource_problem
from orchestration.files import fingerprint, write_atomically
from orchestration.settings import DBT_PROJECT_DIR, Settings
from orchestration.transformation import spark

_MARKER = "project.sha256"
# dbt returns results as objects, so its logs, which cost 15 % of a run, are not needed.
_QUIET_FLAGS = ("--quiet", "--no-write-json", "--log-level", "none", "--log-level-file", "none")
# Unit tests check the SQL, not the data: `make test` runs them, a run of the pipeline does not.
# Request logs are reduced before, in a database of their own (see `request_days`).
BUILD = ("build", "--exclude-resource-type", "unit_test", "--exclude", "tag:requests")
REDUCE = ("build", "--exclude-resource-type", "unit_test", "--select", "tag:requests")


@dataclass(frozen=True)
class NodeResult:
    """The result of one dbt node. `sql` is what dbt compiled, and empty for a seed."""

    unique_id: str
    resource_type: str
    name: str
    status: str
    message: str
    failures: int
    seconds: float
    sql: str = ""

    @property
    def ok(self) -> bool:
        return self.status in ("success", "pass", "warn")


def _set_environment(settings: Settings, database: Path | None = None) -> None:
    os.environ["TOKENSHARE_DATABASE"] = str(database or settings.database_path)
    os.environ["TOKENSHARE_DUCKDB_MEMORY"] = settings.duckdb_memory
    os.environ["TOKENSHARE_SPILL"] = str(settings.spill_dir)
    os.environ["TOKENSHARE_DBT_THREADS"] = str(settings.dbt_threads)
    os.environ["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    os.environ["DO_NOT_TRACK"] = "1"


def _paths(settings: Settings, target: Path | None = None) -> list[str]:
    return [
        "--project-dir",
        str(DBT_PROJECT_DIR),
        "--profiles-dir",
        str(DBT_PROJECT_DIR),
        "--target",
        settings.engine,
        "--target-path",
        str(target or settings.dbt_target_dir),
        "--log-path",
        str(settings.dbt_target_dir / "logs"),
    ]


def project_fingerprint() -> str:
    """A hash that changes if any file of the dbt project changes."""
    return fingerprint((DBT_PROJECT_DIR,))


# The parsed manifests by project fingerprint and engine. A manifest depends on no other setting, so
# all installations in one process share it. Parsing takes 4 to 6 s.
_manifests: dict[tuple[str, str], Any] = {}


@contextmanager
def _repeat_interrupts() -> Iterator[None]:
    """Call the handlers of Ctrl-C and SIGTERM again at the end: dbt swallows the exceptions that
    they raise, so the run would continue and publish."""
    caught: list[tuple[int, Any]] = []
    handlers: dict[Any, Any] = {}

    def note(number: int, frame: Any) -> Any:
        caught.append((number, frame))
        return handlers[number](number, frame)

    # Only the main thread gets signals.
    if threading.current_thread() is threading.main_thread():
        for which in (signal.SIGINT, signal.SIGTERM):
            if callable(handler := signal.getsignal(which)):
                handlers[which] = handler
                signal.signal(which, note)
    try:
        yield
    finally:
        for which, handler in handlers.items():
            signal.signal(which, handler)
        for number, frame in caught[:1]:
            handlers[number](number, frame)


def _invoke(
    arguments: list[str], manifest: Any = None, on_event: Callable[[Any], None] | None = None
) -> Any:
    """Run one dbt command and return its result. Raises KeyboardInterrupt or SystemExit if that is
    what ended it."""
    from dbt.cli.main import dbtRunner

    with _repeat_interrupts():
        outcome = dbtRunner(manifest, [on_event] if on_event else None).invoke(arguments)
    if outcome.exception is not None and not isinstance(outcome.exception, Exception):
        raise outcome.exception
    return outcome


def _parsed(settings: Settings, project: str) -> Any:
    """The manifest of the project with the fingerprint `project`, parsed once per process."""
    key = (project, settings.engine)
    if key not in _manifests:
        _set_environment(settings)
        result = _invoke(["--quiet", "parse", *_paths(settings)])
        if not result.success:
            # A killed run may have left an incomplete cache; without it, dbt parses everything.
            shutil.rmtree(settings.dbt_target_dir, ignore_errors=True)
            result = _invoke(["--quiet", "parse", *_paths(settings)])
        if not result.success:
            raise TransformError(f"dbt cannot parse {DBT_PROJECT_DIR}: {result.exception}")
        _manifests[key] = result.result
    return _manifests[key]


def ensure_manifest(settings: Settings) -> Path:
    """The path of a manifest.json of the project. Parses the project only if it has changed."""
    manifest = settings.dbt_target_dir / "manifest.json"
    marker = settings.dbt_target_dir / _MARKER
    current = project_fingerprint()
    if not (
        manifest.exists() and marker.exists() and marker.read_text(encoding="utf-8") == current
    ):
        document = _parsed(settings, current).writable_manifest()
        settings.dbt_target_dir.mkdir(parents=True, exist_ok=True)
        document.write(str(manifest))
        write_atomically(marker, current.encode())
    return manifest


def run_dbt(
    settings: Settings,
    arguments: Sequence[str] = BUILD,
    database: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[NodeResult]:
    """Run dbt on the working database, or on another one; returns one result per node, also for
    failed ones. The engine of the settings does the work; what it built is in the database then.
    `progress` is told of each step.

    Raises TransformError if dbt could not run at all.
    """
    database = database or settings.database_path
    on_spark = settings.engine == "spark"
    with spark.engine(settings, database, progress) if on_spark else nullcontext():
        progress("building models")
        manifest = _parsed(settings, project_fingerprint())
        _set_environment(settings, database)
        try:
            if on_spark:
                _create_raw_tables(settings, manifest)
            outcome = _invoke([*_QUIET_FLAGS, *arguments, *_paths(settings)], manifest)
        finally:
            close_connections()
    if outcome.result is None:
        if (known := resource_problem(str(outcome.exception))) is not None:
            raise known
        raise TransformError(f"dbt {arguments[0]} did not run: {outcome.exception}")
    return [
        NodeResult(
            unique_id=r.node.unique_id,
            resource_type=str(r.node.resource_type),
            name=r.node.name,
            status=str(r.status),
            message=spark.without_trace(r.message or ""),
            failures=r.failures or 0,
            seconds=r.execution_time,
            sql=getattr(r.node, "compiled_code", None) or "",
        )
        for r in outcome.result
    ]


def run_docs(settings: Settings, folder: Path) -> None:
    """Let dbt write its documentation of the project, `static_index.html`, to an empty folder. No
    table is read: models are compiled in an empty database in that folder. It is the SQL of DuckDB,
    whatever the engine of the settings is, so that a vintage has the same page from both.

    Raises TransformError if it could not.
    """
    settings = settings.model_copy(update={"engine": "duckdb"})
    manifest = _parsed(settings, project_fingerprint())
    folder.mkdir(parents=True)
    _set_environment(settings, folder / settings.database_path.name)
    quiet = [flag for flag in _QUIET_FLAGS if flag != "--no-write-json"]
    try:
        outcome = _invoke(
            [*quiet, "docs", "generate", "--static", "--empty-catalog", *_paths(settings, folder)],
            manifest,
        )
    finally:
        close_connections()
    if not outcome.success:
        raise TransformError(f"dbt docs did not run: {outcome.exception}")


def _create_raw_tables(settings: Settings, manifest: Any) -> None:
    # The result of an operation does not say why it failed, dbt only logs it.
    said: list[str] = []

    def listen(event: Any) -> None:
        if event.info.level == "error":
            said.append(event.info.msg)

    operation = ["run-operation", "create_raw_tables"]
    outcome = _invoke([*_QUIET_FLAGS, *operation, *_paths(settings)], manifest, listen)
    if not outcome.success:
        why = spark.without_trace(str(outcome.exception or "; ".join(said)))
        raise ResourceError(f"Spark cannot read the raw tables: {why}")


def close_connections() -> None:
    """Close the working database; otherwise dbt-duckdb would lock it until the process ends."""
    with suppress(ImportError):
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        DuckDBConnectionManager.close_all_connections()


def build(settings: Settings, progress: Callable[[str], None] = lambda _: None) -> list[NodeResult]:
    """Build the seeds and models and run the data tests.

    Raises TransformError that names every model or test that failed.
    """
    results = run_dbt(settings, progress=progress)
    raise_on_failure(results)
    return results


def raise_on_failure(results: Sequence[NodeResult]) -> None:
    """Raise TransformError, with dbt's message for each failed node, if any failed."""
    failed = [r for r in results if r.status in ("error", "fail")]
    if failed:
        lines = "\n".join(f"  {r.resource_type} {r.name}: {r.message}" for r in failed)
        raise TransformError(f"dbt: {len(failed)} of {len(results)} nodes failed\n{lines}")
