"""Find bad rows in the seeds of the registry, with file, line and column.

The rules need nothing but the files, so they take milliseconds: `tokenshare registry check` and
every run apply them before anything is built. Whether a row is *right* is not decided here.
"""

import csv
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

from orchestration.errors import RegistryFindingsError, TokenshareError, quoted
from orchestration.registry.registry import TABLES, Version
from orchestration.words import countries

_CONFIDENCE = ("high", "medium", "low", "contested")
# Authors whose slugs belong to the gateway; the lab behind them is a fact of the model.
_GATEWAY_AUTHORS = ("openrouter", "stealth")
# Names that people write for a code that ISO 3166-1 does not have.
_USUAL_NAMES = {"UK": "GB", "USA": "US", "UAE": "AE", "PRC": "CN", "EL": "GR"}
# Lists that change every day: who opens one does not find what a row rests on. A state of them with
# a date or a commit does.
_LIVING_LISTS = (
    "models.dev", "epoch.ai/data/ai-models", "openrouter.ai/api/v1/models",
    "openrouter.ai/api/v1/providers",
)  # fmt: skip
# What a page says if it says something about the license of a model.
_LICENSE_WORDS = {
    "open_weight": ("weights", "open-weight", "open source", "open-source"),
    "closed": ("closed", "api", "no weights", "open_weights = false", "proprietary", "hosted"),
    "unknown": ("unknown",),
}
_STATES_LENGTH = 200


@dataclass(frozen=True)
class Rules:
    """What every row of one seed must fulfill. The first required column is the key."""

    required: tuple[str, ...]
    days: tuple[str, ...] = ("checked_on",)
    one_of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    labs: tuple[str, ...] = ()
    has_country: bool = False
    has_periods: bool = False

    @property
    def key(self) -> str:
        return self.required[0]


