"""Publish a candidate as an immutable vintage: gate, report, manifest, one rename, one replace.

The gate runs here and nowhere else, on the bytes that are then renamed, so no caller can publish
past it. A run killed at any moment leaves `latest.json` on a complete vintage. Nothing but a run
that publishes moves `latest.json`, or the next one where that run was killed just before it did.
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
from orchestration.errors import GateRefusedError, TokenshareError, VerificationError, plain
from orchestration.files import (
    BUILDING_PREFIX,
    format_time,
    read_json,
    settle_folder,
    sha256_file,
    to_json,
    write_atomically,
)
from orchestration.gate.page import write_results
from orchestration.gate.run import RuleResult, refuse, run_gate
from orchestration.publication.candidate import (
    CANDIDATE_FILE,
    DATABASE_NAME,
    Candidate,
    code_fingerprint,
)
from orchestration.publication.manifest import (
    DATA_INTERFACE_VERSION,
    MANIFEST_NAME,
    Withheld,
    point_to,
    read_latest,
    read_manifest,
    seal_manifest,
    vintage_time,
    with_repair,
)
from orchestration.publication.verify import verify
from orchestration.publication.withheld import absent_sources
from orchestration.report.build import build_report, headline
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.tables import open_tables

# What the marker of a run says of the vintage that it is about to name, as the manifest does.
_MARKED = ("vintage_id", "manifest_sha256", "previous_vintage")

Progress = Callable[[str], None]
# What `run_gate` and `build_report` are: a test that judges neither leaves them out.
Gate = Callable[[Path, Path | None, set[str]], Sequence[RuleResult]]
Report = Callable[..., None]


@dataclass(frozen=True)
class Vintage:
    """A published vintage. `is_new` is false where an earlier run published it; `why_not` then
    says why there was nothing to publish."""

    vintage_id: str
    path: Path
    manifest: dict[str, Any]
    is_new: bool = False
    why_not: str = ""

    @property
    def gate_results(self) -> tuple[RuleResult, ...]:
        """What the gate found when this vintage was published."""
        return tuple(RuleResult.from_entry(entry) for entry in self.manifest["gate"])

    @property
    def withheld(self) -> tuple[Withheld, ...]:
        """Sources that this vintage does not have as they were landed."""
        return tuple(Withheld.model_validate(entry) for entry in self.manifest.get("withheld", ()))

    @property
    def report(self) -> Path:
        return self.path / "report" / "index.html"


def latest_vintage(settings: Settings) -> Vintage | None:
    """The vintage that `latest.json` names, or None where nothing was published.

    Its manifest is the very one that was published; of the other files this says nothing (see
    `intact_latest`). Raises VerificationError, with the repair, where the pointer or the manifest
    is not what it was.
    """
    if (found := read_latest(settings.published_dir)) is None:
        return None
    folder, manifest = found
    return Vintage(manifest["vintage_id"], folder, manifest)


def intact_latest(settings: Settings) -> Vintage | None:
    """The latest vintage with every file re-hashed: what new numbers may be compared with.

    Raises VerificationError, with the repair, where a file is not what it was: revisions, and what
    the gate says of restatements, would be false.
    """
    latest = latest_vintage(settings)
    if latest is not None:
        try:
            verify(latest.path, deep=False)
        except VerificationError as error:
            raise with_repair(error) from error
    return latest


def published_already(inputs_sha256: str, settings: Settings) -> Vintage | None:
    """The latest vintage where nothing is to be published, with the reason in `why_not`.

    It was made from exactly these inputs; or a later one was, and somebody moved `latest.json`
    back from that.

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
                f"latest.json names {latest.vintage_id}, where it stays; to go forward, let it "
                f"name {folder.name}",
            )
    return None


def _was_made_from(folder: Path, inputs_sha256: str) -> bool:
    try:
        manifest = verify(folder)  # nobody can go forward to a damaged one
    except VerificationError:
        return False
    return (manifest["vintage_id"], manifest.get("inputs_sha256")) == (folder.name, inputs_sha256)


