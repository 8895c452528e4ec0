"""`make fuzz-logs`: land mutated request logs, and see that nothing crashes and nothing leaks.

Each case has a number, which is its seed: the same number makes the same file. A file is landed or
refused with a TokenshareError. What a person wrote (a canary in every column that no contract has)
must not be in a message, a sidecar, the quarantine or the reduced days. A mutation that puts a
canary under another name, such as a header with swapped columns, may put it into the text columns
of its row: the file itself says then that it is a model.
"""

import faulthandler
import gzip
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from orchestration.errors import TokenshareError
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import land, read_records
from orchestration.settings import Settings
from orchestration.tables import parquet, sql_name
from orchestration.transformation.request_days import reduce_requests

CANARY = "canary-7f3a"
ROWS = 12
FIXTURES = Path(__file__).parent / "fixtures" / "request_logs"
# Reducing takes a second, so many files share one.
_FILES_PER_REDUCTION = 100


def events(rng: random.Random) -> list[dict[str, Any]]:
    """Rows of usage_events, with a canary in each column that the contract does not have."""
    return [
        {
            "prompt": f'{CANARY}, please "sum up",\nthis',
            "request_id": f"r{rng.randrange(10**9)}",
            "started_at": f"2026-11-01T10:{n:02}:00Z",
            "user": CANARY,
            "model": "openai/gpt-4o",
            "status": rng.choice(["succeeded", "failed", None]),
            "prompt_tokens": rng.randrange(10_000),
            "completion_tokens": rng.randrange(1_000),
            "cost_usd": 0.001,
            "answer": f"{CANARY} " * 40,
        }
        for n in range(ROWS)
    ]


def _layouts(rng: random.Random) -> dict[str, bytes]:
    """Whole files by the end of their name: our own layout, and those of the fixtures."""
    rows = events(rng)
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    table, as_parquet, as_csv = pa.Table.from_pylist(rows), BytesIO(), BytesIO()
    pq.write_table(table, as_parquet)
    pa_csv.write_csv(table, as_csv)
    own = {
        "jsonl": lines,
        "jsonl.gz": gzip.compress(lines, mtime=0),
        "parquet": as_parquet.getvalue(),
        "csv": as_csv.getvalue(),
    }
    fixtures = {
        f"{n}.{path.name}": path.read_bytes()
        for n, path in enumerate(sorted(FIXTURES.rglob("*.*")))
        if path.suffix in (".csv", ".json", ".jsonl", ".gz", ".parquet")
    }
    return own | fixtures


def _flip(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, 20)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def _cut(rng: random.Random, content: bytes) -> bytes:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return rng.choice([content[:end], content[start:], content[:start] + content[end:]])


def _double_lines(rng: random.Random, content: bytes) -> bytes:
    lines = content.splitlines(keepends=True)
    for _ in range(rng.randint(1, 5)):
        place = rng.randrange(len(lines))
        lines[place:place] = [lines[rng.randrange(len(lines))]] * rng.randint(1, 3)
    return b"".join(lines)


def _swap_words(rng: random.Random, content: bytes) -> bytes:
    """Names of columns, swapped or renamed, in one place or everywhere."""
    words = [b"prompt", b"user", b"model", b"request_id", b"started_at", b"status", b"cost_usd"]
    first, second = rng.sample(words, 2)
    times = rng.choice([1, -1])
    if rng.random() < 0.3:
        return content.replace(first, rng.choice([b"", b"x", b"Prompt_Tokens", b"\xff"]), times)
    return content.replace(first, b"\x00").replace(second, first, times).replace(b"\x00", second)


_VALUES = (
    b"9" * 400, b"-1", b"1e308", b"1e-400", b"NaN", b"Infinity", b"null", b"true", b"[]", b"{}",
    b'""', b'"x"', b"0x1F", b"1,5", b"\xc3\x28", b"\x00", b"[" * 3000, b"{\"a\":" * 2000,
    b"99999999999999999999999999999999999999", b'"2026-13-45T99:99:99Z"', b"'; drop table x; --",
)  # fmt: skip


def _replace_values(rng: random.Random, content: bytes) -> bytes:
    """Numbers, times and words that become something else: other types, huge, deeply nested."""
    lines = content.split(b"\n")
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(lines))
        parts = lines[place].split(b",")
        which = rng.randrange(len(parts))
        key, colon, _ = parts[which].partition(b":")
        parts[which] = (key + colon if rng.random() < 0.7 else b"") + rng.choice(_VALUES)
        lines[place] = b",".join(parts)
    return b"\n".join(lines)


def _encode(rng: random.Random, content: bytes) -> bytes:
    bom = b"\xef\xbb\xbf"
    as_text = content.decode("utf-8", errors="replace")
    return rng.choice(
        [
            bom + content,
            bom + bom + content,
            as_text.encode("utf-16"),
            as_text.encode("utf-32-le"),
            content.replace(b"o", "ö".encode("latin-1")),
            content.replace(b"\n", b"\r\n"),
            content.replace(b"\n", b"\r"),
            content.replace(b"\n", b"\n\n"),
            content.replace(b",", b";"),
            gzip.compress(gzip.compress(content)),
            b"",
            b"\x1f\x8b",
            b"PAR1",
        ]
    )