_PERIOD = ("valid_from", "valid_to", "known_from", "checked_on")
_EVIDENCE = ("evidence_url", "states", "checked_on")
RULES = {
    "labs": Rules(
        ("lab_id", "lab_name", *_EVIDENCE, "confidence"), _PERIOD, {"confidence": _CONFIDENCE},
        has_country=True, has_periods=True,
    ),
    "authors": Rules(
        ("author", "lab_id", *_EVIDENCE, "confidence"), _PERIOD, {"confidence": _CONFIDENCE},
        labs=("lab_id",), has_periods=True,
    ),
    "models": Rules(
        ("base_slug", "license", *_EVIDENCE, "confidence"), (*_PERIOD, "revealed_on"),
        {"license": ("open_weight", "closed", "unknown"), "confidence": _CONFIDENCE},
        labs=("lab_id", "base_lab_id"), has_periods=True,
    ),
    "providers": Rules(
        ("provider_slug", "provider_name", "known_from", *_EVIDENCE), _PERIOD,
        {"confidence": _CONFIDENCE}, has_country=True, has_periods=True,
    ),
    "routers": Rules(("base_slug", *_EVIDENCE)),
    "unattributed_authors": Rules(
        ("author", "reason", "checked_on"), one_of={"reason": ("no_evidence", "not_a_lab")}
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row of a seed. A cell that is empty, or whose column is missing, is an empty text."""

    path: Path
    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def fault(self, column: str, expected: str, near: Iterable[str] = ()) -> str:
        """A sentence that names file, line, column, value, what was expected and what is near."""
        value = self[column]
        nearest = difflib.get_close_matches(value, list(near), n=1)
        hint = f"; nearest is {nearest[0]}" if nearest else ""
        shown = f"value {quoted(value)}" if value else "is empty"
        return f"{self.path}: line {self.line}: {column}: {shown}; expected {expected}{hint}"


def find(version: Version) -> list[str]:
    """A sentence for every bad row of a version that is a folder of seeds, in the order of files
    and lines; none for a vintage, whose tables were made from seeds without faults.

    Raises TokenshareError if a file cannot be read.
    """
    if version.is_vintage:
        return []
    found: list[str] = []
    seeds: dict[str, list[Row]] = {}
    for table in RULES:
        seeds[table] = []
        if (path := version.file(table)) is not None:
            found += _read(path, RULES[table].required, TABLES[table], seeds[table])
    labs = {row["lab_id"]: row for row in seeds["labs"]}
    for table, rules in RULES.items():
        for row in seeds[table]:
            found += _faults_of_row(row, rules, labs)
            if "states" in rules.required:
                found += _evidence_faults(row, table, labs)
        if rules.has_periods:
            found += _overlaps(seeds[table], rules.key)
        else:
            found += _repeats(seeds[table], rules.key)
    found += _faults_between(seeds)
    return found


def refuse(version: Version) -> None:
    """Raise RegistryFindingsError with every bad row of the seeds, if there is one."""
    if found := find(version):
        raise RegistryFindingsError("the registry has bad rows:\n" + "\n".join(found))


def rows_of(path: Path) -> list[Row]:
    """The rows of a CSV file that have as many fields as its first line.

    Raises TokenshareError if the file cannot be read.
    """
    rows: list[Row] = []
    _read(path, (), (), rows)
    return rows


def _read(
    path: Path, required: tuple[str, ...], columns: tuple[str, ...], into: list[Row]
) -> list[str]:
    """Append the rows of a file; returns what is wrong with their form."""
    found = []
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            for column in required:
                if column not in header:
                    expected = ",".join(columns)
                    found.append(f"{path}: line 1: has no column {column}; expected {expected}")
            line = reader.line_num + 1
            for cells in reader:
                if len(cells) == len(header):
                    into.append(Row(path, line, dict(zip(header, cells, strict=True))))
                else:
                    found.append(
                        f"{path}: line {line}: has {len(cells)} fields; expected {len(header)}, "
                        "as the first line has"
                    )
                line = reader.line_num + 1
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TokenshareError(f"{path}: not readable: {error}") from error
    return found


def _faults_of_row(row: Row, rules: Rules, labs: Mapping[str, Row]) -> Iterator[str]:
    for column in rules.required:
        if not row[column] and column in row.cells:
            yield row.fault(column, "a value")
    for column in rules.days:
        if row[column] and not _is_day(row[column]):
            yield row.fault(column, "a day such as 2026-08-31")
    for column, allowed in rules.one_of.items():
        if row[column] and row[column] not in allowed:
            yield row.fault(column, " or ".join(allowed), allowed)
    for column in rules.labs:
        if row[column] and row[column] not in labs:
            yield row.fault(column, "a lab_id of labs.csv", labs)
    if row[rules.key] != row[rules.key].lower():
        yield row.fault(rules.key, "lower case", [row[rules.key].lower()])
    if rules.has_country and row["headquarters"] and row["headquarters"] not in countries():
        yield _country_fault(row)


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _country_fault(row: Row) -> str:
    """A code is near if its country has this name, or almost."""
    value = row["headquarters"]
    codes = {name.removeprefix("the ").lower(): code for code, name in countries().items()}
    named = difflib.get_close_matches(value.lower(), codes, n=1)
    code = _USUAL_NAMES.get(value.upper()) or (codes[named[0]] if named else value.upper())
    fault = row.fault("headquarters", "a code of ISO 3166-1 alpha-2 such as CN, or nothing")
    return f"{fault}; nearest is {code} ({countries()[code]})" if code in countries() else fault


def _evidence_faults(row: Row, table: str, labs: Mapping[str, Row]) -> Iterator[str]:
    """Does the address lead to the fact, and does `states` name what the row claims?"""
    if row["evidence_url"] and not _leads_to_a_fact(row["evidence_url"]):
        yield row.fault(
            "evidence_url", "a page, a file at a commit or a dated state, not a front page"
        )
    if len(row["states"]) > _STATES_LENGTH:
        yield row.fault("states", f"at most {_STATES_LENGTH} characters")
    what, words = _claims(row, table, labs)
    if row["states"] and words and not any(_names(row["states"], word) for word in words):
        yield row.fault("states", f"words that name {what}, as {' or '.join(words[:3])} does")


def _leads_to_a_fact(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    path = [step for step in parts.path.split("/") if step]
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return False
    if not path and not parts.query:
        return False
    if "/".join([parts.netloc, *path]) in _LIVING_LISTS:
        return False
    # A repository's own page shows its newest state, whatever that is.
    return not (parts.netloc == "github.com" and len(path) == 2)


def _claims(row: Row, table: str, labs: Mapping[str, Row]) -> tuple[str, list[str]]:
    """What a row claims, in words for a message, and the words of which its page must say one."""
    country = row["headquarters"]
    if country:
        return "the country", [countries()[country], country] if country in countries() else []
    if table == "routers":
        return "a router", ["router", "chooses", "picks"]
    if table == "providers":
        return "the provider", [row["provider_name"]]
    names = _lab_names(row if table == "labs" else labs.get(row["lab_id"]))
    if table != "models":
        return "the lab", names
    days = [row[c] for c in ("valid_from", "valid_to", "revealed_on") if row[c]]
    words = [row["license_name"], *_LICENSE_WORDS.get(row["license"], ()), *days, *names]
    return "the license, the lab or the day", [word for word in words if word]


def _lab_names(lab: Row | None) -> list[str]:
    if lab is None:
        return []
    short = lab["lab_name"].partition(" (")[0]
    aliases = [alias.strip() for alias in lab["aliases"].split(";")]
    names = (lab["lab_name"], short, *aliases, lab["lab_id"])
    return [name for name in dict.fromkeys(names) if name]


def _names(text: str, word: str) -> bool:
    """Is the word in the text, as a word of its own?"""
    word = word.removeprefix("the ")
    flags = 0 if len(word) <= 2 else re.IGNORECASE
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, flags) is not None


def _overlaps(rows: list[Row], key: str) -> Iterator[str]:
    """Rows that were learned on the same day and are both valid on some day of use."""
    before: Row | None = None
    dated = [r for r in rows if all(not r[c] or _is_day(r[c]) for c in _PERIOD)]
    for row in sorted(dated, key=lambda r: (r[key], r["known_from"], r["valid_from"])):
        if row["valid_to"] and row["valid_from"] >= row["valid_to"]:
            yield row.fault("valid_to", f"a day after valid_from, {row['valid_from']}")
        if before and (before[key], before["known_from"]) == (row[key], row["known_from"]):
            ends = before["valid_to"]
            if not ends:
                yield before.fault(
                    "valid_to",
                    f"a day, because line {row.line} has {quoted(row[key])} from "
                    f"{row['valid_from'] or 'always'} on; two rows are valid on one day",
                )
            elif row["valid_from"] < ends:
                yield row.fault(
                    "valid_from", f"{ends} or later, the end of line {before.line}", [ends]
                )
        before = row


def _repeats(rows: list[Row], key: str) -> Iterator[str]:
    first: dict[str, Row] = {}
    for row in rows:
        if row[key] in first:
            yield row.fault(key, f"a value that line {first[row[key]].line} does not have")
        first.setdefault(row[key], row)


def _faults_between(seeds: Mapping[str, list[Row]]) -> Iterator[str]:
    """What the rows of several seeds state about one another."""
    authors: dict[str, list[Row]] = {}
    for row in seeds["authors"]:
        authors.setdefault(row["author"], []).append(row)
    left_out = {row["author"] for row in seeds["unattributed_authors"]}
    for row in seeds["unattributed_authors"]:
        if row["author"] in authors:
            yield row.fault("author", "an author without a row in authors.csv")
    slugs = {row["base_slug"] for row in seeds["models"]}
    for row in seeds["models"]:
        author = row["base_slug"].partition("/")[0]
        labs = {r["lab_id"] for r in authors.get(author, ()) if _share_a_day(r, row)}
        if author not in authors and author not in left_out and author not in _GATEWAY_AUTHORS:
            yield row.fault("base_slug", "an author of authors.csv before the slash", authors)
        elif row["lab_id"] and labs and row["lab_id"] not in labs:
            yield row.fault("lab_id", f"{' or '.join(sorted(labs))}, the lab of {author}")
        if not row["revealed_as"]:
            continue
        if row["revealed_as"] not in slugs - {row["base_slug"]}:
            yield row.fault("revealed_as", "another base_slug of models.csv", slugs)
        if not row["revealed_on"]:
            yield row.fault("revealed_on", "the day of the reveal")
        elif row["known_from"] <= row["revealed_on"]:
            yield row.fault("known_from", f"a day after the reveal of {row['revealed_on']}")


def _share_a_day(a: Row, b: Row) -> bool:
    """Is there a day of use on which both rows are valid?"""
    last = "9999-12-31"
    return a["valid_from"] < (b["valid_to"] or last) and b["valid_from"] < (a["valid_to"] or last)
