"""Publish a candidate as an immutable vintage: gate, report, manifest, one rename, one replace.

The gate runs here and nowhere else, on the bytes that are then renamed, so that no caller can
bypass it. If a run is killed at any moment, `latest.json` still names a complete vintage. Only a
run that publishes changes `latest.json`; if it is killed just before that step, the next run does.
The link `latest` follows it, and each run mends it.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from orchestration import __version__
from orchestration.contracts.odcs import contract_versions
from orchestration.errors import GateRefusedError, VerificationError, safe_text
from orchestration.files import (
    BUILDING_PREFIX,
    format_time,
    move_into_place,
    read_json,
    sha256_bytes,
    sha256_file,
    to_json,
    write_atomically,
)
from orchestration.gate.page import write_results
from orchestration.gate.run import RuleResult, raise_if_blocked, run_gate
from orchestration.publication.candidate import (
    CANDIDATE_FILE,
    DATABASE_NAME,
    Candidate,
    code_fingerprint,
)
from orchestration.publication.csv_copies import write_csv_copies
from orchestration.publication.manifest import (
    DATA_INTERFACE_VERSION,
    MANIFEST_NAME,
    Withheld,
    link_latest,
    read_latest,
    read_manifest,
    refuse_other_link,
    seal_manifest,
    set_latest,
    vintage_time,
    with_repair_advice,
)
from orchestration.publication.metadata import (
    CROISSANT_NAME,
    DATA_PACKAGE_NAME,
    croissant,
    data_package,
)
from orchestration.publication.signature import SIGNATURE_NAME, sign, signing_key
from orchestration.publication.verify import verify
from orchestration.publication.withheld import absent_sources
from orchestration.report.build import build_report, headline
from orchestration.report.own.page import PAGE_NAME
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.tables import open_tables, rows

# The keys of the manifest that are copied into the marker file of a run.
_MARKER_KEYS = ("vintage_id", "manifest_sha256", "previous_vintage")

Progress = Callable[[str], None]
# The types of `run_gate` and `build_report`; a test that needs neither passes simpler functions.
Gate = Callable[..., Sequence[RuleResult]]
Report = Callable[..., None]


@dataclass(frozen=True)
class Vintage:
    """A published vintage. `is_new` is false if an earlier run published it; then `why_not` states
    why there was nothing to publish. `notices` are to be shown to the user."""

    vintage_id: str
    path: Path
    manifest: dict[str, Any]
    is_new: bool = False
    why_not: str = ""
    notices: tuple[str, ...] = ()

    @property
    def gate_results(self) -> tuple[RuleResult, ...]:
        """The results of the gate when this vintage was published."""
        return tuple(RuleResult.from_entry(entry) for entry in self.manifest["gate"])

    @property
    def withheld(self) -> tuple[Withheld, ...]:
        """The sources that are withheld from this vintage, in whole or in part."""
        return tuple(Withheld.model_validate(entry) for entry in self.manifest.get("withheld", ()))

    @property
    def report(self) -> Path:
        return self.path / "report" / "index.html"

    @property
    def pages(self) -> str:
        """The paths of the report's pages, a line each, for the user."""
        own = self.path / "report" / PAGE_NAME
        said = f"report: {self.report}"
        return f"{said}\nyou and the market: {own}" if own.exists() else said


def latest_vintage(settings: Settings) -> Vintage | None:
    """The vintage that `latest.json` names, or None if nothing is published.

    Its manifest is checked, its other files are not (see `intact_latest`). Raises
    VerificationError, which tells how to repair it, if `latest.json` or the manifest was changed.
    """
    if (found := read_latest(settings.published_dir)) is None:
        return None
    folder, manifest = found
    return Vintage(manifest["vintage_id"], folder, manifest)


def intact_latest(settings: Settings) -> Vintage | None:
    """The latest vintage, after a check of every file's hash. New numbers are compared with it.

    Raises VerificationError, which tells how to repair it, if a file was changed: otherwise the
    gate's rule of restatements would be wrong.
    """
    latest = latest_vintage(settings)
    if latest is not None:
        try:
            verify(latest.path, deep=False)
        except VerificationError as error:
            raise with_repair_advice(error) from error
    return latest