def _marker(settings: Settings) -> Path:
    """Says which vintage a run is about to publish, for the time between rename and pointer."""
    return settings.data_dir / ".publishing.json"


def _interrupted(settings: Settings, present: str | None) -> dict[str, Any] | None:
    """The manifest of the vintage that the marker's run did not get to name, or None where it did,
    or where it had none yet.

    The marker names the vintage, its manifest, and the vintage before, which must still be
    `present`. Raises OSError, ValueError, KeyError or VerificationError where it proves nothing.
    """
    stated = read_json(_marker(settings))
    vintage_id = str(stated["vintage_id"])
    if vintage_time(vintage_id) is None:
        raise ValueError(f"{vintage_id!r} is not the id of a vintage")
    if vintage_id == present or not (settings.vintages_dir / vintage_id).exists():
        return None
    manifest = read_manifest(settings.vintages_dir / vintage_id)
    if any(stated[k] != manifest.get(k) for k in _MARKED):
        raise ValueError(f"{vintage_id} is not the vintage that the run had made")
    if stated["previous_vintage"] != present:
        raise ValueError(
            f"the run came after vintage {stated['previous_vintage'] or 'none'}; the latest one is "
            f"{present or 'none'}"
        )
    return verify(settings.vintages_dir / vintage_id)


def _finish(settings: Settings, present: str | None) -> list[str]:
    """Follow the marker if it proves something, and remove it: it speaks of one run."""
    said = []
    try:
        manifest = _interrupted(settings, present)
    except (OSError, ValueError, KeyError, VerificationError) as error:
        manifest = None
        said = [f"{_marker(settings)}: does not say what to finish: {plain(error, 1000)}"]
    if manifest is not None:
        point_to(settings.published_dir, manifest)
        said = [
            f"vintage {manifest['vintage_id']} of an interrupted run is complete: latest.json now "
            "names it"
        ]
    _marker(settings).unlink()
    return said


def finish_interrupted(settings: Settings) -> list[str]:
    """Let `latest.json` name the vintage of a run that was killed just before; what to say aloud.

    Everything else in `vintages/` that is not older than the latest vintage is named and left
    alone: a copy, a restored folder, what an operator moved `latest.json` back from.
    """
    latest = latest_vintage(settings)
    notices = []
    if _marker(settings).exists():
        notices = _finish(settings, latest.vintage_id if latest else None)
        latest = latest_vintage(settings)
    for path in sorted(settings.vintages_dir.glob("*")):
        if path.name.startswith(BUILDING_PREFIX):
            continue
        if vintage_time(path.name) is None:
            notices.append(f"{settings.vintages_dir}: {plain(path.name)} is no vintage; left alone")
        elif latest is None or path.name > latest.vintage_id:
            names = f"names the older {latest.vintage_id}" if latest else "is not there"
            notices.append(
                f"{settings.vintages_dir}: {path.name} is left alone; latest.json {names}"
            )
    return notices


def _next_vintage_id(
    inputs_sha256: str, latest: Vintage | None, settings: Settings, now: datetime
) -> str:
    """Sorts after the latest vintage even where the clock went back, and is not taken.

    Other folders say nothing of the time: a foreign one may be of next century.
    """
    moment = now.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    if latest is not None and (last := vintage_time(latest.vintage_id)) is not None:
        moment = max(moment, last + timedelta(seconds=1))
    taken = {path.name[:16] for path in settings.vintages_dir.glob("*")}
    while f"{moment:%Y%m%dT%H%M%SZ}" in taken:
        moment += timedelta(seconds=1)
    return f"{moment:%Y%m%dT%H%M%SZ}-{inputs_sha256[:8]}"


