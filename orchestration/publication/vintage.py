"""Publish a candidate as an immutable vintage: gate, report, manifest, one rename, one replace.

The gate runs here and nowhere else, on the bytes that are then renamed, so no caller can publish
past it. A run killed at any moment leaves `latest.json` on a complete vintage.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from orchestration import __version__
from orchestration.contracts.odcs import contract_versions
from orchestration.errors import GateRefusedError, TokenshareError, VerificationError
from orchestration.files import (
    BUILDING_PREFIX,
    format_time,
    settle_folder,
    sha256_file,
    to_json,
    write_atomically,
)
from orchestration.publication.candidate import CANDIDATE_FILE, Candidate, code_fingerprint
from orchestration.publication.verify import MANIFEST_NAME, seal_manifest, verify
from orchestration.quality.gate import Verdict, refuse, run_gate
from orchestration.quality.page import write_quality
from orchestration.report.build import build_report, headline
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.tables import open_tables

# Semantic version of names and meanings of the published tables and of the manifest.
DATA_INTERFACE_VERSION = "2.0.0"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Vintage:
    """A published vintage. `is_new` is false where an earlier run published it."""

    vintage_id: str
    path: Path
    manifest: dict[str, Any]
    is_new: bool = False

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """What the gate said when this vintage was published."""
        return tuple(Verdict.from_entry(entry) for entry in self.manifest["gate"])

    @property
    def report(self) -> Path:
        return self.path / "report" / "index.html"


def latest_vintage(settings: Settings) -> Vintage | None:
    """The vintage that `latest.json` names, or None where nothing was published.

    Raises VerificationError where the pointer or the manifest behind it cannot be read.
    """
    if not settings.latest_path.exists():
        return None
    try:
        pointer = json.loads(settings.latest_path.read_bytes())
        path = settings.published_dir / pointer["path"]
        manifest = json.loads((path / MANIFEST_NAME).read_bytes())
        return Vintage(pointer["vintage_id"], path, manifest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VerificationError(
            f"{settings.latest_path}: does not lead to a readable vintage ({error}). Restore the "
            "vintage from a copy, or remove latest.json to publish anew."
        ) from error


def published_already(inputs_sha256: str, settings: Settings) -> Vintage | None:
    """The latest vintage, where it was made from exactly these inputs and is still intact."""
    latest = latest_vintage(settings)
    if latest is None or latest.manifest.get("inputs_sha256") != inputs_sha256:
        return None
    try:
        verify(latest.path, deep=False)
    except VerificationError:
        return None
    return latest


def _point_to(vintage_id: str, manifest_sha256: str, settings: Settings) -> None:
    pointer = {
        "vintage_id": vintage_id,
        "path": f"vintages/{vintage_id}",
        "manifest_sha256": manifest_sha256,
    }
    write_atomically(settings.latest_path, to_json(pointer))


def finish_interrupted(settings: Settings) -> str | None:
    """Point `latest.json` to a newer, verified vintage that a killed run did not get to name."""
    latest = latest_vintage(settings)
    newer = [
        p
        for p in sorted(settings.vintages_dir.glob("*"))
        if not p.name.startswith(BUILDING_PREFIX) and (latest is None or p.name > latest.vintage_id)
    ]
    for path in reversed(newer):
        try:
            manifest = verify(path)
        except VerificationError:
            continue
        _point_to(manifest["vintage_id"], manifest["manifest_sha256"], settings)
        return path.name
    return None


def _next_vintage_id(inputs_sha256: str, settings: Settings, now: datetime) -> str:
    """Sorts after every vintage there is, even where the clock went back."""
    pattern = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z-*"
    taken = [p.name[:16] for p in settings.vintages_dir.glob(pattern)]
    moment = now.replace(microsecond=0)
    if taken:
        last = datetime.strptime(max(taken), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        moment = max(moment, last + timedelta(seconds=1))
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


def _output_entries(folder: Path) -> list[dict[str, Any]]:
    entries = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name == MANIFEST_NAME:
            continue
        entry: dict[str, Any] = {
            "path": name,
            "sha256": sha256_file(path),
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


def _prune_refused(settings: Settings) -> None:
    """Keep the newest refused candidates, delete the rest."""
    folders = sorted(
        p for p in settings.candidates_dir.glob("*") if not p.name.startswith(BUILDING_PREFIX)
    )
    for folder in folders[: -settings.keep_refused_candidates]:
        shutil.rmtree(folder, ignore_errors=True)


def publish(
    candidate: Candidate,
    settings: Settings,
    now: datetime | None = None,
    progress: Progress = lambda _: None,
) -> Vintage:
    """Gate a candidate and make it the latest vintage.

    Gives the latest vintage, not new, where it was made from the very same inputs.

    Raises GateRefusedError where a blocker failed; the candidate then stays where it is, with the
    gate's results inside, and `latest.json` is untouched.
    """
    now = now or datetime.now(UTC)
    settings.vintages_dir.mkdir(parents=True, exist_ok=True)
    if same := published_already(candidate.inputs_sha256, settings):
        shutil.rmtree(candidate.path)
        return same
    previous = latest_vintage(settings)
    if candidate.previous_vintage != (previous.vintage_id if previous else None):
        raise TokenshareError(
            f"{candidate.path}: its revisions are those since vintage "
            f"{candidate.previous_vintage or 'none'}, the latest one is "
            f"{previous.vintage_id if previous else 'none'}; `tokenshare run` makes a new candidate"
        )
    before = {p.name: sha256_file(p) for p in sorted(candidate.tables_dir.glob("*"))}
    progress("asking the gate")
    verdicts = run_gate(candidate.tables_dir, previous.path / "tables" if previous else None)
    write_quality(candidate.path, verdicts, candidate.path.name)
    try:
        refuse(verdicts, candidate.path)
    except GateRefusedError:
        _prune_refused(settings)
        raise

    vintage_id = _next_vintage_id(candidate.inputs_sha256, settings, now)
    progress("writing the report")
    build_report(
        candidate.tables_dir,
        candidate.path / "report" / "index.html",
        vintage_id,
        verdicts,
        candidate.inputs,
        candidate.citations,
        settings,
        candidate.registry,
    )
    write_quality(candidate.path, verdicts, vintage_id)
    (candidate.path / CANDIDATE_FILE).unlink()
    outputs = _output_entries(candidate.path)
    changed = [
        e["path"]
        for e in outputs
        if e["path"].startswith("tables/") and before.get(e["path"][7:]) != e["sha256"]
    ]
    if changed:
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
            "outputs": outputs,
            "gate": [v.entry() for v in verdicts],
            "headline": _headline_entries(candidate.tables_dir),
            "citations": list(candidate.citations),
            "previous_vintage": previous.vintage_id if previous else None,
        }
    )
    (candidate.path / MANIFEST_NAME).write_bytes(manifest)
    final = settings.vintages_dir / vintage_id
    settle_folder(candidate.path, final)
    document = json.loads(manifest)
    _point_to(vintage_id, document["manifest_sha256"], settings)
    _prune_refused(settings)
    return Vintage(vintage_id, final, document, is_new=True)