def _change_parquet(rng: random.Random, content: bytes) -> bytes:
    """A Parquet file whose columns have other names, types or nesting."""
    table = pq.read_table(BytesIO(content))
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(table.num_columns)
        name, values = table.column_names[place], table.column(place).to_pylist()
        changed = rng.choice(
            [
                lambda v: str(v),
                lambda v: [v],
                lambda v: {"a": {"b": v}},
                lambda v: str(v).encode(),
                lambda _: None,
                lambda _: float("nan"),
                lambda _: 2**62,
            ]
        )
        array = pa.array([changed(v) for v in values])
        new_name = rng.choice(
            [name, name.upper(), name + "'\"", "", rng.choice(table.column_names)]
        )
        table = table.set_column(place, new_name, array)
    written = BytesIO()
    pq.write_table(table, written)
    return written.getvalue()


Mutation = Callable[[random.Random, bytes], bytes]
# Those that leave every value in its column, so that no canary may be in any landed file.
_IN_PLACE: tuple[Mutation, ...] = (_double_lines,)
_OF_TEXT: tuple[Mutation, ...] = (
    _flip, _cut, _double_lines, _swap_words, _replace_values, _encode,
)  # fmt: skip
_OF_PARQUET: tuple[Mutation, ...] = (_flip, _cut, _change_parquet)


def case(number: int) -> tuple[str, str, bytes]:
    """What was done, the name of the file and its content, by the number of the case."""
    rng = random.Random(number)
    name, content = rng.choice(sorted(_layouts(rng).items()))
    if name.endswith("parquet"):
        mutation = rng.choice(_OF_PARQUET)
        changed = mutation(rng, content)
    elif name.endswith(".gz") and rng.random() < 0.5:
        mutation = rng.choice((_flip, _cut))
        changed = mutation(rng, content)
    else:
        packed = name.endswith(".gz")
        mutation = rng.choice(_OF_TEXT)
        changed = mutation(rng, gzip.decompress(content) if packed else content)
        changed = gzip.compress(changed, mtime=0) if packed else changed
    return mutation.__name__.strip("_"), f"{number}.{name}", changed


def _leaks(path: Path, columns: Iterable[str] | None = None) -> bool:
    """Has this file a canary? Of a Parquet file, in these columns, or in any."""
    if path.suffix != ".parquet":
        return CANARY.encode() in path.read_bytes()
    with duckdb.connect() as connection:
        names = columns or pq.read_schema(path).names
        has = " or ".join(f"contains(cast({sql_name(n)} as varchar), '{CANARY}')" for n in names)
        return bool(connection.sql(f"select 1 from {parquet(path)} where {has} limit 1").fetchall())


def fuzz(numbers: Iterable[int], folder: Path) -> tuple[Counter[str], list[str]]:
    """Land these cases; returns how many were landed and refused, and what went wrong."""
    counted: Counter[str] = Counter()
    wrong: list[str] = []
    listed = list(numbers)
    for start in range(0, len(listed), _FILES_PER_REDUCTION):
        settings = Settings(data_dir=folder / f"data-{start}", shipped_history=False)
        for number in listed[start : start + _FILES_PER_REDUCTION]:
            what, name, content = case(number)
            path = folder / name
            path.write_bytes(content)
            (folder / "current.txt").write_text(f"{number}: {what}", encoding="utf-8")
            try:
                landed = land(path, settings, "usage_events" if number % 4 == 0 else None)
            except TokenshareError as error:
                counted[f"{what}: refused"] += 1
                if CANARY in str(error):
                    wrong.append(f"case {number} ({what}): the message has a canary")
            except Exception as error:  # this is what is looked for
                counted[f"{what}: crashed"] += 1
                wrong.append(f"case {number} ({what}): {type(error).__name__}: {str(error)[:200]}")
            else:
                counted[f"{what}: landed"] += 1
                rows = settings.landing_dir / landed.record.path
                if what in {m.__name__.strip("_") for m in _IN_PLACE} and _leaks(rows):
                    wrong.append(f"case {number} ({what}): the landed rows have a canary")
            path.unlink()
        reduced = reduce_requests(ingest_all(read_records(settings), settings), settings)
        days = [day.path for day in reduced]
        numbers_only = ["requests", "prompt_tokens", "completion_tokens", "outcome", "usage_date"]
        wrong += [f"{path}: has a canary" for path in days if _leaks(path, numbers_only)]
        for path in settings.data_dir.rglob("*"):
            # A landed file may have it in a column that the file itself calls a model.
            kept = path.name == "rows.parquet" or path in days
            if path.is_file() and not kept and _leaks(path):
                wrong.append(f"{path}: has a canary")
    return counted, wrong


def main(cases: int, first: int) -> None:
    """Fuzz and print."""
    faulthandler.enable()
    with tempfile.TemporaryDirectory() as folder:
        counted, wrong = fuzz(range(first, first + cases), Path(folder))
    for what, how_many in sorted(counted.items()):
        print(f"{how_many:7} {what}")
    print("\n".join(wrong) or f"{cases} cases: no crash, no canary")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