def _git_commit() -> str | None:
    """The commit that is checked out, `+dirty` where files differ, None outside a checkout."""
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
    """sha256 by path of every file that a manifest lists."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: sha256_file(files[name]) for name in sorted(files) if name != MANIFEST_NAME}


def _data_only(hashes: dict[str, str]) -> dict[str, str]:
    """Those of what the export wrote: tables and database."""
    return {p: h for p, h in hashes.items() if p.startswith("tables/") or p == DATABASE_NAME}


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


def _headline_entries(tables_dir: Path) -> list[dict[str, Any]]:
    with open_tables(tables_dir) as connection:
        return headline(connection)


def _was_refused(candidate: Path) -> bool:
    try:
        results = read_json(candidate / "gate" / "results.json")["results"]
        return any(result["verdict"] == "fail" for result in results)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _prune_candidates(settings: Settings) -> None:
    """Keep the newest refused candidates; delete the rest, and what killed runs left unjudged."""
    folders = sorted(
        p for p in settings.candidates_dir.glob("*") if not p.name.startswith(BUILDING_PREFIX)
    )
    kept = [p for p in folders if _was_refused(p)][-settings.keep_refused_candidates :]
    for folder in set(folders) - set(kept):
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
    """Gate a candidate and make it the latest vintage.

    Only tests pass a `gate` or a `report` of their own.

    Returns the latest vintage, not new, where `published_already` says that it stays.

    Raises GateRefusedError where a blocker failed; the candidate then stays where it is, with the
    gate's results inside, and `latest.json` is untouched. Raises VerificationError where the
    latest vintage, which revisions and gate compare with, is damaged.
    """
    now = now or datetime.now(UTC)
    settings.vintages_dir.mkdir(parents=True, exist_ok=True)
    if same := published_already(candidate.inputs_sha256, settings):
        shutil.rmtree(candidate.path)
        return same
    previous = latest_vintage(settings)  # which `published_already` found intact
    if candidate.previous_vintage != (previous.vintage_id if previous else None):
        raise TokenshareError(
            f"{candidate.path}: its revisions are those since vintage "
            f"{candidate.previous_vintage or 'none'}, the latest one is "
            f"{previous.vintage_id if previous else 'none'}; `tokenshare run` makes a new candidate"
        )
    before = _data_only(_hashes(candidate.path))
    progress("asking the gate")
    results = gate(
        candidate.tables_dir,
        previous.path / "tables" if previous else None,
        absent_sources(candidate.withheld),
    )
    withheld = [w.describe() for w in candidate.withheld]
    write_results(candidate.path, results, candidate.path.name, withheld)
    try:
        refuse(results, candidate.path)
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
    write_results(candidate.path, results, vintage_id, withheld)
    (candidate.path / CANDIDATE_FILE).unlink()
    hashes = _hashes(candidate.path)
    after = _data_only(hashes)
    if changed := sorted(p for p in before.keys() | after if before.get(p) != after.get(p)):
        raise GateRefusedError(f"{candidate.path}: changed while the gate ran: {changed}")
    manifest = seal_manifest(
        {
            "vintage_id": vintage_id,
            "created_at": format_time(now),
            "data_interface_version": DATA_INTERFACE_VERSION,
            "code": {
                "version": __version__,
                "git_commit": _git_commit(),
                "sha256": code_fingerprint(),
            },
            "contract_versions": contract_versions(),
            "registry": candidate.registry,
            "inputs_sha256": candidate.inputs_sha256,
            "inputs": list(candidate.inputs),
            "outputs": _output_entries(candidate.path, hashes),
            "gate": [r.entry() for r in results],
            "withheld": [w.model_dump() for w in candidate.withheld],
            "headline": _headline_entries(candidate.tables_dir),
            "citations": list(candidate.citations),
            "previous_vintage": previous.vintage_id if previous else None,
        }
    )
    (candidate.path / MANIFEST_NAME).write_bytes(manifest)
    final = settings.vintages_dir / vintage_id
    document = json.loads(manifest)
    write_atomically(_marker(settings), to_json({k: document[k] for k in _MARKED}))
    settle_folder(candidate.path, final)
    point_to(settings.published_dir, document)
    _marker(settings).unlink()
    _prune_candidates(settings)
    return Vintage(vintage_id, final, document, is_new=True)
