"""Draw rows of the registry for a reader to compare with their evidence, and keep the answers.

Rows are drawn without replacement, with a probability that grows with the tokens that rest on them
(A. Efraimidis, P. Spirakis, *Weighted random sampling with a reservoir*, 2006). The same seed draws
the same rows of the same registry and usage. Kept answers are in `configuration/registry_audits`,
one file per audit; the counts are a seed, from which the table `registry_audits` is made.
"""

import csv
import io
import math
import random
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.errors import TokenshareError
from orchestration.files import write_atomically
from orchestration.registry.attribution import attribute
from orchestration.registry.check import read_usage
from orchestration.registry.faults import Row, rows_of
from orchestration.registry.registry import SEEDS_DIR, WORKING, Version, latest_tables, load
from orchestration.settings import CONFIGURATION_DIR, PRIMARY_SOURCE, Settings
from orchestration.tables import rows

ANSWERS = ("confirmed", "weak", "wrong")
COLUMNS = (
    "seed", "registry_row", "claim", "evidence_url", "states", "tokens", "answer", "answered_by",
    "answered_on", "note",
)  # fmt: skip
AUDITS_DIR = CONFIGURATION_DIR / "registry_audits"
COUNTS = SEEDS_DIR / "registry_audits_kept.csv"
COUNT_COLUMNS = (
    "audit", "sampled_rows", "confirmed", "weak", "wrong", "audited_by", "recorded_on", "note",
)  # fmt: skip

# The rows of models, authors and labs with the tokens of the days on which they are valid.
_WEIGHED = """
    with used as (
        select usage.usage_date, usage.base_slug, usage.author, usage.tokens, attribution.lab_id
        from usage
        inner join registry.attribution as attribution
            on usage.usage_date = attribution.usage_date and usage.base_slug = attribution.base_slug
        where attribution.registry_view = 'now'
    )
    {parts}
    order by tokens desc, seed, registry_row
"""
_PART = """
    select
        '{seed}' as seed,
        registry.{key} || '|' || coalesce(cast(valid_from as varchar), '')
        || '|' || coalesce(cast(known_from as varchar), '') as registry_row,
        {claim} as claim, evidence_url, states, cast(sum(tokens) as bigint) as tokens
    from used
    inner join registry.{seed} as registry on used.{key} = registry.{key}
    where (valid_from is null or valid_from <= usage_date)
        and (valid_to is null or usage_date < valid_to)
    group by all
    having sum(tokens) > 0
"""
_CLAIMS = (
    ("models", "base_slug",
     "concat_ws(', ', coalesce(registry.lab_id, 'no lab'), license, license_name, "
     "'base by ' || base_lab_id, 'revealed as ' || revealed_as, 'valid ' || "
     "coalesce(cast(valid_from as varchar), 'always') || ' to ' || "
     "coalesce(cast(valid_to as varchar), 'open'))"),
    ("authors", "author", "'lab ' || registry.lab_id"),
    ("labs", "lab_id", "'headquarters ' || coalesce(headquarters, 'unknown')"),
)  # fmt: skip


def draw(
    settings: Settings, today: date, sample: int, seed: int, version: Version = WORKING
) -> list[dict[str, Any]]:
    """Rows of the registry that tokens of the primary source rest on, in the order of the draw.

    Each has COLUMNS without an answer. Raises TokenshareError if nothing is published yet.
    """
    import duckdb

    if (latest := latest_tables(settings)) is None:
        raise TokenshareError("an audit draws rows by tokens; `tokenshare run` publishes a vintage")
    with duckdb.connect() as connection:
        load(connection, version, "registry")
        read_usage(connection, latest[1], PRIMARY_SOURCE)
        attribute(connection, "registry", "usage", today)
        parts = " union all ".join(
            _PART.format(seed=name, key=key, claim=claim) for name, key, claim in _CLAIMS
        )
        weighed = rows(connection, _WEIGHED.format(parts=parts))
    chance = random.Random(seed)  # noqa: S311 (a draw that others can repeat)
    # Logarithms, because random() ** (1 / tokens) is 1 for trillions of tokens.
    drawn = sorted(weighed, key=lambda row: -math.log(1 - chance.random()) / row["tokens"])
    unanswered = dict.fromkeys(("answer", "answered_by", "answered_on", "note"), "")
    return [row | unanswered for row in drawn[:sample]]


def write_sample(path: Path, drawn: Iterable[Mapping[str, Any]]) -> None:
    """Write drawn rows for a reader to fill in `answer`, `answered_by` and `answered_on`."""
    _write(path, COLUMNS, drawn)


def keep(path: Path, name: str, audits: Path = AUDITS_DIR, counts: Path = COUNTS) -> dict[str, Any]:
    """Keep the answers of a sample as the audit `name`, and add their counts to the seed.

    Raises TokenshareError that names file, line, column, value and what was expected if an answer
    is missing, or if there is an audit with this name.
    """
    answered = rows_of(path)
    if not answered:
        raise TokenshareError(f"{path}: has no rows; expected a sample of `registry audit`")
    for row in answered:
        for column in ("seed", "registry_row", "answered_by"):
            if not row[column]:
                raise TokenshareError(row.fault(column, "a value"))
        if row["answer"] not in ANSWERS:
            raise TokenshareError(row.fault("answer", " or ".join(ANSWERS), ANSWERS))
        try:
            date.fromisoformat(row["answered_on"])
        except ValueError:
            raise TokenshareError(row.fault("answered_on", "a day such as 2026-08-31")) from None
    before = rows_of(counts)
    if name in {row["audit"] for row in before} or not name.replace("-", "").isalnum():
        raise TokenshareError(
            f"{name!r} is not the name of a new audit; expected letters, digits and hyphens, and "
            f"none of {', '.join(row['audit'] for row in before)}"
        )
    counted = count(name, answered)
    _write(audits / f"{name}.csv", COLUMNS, (row.cells for row in answered))
    _write(counts, COUNT_COLUMNS, [*(row.cells for row in before), counted])
    return counted


def count(name: str, answered: list[Row]) -> dict[str, Any]:
    """The row of the seed for an audit with these answers."""
    return {
        "audit": name,
        "sampled_rows": len(answered),
        **{answer: sum(row["answer"] == answer for row in answered) for answer in ANSWERS},
        "audited_by": ", ".join(sorted({row["answered_by"] for row in answered})),
        "recorded_on": max(row["answered_on"] for row in answered),
        "note": "",
    }


def _write(path: Path, columns: tuple[str, ...], records: Iterable[Mapping[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    write_atomically(path, text.getvalue().encode())
