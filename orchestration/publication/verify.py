"""Verify a vintage from its folder alone: the manifest's own seal, every file's hash, and that
the tables still say what the manifest says they do."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.claims.config import DEFAULT_RULE_SET
from orchestration.errors import VerificationError
from orchestration.files import sha256_bytes, sha256_file, to_json
from orchestration.publication.candidate import DATABASE_NAME
from orchestration.tables import open_tables, sql_text

MANIFEST_NAME = "manifest.json"
_SEAL = "manifest_sha256"
_CORE_TABLES = {"usage_daily", "identification_daily", "share_by_origin_weekly", "headline"}
_REQUIRED = {"vintage_id", "inputs", "outputs", "gate", "headline", "citations"}


def seal_manifest(document: dict[str, Any]) -> bytes:
    """The manifest's bytes, with its own hash inside (of the document without that field)."""
    plain = json.loads(to_json(document))
    return to_json({**plain, _SEAL: sha256_bytes(to_json(plain))})


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST_NAME
    if path.is_symlink():
        raise VerificationError(f"{path}: is a link, not a file")
    try:
        content = path.read_bytes()
        document: dict[str, Any] = json.loads(content)
        seal = document.get(_SEAL)
        plain = {k: v for k, v in document.items() if k != _SEAL}
    except (OSError, ValueError, AttributeError) as error:
        raise VerificationError(f"{path}: missing or not readable: {error}") from error
    if seal_manifest(plain) != content or seal != sha256_bytes(to_json(plain)):
        raise VerificationError(f"{path}: was changed after it was sealed")
    if missing := _REQUIRED - document.keys():
        raise VerificationError(f"{path}: lacks {', '.join(sorted(missing))}")
    return document


def _file_problems(folder: Path, document: dict[str, Any]) -> list[str]:
    listed = {entry["path"]: entry for entry in document["outputs"]}
    found = {
        p.relative_to(folder).as_posix(): p
        for p in sorted(folder.rglob("*"))
        if p.is_symlink() or not p.is_dir() or not any(p.iterdir())
    }
    found.pop(MANIFEST_NAME, None)
    problems = [f"{name}: missing" for name in sorted(listed.keys() - found.keys())]
    problems += [f"{name}: not in the manifest" for name in sorted(found.keys() - listed.keys())]
    for name in sorted(listed.keys() & found.keys()):
        path, entry = found[name], listed[name]
        if path.is_symlink():
            problems.append(f"{name}: is a link, not a file")
        elif path.stat().st_size != entry["bytes"]:
            problems.append(
                f"{name}: has {path.stat().st_size} bytes; the manifest says {entry['bytes']}"
            )
        elif (sha256 := sha256_file(path)) != entry["sha256"]:
            problems.append(f"{name}: has sha256 {sha256}; the manifest says {entry['sha256']}")
    return problems


def _content_problems(folder: Path, document: dict[str, Any]) -> list[str]:
    """Does what the tables say agree with the manifest, with each other and with the database?"""
    problems = []
    names = []
    listed = {Path(e["path"]).stem for e in document["outputs"] if e["path"].endswith(".parquet")}
    if lacking := _CORE_TABLES - listed:
        return [f"manifest.json: lists no table {', '.join(sorted(lacking))}"]
    for entry in document["outputs"]:
        if not entry["path"].endswith(".parquet"):
            continue
        metadata = pq.read_metadata(folder / entry["path"])
        names.append(Path(entry["path"]).stem)
        schema = {f.name: str(f.type) for f in metadata.schema.to_arrow_schema()}
        if metadata.num_rows != entry["rows"] or schema != entry["schema"]:
            problems.append(f"{entry['path']}: rows or columns differ from the manifest")
    with open_tables(folder / "tables") as connection:
        connection.execute(f"attach {sql_text(folder / DATABASE_NAME)} as vintage (read_only)")
        for name in names:
            ((differing,),) = connection.execute(
                f"select count(*) from ((from {name} except all from vintage.{name}) "
                f"union all (from vintage.{name} except all from {name}))"
            ).fetchall()
            if differing:
                problems.append(f"{name}: tokenshare.duckdb and Parquet differ in {differing} rows")
        ((usage,),) = connection.execute("select sum(tokens) from usage_daily").fetchall()
        as_others_count = [n for n in names if n.startswith("share_by_rule_set_")]
        for name in (n for n in names if n.startswith("share_by_") and n not in as_others_count):
            # Each lens counts every token once; serving_hq only those of sources with providers.
            for lens, tokens, off in connection.execute(
                f"select lens, sum(tokens), count(*) filter (where not "
                f"(share_low <= share and share <= share_high)) from {name} group by lens"
            ).fetchall():
                if (tokens != usage and lens != "serving_hq") or off:
                    problems.append(
                        f"{name}: counts {tokens} tokens by {lens}, usage_daily {usage}; "
                        f"{off} rows out of bounds"
                    )
        for name in as_others_count:
            # Rule sets leave rows out, groups overlap; ours, taken whole, counts each token once.
            ((tokens,),) = connection.execute(
                f"select sum(tokens) from {name} where rule_set = '{DEFAULT_RULE_SET}' "
                "and group_name = 'all' and window_kind <> 'month_mean_of_weeks'"
            ).fetchall()
            if tokens != usage:
                problems.append(
                    f"{name}: rule set {DEFAULT_RULE_SET} counts {tokens} tokens, "
                    f"usage_daily {usage}"
                )
        relation = connection.sql("select * from headline")
        rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
        # Through JSON and back, as the manifest's own rows went. In whatever order: the key of the
        # table is not the same in every version of the interface.
        if _sorted(json.loads(to_json(rows))) != _sorted(document["headline"]):
            problems.append("manifest.json: headline figures differ from the table headline")
    failed = [v["rule"] for v in document["gate"] if v["verdict"] == "fail"]
    if failed:
        problems.append(f"manifest.json: was published past failed blockers: {failed}")
    return problems


def _sorted(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def verify(folder: Path, deep: bool = True) -> dict[str, Any]:
    """The manifest of a vintage folder that is exactly as it was published.

    `deep=False` checks the seal and every hash and leaves out the content of the tables, which
    follows from the hashes as long as the publisher is trusted.

    Raises VerificationError naming every file that differs, is missing or is too much.
    """
    if not folder.is_dir():
        raise VerificationError(f"{folder}: is not a vintage folder")
    document = _read_manifest(folder)
    problems = _file_problems(folder, document)
    if deep and not problems:
        try:
            problems = _content_problems(folder, document)
        except (duckdb.Error, pa.ArrowException, KeyError, TypeError, AttributeError) as error:
            problems = [f"the tables are not those of a vintage: {error}"]
    if problems:
        raise VerificationError(
            f"{folder}: {len(problems)} problem(s)\n" + "\n".join(f"  {p}" for p in problems)
        )
    return document
