"""Draft rows for slugs that landed sources name and the registry lacks.

A draft has what the sources state, each field with its address, and nothing else: no license, no
confidence, no words of ours. It is written to the data folder, where no model reads it, and a line
that is moved to a seed as it is is refused by `registry check`. Accepting a draft is moving its
line and adding the evidence.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from orchestration.errors import safe_text
from orchestration.files import write_atomically
from orchestration.landing.store import DumpRecord, read_dump, read_records
from orchestration.registry.faults import rows_of
from orchestration.registry.registry import TABLES, WORKING, Version, latest_tables
from orchestration.settings import Settings
from orchestration.tables import parquet, rows

FACTS = ("slug", "field", "value", "source", "address", "seen_on")
_SITE = "https://openrouter.ai/"
# Stated fields of a catalogue entry, with our name for them.
_ENTRY = {
    "name": "name", "hugging_face_id": "Hugging Face repository", "description": "description",
}  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """What one source states about a slug or an author."""

    slug: str
    field: str
    value: str
    source: str
    address: str
    seen_on: str


@dataclass(frozen=True)
class Drafts:
    """What `draft` wrote: the folder, slugs (most used first), authors without a row, facts."""

    folder: Path
    slugs: tuple[str, ...]
    authors: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class _Known:
    """The keys that the registry has a row for, and the lab of each author."""

    slugs: frozenset[str]
    labs_of_authors: Mapping[str, str]
    left_out: frozenset[str]
    opinions: tuple[Mapping[str, str], ...]


def draft(settings: Settings, today: date, version: Version = WORKING) -> Drafts:
    """Write `models.csv`, `authors.csv`, `labs.csv` and `facts.csv` to `<data_dir>/drafts`.

    Read are the usage of the latest vintage, the newest landed catalogue and provider list, and
    the second opinions of the registry. Earlier drafts are replaced.
    """
    known = _known(version)
    facts = [*_usage_facts(settings), *_catalogue_facts(settings)]
    slugs = tuple(
        dict.fromkeys(f.slug for f in facts if f.slug not in known.slugs and "/" in f.slug)
    )
    facts = [f for f in facts if f.slug in slugs]
    authors = tuple(
        dict.fromkeys(
            author
            for author in (slug.partition("/")[0] for slug in slugs)
            if author not in known.labs_of_authors
            and author not in known.left_out
            and author not in ("openrouter", "stealth")
        )
    )
    facts += [
        Fact(
            o["subject"], o["field"], o["value"], o["opinion_source"], o["evidence_url"],
            o["seen_on"],
        )
        for o in known.opinions
        if o["subject"] in slugs
    ]  # fmt: skip
    facts += [f for f in _provider_facts(settings) if f.slug in authors]
    folder = settings.data_dir / "drafts"
    folder.mkdir(parents=True, exist_ok=True)
    by_slug = {slug: [f for f in facts if f.slug == slug] for slug in (*slugs, *authors)}
    models = [_model(slug, by_slug[slug], known, today) for slug in slugs]
    labs = [_lab(author, by_slug, slugs, today) for author in authors]
    _write(folder / "models.csv", TABLES["models"], models)
    _write(folder / "authors.csv", TABLES["authors"], [_author(lab, today) for lab in labs])
    _write(folder / "labs.csv", TABLES["labs"], labs)
    _write(folder / "facts.csv", FACTS, [vars(fact) for fact in facts])
    return Drafts(folder, slugs, authors, tuple(facts))


def _known(version: Version) -> _Known:
    seeds = {
        table: rows_of(path) if (path := version.file(table)) else []
        for table in ("models", "authors", "routers", "unattributed_authors", "second_opinions")
    }
    return _Known(
        frozenset(row["base_slug"] for row in (*seeds["models"], *seeds["routers"])),
        {row["author"]: row["lab_id"] for row in seeds["authors"]},
        frozenset(row["author"] for row in seeds["unattributed_authors"]),
        tuple(row.cells for row in seeds["second_opinions"]),
    )


def _usage_facts(settings: Settings) -> list[Fact]:
    """Every slug in the usage of the latest vintage, most used first."""
    import duckdb

    if (latest := latest_tables(settings)) is None:
        return []
    vintage, tables = latest
    with duckdb.connect() as connection:
        used = rows(
            connection,
            "select base_slug, source, sum(tokens) as tokens, min(usage_date) as first_day, "
            f"max(usage_date) as last_day from {parquet(tables / 'usage_daily.parquet')} "
            "group by all order by tokens desc, base_slug",
        )
    return [
        Fact(
            u["base_slug"], "use", f"{u['tokens']} tokens, {u['first_day']} to {u['last_day']}",
            u["source"], f"vintage {vintage}, usage_daily", str(u["last_day"]),
        )
        for u in used
    ]  # fmt: skip


def _newest(settings: Settings, source: str) -> DumpRecord | None:
    """The newest landed dump of a source; read_records sorts them by as_of."""
    return next((r for r in reversed(read_records(settings)) if r.source == source), None)


def _catalogue_facts(settings: Settings) -> list[Fact]:
    """What the newest landed catalogue states about its models; a variant is its base model."""
    if (record := _newest(settings, "openrouter_models")) is None:
        return []
    facts: dict[tuple[str, str], Fact] = {}
    for entry in read_dump(record, settings).json_data():
        if not isinstance(entry, dict):
            continue
        named = entry.get("canonical_slug") or entry.get("id")
        if not isinstance(named, str):
            continue
        slug = named.lower().removeprefix("~").partition(":")[0]
        stated = {ours: entry.get(theirs) for theirs, ours in _ENTRY.items()}
        if isinstance(created := entry.get("created"), str) and created.isdigit():
            stated["created"] = f"{datetime.fromtimestamp(int(created), UTC):%Y-%m-%d}"
        for field, value in stated.items():
            if isinstance(value, str) and value:
                fact = Fact(
                    slug, field, safe_text(value, 300), "openrouter_models", _page(slug),
                    f"{record.as_of:%Y-%m-%d}",
                )  # fmt: skip
                facts.setdefault((slug, field), fact)
    return list(facts.values())


def _provider_facts(settings: Settings) -> Iterable[Fact]:
    """Headquarters of providers: of who serves, which is not always who trained."""
    if (record := _newest(settings, "openrouter_providers")) is None:
        return
    for entry in read_dump(record, settings).json_data():
        if not isinstance(entry, dict):
            continue
        slug, country = entry.get("slug"), entry.get("headquarters")
        if isinstance(slug, str) and isinstance(country, str) and country:
            yield Fact(
                slug.lower(), "headquarters", safe_text(country, 60), "openrouter_providers",
                f"{_SITE}provider/{quote(slug)}", f"{record.as_of:%Y-%m-%d}",
            )  # fmt: skip


def _page(slug: str) -> str:
    return _SITE + quote(slug, safe="/.-_")


def _value(facts: Iterable[Fact], field: str) -> str:
    return next((fact.value for fact in facts if fact.field == field), "")


def _note(facts: Iterable[Fact]) -> str:
    said = [f"{f.field}: {f.value} ({f.source}, {f.seen_on}, {f.address})" for f in facts]
    return "DRAFT. " + "; ".join(said)


def _model(slug: str, facts: list[Fact], known: _Known, today: date) -> dict[str, Any]:
    author = slug.partition("/")[0]
    repository = _value(facts, "Hugging Face repository")
    page = f"https://huggingface.co/{quote(repository, safe='/.-_')}" if repository else _page(slug)
    return {
        "base_slug": slug, "lab_id": known.labs_of_authors.get(author, author),
        "evidence_url": page, "checked_on": today, "note": _note(facts),
    }  # fmt: skip


def _lab(
    author: str, by_slug: Mapping[str, list[Fact]], slugs: Iterable[str], today: date
) -> dict[str, Any]:
    """The lab of an unknown author. Its name is what the catalogue puts before the model's."""
    theirs = [by_slug[slug] for slug in slugs if slug.partition("/")[0] == author]
    names = [_value(facts, "name").partition(": ") for facts in theirs]
    return {
        "lab_id": author, "lab_name": next((name for name, sep, _ in names if sep), author),
        "headquarters": _value(by_slug[author], "headquarters"), "evidence_url": _page(author),
        "checked_on": today, "note": _note(by_slug[author]),
    }  # fmt: skip


def _author(lab: Mapping[str, Any], today: date) -> dict[str, Any]:
    return {
        "author": lab["lab_id"], "lab_id": lab["lab_id"], "evidence_url": lab["evidence_url"],
        "checked_on": today, "note": "DRAFT.",
    }  # fmt: skip


def _write(path: Path, columns: tuple[str, ...], records: Iterable[Mapping[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_atomically(path, text.getvalue().encode())