def published_already(inputs_sha256: str, settings: Settings) -> Vintage | None:
    """The latest vintage, with the reason in `why_not`, if nothing is to be published, else None.

    Nothing is to be published if the latest vintage was made from exactly these inputs, or if a
    later vintage was and somebody has moved `latest.json` back from it.

    Raises VerificationError as `intact_latest` does.
    """
    latest = intact_latest(settings)
    if latest is None:
        return None
    if latest.manifest.get("inputs_sha256") == inputs_sha256:
        return replace(
            latest, why_not=f"no dump and no code has changed since vintage {latest.vintage_id}"
        )
    for folder in sorted(settings.vintages_dir.glob(f"*Z-{inputs_sha256[:8]}")):
        if folder.name > latest.vintage_id and _was_made_from(folder, inputs_sha256):
            return replace(
                latest,
                why_not=f"vintage {folder.name} was made from these dumps by this code, but "
                f"latest.json names {latest.vintage_id} and is left so; to go forward: "
                f"tokenshare vintages rollback {folder.name} --reason …",
            )
    return None


def _was_made_from(folder: Path, inputs_sha256: str) -> bool:
    try:
        manifest = verify(folder)  # latest.json must not name a damaged vintage
    except VerificationError:
        return False
    return (manifest["vintage_id"], manifest.get("inputs_sha256")) == (folder.name, inputs_sha256)


def _marker_path(settings: Settings) -> Path:
    """The path of the marker file, which names the vintage that a run is about to publish.

    The file exists from before the rename of the folder until `latest.json` has changed.
    """
    return settings.data_dir / ".publishing.json"


def _interrupted_manifest(settings: Settings, present: str | None) -> dict[str, Any] | None:
    """The manifest of the vintage that an interrupted run had renamed but not yet named in
    `latest.json`, or None if there is none.

    The marker file states the vintage, its manifest, and the previous vintage, which must be the
    `present` one. Raises OSError, ValueError, KeyError or VerificationError if that cannot be
    confirmed.
    """
    stated = read_json(_marker_path(settings))
    vintage_id = str(stated["vintage_id"])
    if vintage_time(vintage_id) is None:
        raise ValueError(f"{vintage_id!r} is not the id of a vintage")
    if vintage_id == present or not (settings.vintages_dir / vintage_id).exists():
        return None
    manifest = read_manifest(settings.vintages_dir / vintage_id)
    if any(stated[k] != manifest.get(k) for k in _MARKER_KEYS):
        raise ValueError(f"{vintage_id} is not the vintage that the interrupted run made")
    if stated["previous_vintage"] != present:
        raise ValueError(
            f"the interrupted run followed vintage {stated['previous_vintage'] or 'none'}, but the "
            f"latest one is {present or 'none'}"
        )
    return verify(settings.vintages_dir / vintage_id)


def _follow_marker(settings: Settings, present: str | None) -> list[str]:
    """Finish the publication that the marker file describes, if it is valid; remove the file."""
    said = []
    try:
        manifest = _interrupted_manifest(settings, present)
    except (OSError, ValueError, KeyError, VerificationError) as error:
        manifest = None
        said = [
            f"{_marker_path(settings)}: cannot be used to finish an interrupted run, and is "
            f"removed: {safe_text(error, 1000)}"
        ]
    if manifest is not None:
        set_latest(settings.published_dir, manifest)  # its notices are those of `link_latest` below
        said = [
            f"vintage {manifest['vintage_id']} of an interrupted run is complete: latest.json now "
            "names it"
        ]
    _marker_path(settings).unlink()
    return said


def finish_interrupted(settings: Settings) -> list[str]:
    """Make `latest.json` name the vintage of a run that was killed just before it did, and the link
    `latest` lead to what it names; returns notices for the user.

    Everything else in `vintages/` that is not older than the latest vintage is named and left as
    it is: a copy, a restored folder, a vintage from which an operator moved `latest.json` back.

    Raises VerificationError if `latest.json` is damaged, and OtherLinkError if `latest` is not the
    link of a publication.
    """
    latest = latest_vintage(settings)
    notices = []
    if _marker_path(settings).exists():
        notices = _follow_marker(settings, latest.vintage_id if latest else None)
        latest = latest_vintage(settings)
    if latest is not None:
        notices += link_latest(settings.published_dir, latest.vintage_id)
    for path in sorted(settings.vintages_dir.glob("*")):
        if path.name.startswith(BUILDING_PREFIX):
            continue
        if vintage_time(path.name) is None:
            notices.append(
                f"{settings.vintages_dir}: {safe_text(path.name)} is not a vintage; it is left as "
                "it is"
            )
        elif latest is None or path.name > latest.vintage_id:
            names = f"names the older {latest.vintage_id}" if latest else "does not exist"
            notices.append(
                f"{settings.vintages_dir}: {path.name} is left as it is; latest.json {names}"
            )
    return notices


