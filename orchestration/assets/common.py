"""What every asset shares: owner, retry policy, the writer's pool, and errors as Failures."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from orchestration.errors import RunLockedError, TokenshareError

OWNERS = ["team:data-platform"]
# One writer at a time: nobody but the run may open the working database.
WRITER_POOL = "warehouse_writer"
# A full disk or a busy lock may pass; what the data says does not change by asking again.
RETRY = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Expected failures become Failures that are shown as they are; only a busy lock is retried."""
    try:
        yield
    except TokenshareError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"error": type(error).__name__, "exit_code": error.exit_code},
            allow_retries=isinstance(error, RunLockedError),
        ) from error


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table as the UI shows it; None is an empty cell."""
    lines = [
        columns,
        ["---"] * len(columns),
        # Names come from dumps and may hold what ends a cell.
        *(["" if v is None else str(v).replace("|", "\\|") for v in row] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