def _next_vintage_id(
    inputs_sha256: str, latest: Vintage | None, settings: Settings, now: datetime
) -> str:
    """An unused id that sorts after the latest vintage, even if the clock was set back.

    Other folders do not count: a foreign one may have an id of the next century.
    """
    moment = now.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    if latest is not None and (last := vintage_time(latest.vintage_id)) is not None:
        moment = max(moment, last + timedelta(seconds=1))
    taken = {path.name[:16] for path in settings.vintages_dir.glob("*")}
    while f"{moment:%Y%m%dT%H%M%SZ}" in taken:
        moment += timedelta(seconds=1)
    return f"{moment:%Y%m%dT%H%M%SZ}-{inputs_sha256[:8]}"


def _git_commit() -> str | None:
    """The commit that is checked out, with `+dirty` if files differ, or None outside a checkout."""
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+dirty", "--exclude=*"],  # noqa: S607  # git is wherever PATH says
            cwd=PROJECT_ROOT,
            capture_output=True,
            encoding="utf-8",
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip()


def _hashes(folder: Path) -> dict[str, str]:
    """The sha256 of every file that a manifest lists, by path."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: sha256_file(files[name]) for name in sorted(files) if name != MANIFEST_NAME}


def _data_only(hashes: dict[str, str]) -> dict[str, str]:
    """The hashes of the files that the export wrote: tables and database."""
    return {p: h for p, h in hashes.items() if p.startswith("tables/") or p == DATABASE_NAME}


def _refuse_changed(candidate: Candidate, before: dict[str, str]) -> dict[str, str]:
    """The hashes of all files of the candidate. Raises GateRefusedError if what the export wrote is
    not what it was before the gate."""
    hashes = _hashes(candidate.path)
    after = _data_only(hashes)
    if changed := sorted(p for p in before.keys() | after if before.get(p) != after.get(p)):
        raise GateRefusedError(f"{candidate.path}: changed while the gate ran: {changed}")
    return hashes


def _output_entries(folder: Path, hashes: dict[str, str]) -> list[dict[str, Any]]:
    entries = []
    for name, sha256 in hashes.items():
        path = folder / name
        entry: dict[str, Any] = {
            "path": name,
            "sha256": sha256,
            "bytes": path.stat().st_size,
            "rows": None,
        }
        if path.suffix == ".parquet":
            metadata = pq.read_metadata(path)
            entry["rows"] = metadata.num_rows
            entry["schema"] = {f.name: str(f.type) for f in metadata.schema.to_arrow_schema()}
        entries.append(entry)
    return entries


def _with_metadata(
    candidate: Candidate,
    outputs: list[dict[str, Any]],
    vintage_id: str,
    created_at: str,
    settings: Settings,
) -> list[dict[str, Any]]:
    """Write the two files that describe the tables; returns `outputs` with their entries."""
    said = (vintage_id, created_at, candidate.inputs, outputs)
    at = f"{settings.served_url}/vintages/{vintage_id}/" if settings.public_url else ""
    written = {
        DATA_PACKAGE_NAME: data_package(*said),
        CROISSANT_NAME: croissant(*said, candidate.citations, at),
    }
    for name, content in written.items():
        (candidate.path / name).write_bytes(content)
    hashes = {name: sha256_bytes(content) for name, content in written.items()}
    outputs = outputs + _output_entries(candidate.path, hashes)
    return sorted(outputs, key=lambda entry: str(entry["path"]))


def _headline_entries(tables_dir: Path) -> list[dict[str, Any]]:
    with open_tables(tables_dir) as connection:
        return headline(connection)


def _unsettled_days(tables_dir: Path) -> list[dict[str, Any]]:
    """The days that were read early, by source and day (see docs/method.md, Settled days)."""
    with open_tables(tables_dir) as connection:
        return rows(
            connection,
            "select distinct source, usage_date, read_after_minutes from usage_daily "
            "where not is_settled order by all",
        )


def _candidates(settings: Settings) -> list[Path]:
    folders = settings.candidates_dir.glob("*")
    return sorted(p for p in folders if not p.name.startswith(BUILDING_PREFIX))


def _failed_rules(candidate: Path) -> tuple[str, ...]:
    """The rules for which the gate refused a candidate, or () if it did not."""
    try:
        results = read_json(candidate / "gate" / "results.json")["results"]
        return tuple(str(r["rule"]) for r in results if r["verdict"] == "fail")
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def refused_candidates(settings: Settings) -> dict[Path, tuple[str, ...]]:
    """The candidates that the gate refused, oldest first, each with the rules that failed."""
    failed = {folder: _failed_rules(folder) for folder in _candidates(settings)}
    return {folder: rules for folder, rules in failed.items() if rules}


def _prune_candidates(settings: Settings) -> None:
    """Keep the newest refused candidates, and delete all others, also those of killed runs."""
    kept = list(refused_candidates(settings))[-settings.keep_refused_candidates :]
    for folder in set(_candidates(settings)) - set(kept):
        shutil.rmtree(folder, ignore_errors=True)


def publish(
    candidate: Candidate,
    settings: Settings,
    now: datetime | None = None,
    progress: Progress = lambda _: None,
    *,
    gate: Gate = run_gate,
    report: Report = build_report,
) -> Vintage:
    """Run the gate on a candidate and make it the latest vintage.

    Only tests pass other functions as `gate` or `report`.

    If `published_already` finds that there is nothing to publish, the candidate is deleted and the
    latest vintage is returned, with `is_new` false.

    Raises GateRefusedError if a blocker failed; the candidate then stays where it is, with the
    gate's results in it, and `latest.json` is not changed. Raises VerificationError if the latest
    vintage, with which the gate compares, is damaged, and TokenshareError if a key is configured
    with which nothing can be signed, or if `latest` is not the link of a publication.
    """
    now = now or datetime.now(UTC)
    settings.vintages_dir.mkdir(parents=True, exist_ok=True)
    if same := published_already(candidate.inputs_sha256, settings):
        shutil.rmtree(candidate.path)
        return same
    refuse_other_link(settings.published_dir)
    key = signing_key(settings)
    previous = latest_vintage(settings)  # `published_already` has checked its files
    before = _data_only(_hashes(candidate.path))
    progress("running the gate")
    results = gate(
        candidate.tables_dir,
        previous.path / "tables" if previous else None,
        absent_sources(candidate.withheld),
        candidate.gaps,
        candidate.small_cells,
    )
    withheld = [w.describe() for w in candidate.withheld]
    write_results(candidate.path, results, candidate.path.name, withheld)
    try:
        raise_if_blocked(results, candidate.path)
    except GateRefusedError:
        _prune_candidates(settings)
        raise

    vintage_id = _next_vintage_id(candidate.inputs_sha256, previous, settings, now)
    progress("writing the report")
    report(
        candidate.tables_dir,
        candidate.path / "report" / "index.html",
        vintage_id,
        results,
        candidate.inputs,
        candidate.citations,
        settings,
        candidate.registry,
        withheld,
    )
    _refuse_changed(candidate, before)
    write_csv_copies(candidate.path, vintage_id, candidate.citations)
    write_results(candidate.path, results, vintage_id, withheld)
    (candidate.path / CANDIDATE_FILE).unlink()
    hashes = _refuse_changed(candidate, before)
    created_at = format_time(now)
    outputs = _output_entries(candidate.path, hashes)
    manifest = seal_manifest(
        {
            "vintage_id": vintage_id,
            "created_at": created_at,
            "data_interface_version": DATA_INTERFACE_VERSION,
            "code": {
                "version": __version__,
                "git_commit": _git_commit(),
                "sha256": code_fingerprint(),
            },
            "contract_versions": contract_versions(),
            "registry": candidate.registry,
            "small_cells": candidate.small_cells,
            "inputs_sha256": candidate.inputs_sha256,
            "inputs": list(candidate.inputs),
            "outputs": _with_metadata(candidate, outputs, vintage_id, created_at, settings),
            "gate": [r.entry() for r in results],
            "withheld": [w.model_dump() for w in candidate.withheld],
            "gaps": [g.model_dump(mode="json") for g in candidate.gaps],
            "unsettled_days": _unsettled_days(candidate.tables_dir),
            "headline": _headline_entries(candidate.tables_dir),
            "citations": list(candidate.citations),
            "previous_vintage": previous.vintage_id if previous else None,
        }
    )
    (candidate.path / MANIFEST_NAME).write_bytes(manifest)
    if key is not None:
        signature = sign(manifest, vintage_id, key, settings)
        (candidate.path / SIGNATURE_NAME).write_bytes(signature)
    final = settings.vintages_dir / vintage_id
    document = json.loads(manifest)
    write_atomically(_marker_path(settings), to_json({k: document[k] for k in _MARKER_KEYS}))
    move_into_place(candidate.path, final)
    notices = set_latest(settings.published_dir, document)
    _marker_path(settings).unlink()
    _prune_candidates(settings)
    return Vintage(vintage_id, final, document, is_new=True, notices=tuple(notices))
