"""What all assets share: owner, retry policy, the writer's pool, errors as Failures, Markdown."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from orchestration import run_log
from orchestration.contracts.odcs import Table
from orchestration.errors import (
    ResourceError,
    RunLockedError,
    as_user_error,
    safe_text,
    with_notes,
)
from orchestration.files import fingerprint
from orchestration.settings import PROJECT_ROOT, Settings

OWNERS = ["team:data-platform"]
# One writer at a time, because only one process may open the working database.
WRITER_POOL = "warehouse_writer"
# A full disk or a busy lock may be gone later. Other errors would only be repeated by a retry.
_RETRIABLE = (ResourceError, RunLockedError)
_MOST_RETRIES, _FIRST_DELAY_SECONDS = 2, 30


def code_version(*places: str) -> str:
    """The version of the code in these files and folders of the project. The UI marks an asset
    whose newest state was made by another version."""
    return fingerprint(tuple(PROJECT_ROOT / place for place in places), ("*.md",))[:12]


def record_run(run: dg.DagsterRun, settings: Settings, what: str = "run") -> None:
    """Enter a run into the run log, which knows the runs of every entrance."""
    entrance: run_log.Entrance = "ui"
    if "dagster/schedule_name" in run.tags:
        entrance = "schedule"
    elif "dagster/sensor_name" in run.tags:
        entrance = "sensor"
    run_log.begin(settings, what, entrance, run.run_id)


@contextmanager
def errors_as_failures() -> Iterator[None]:
    """Turn expected errors into Dagster Failures with their message. Only errors that may be gone
    later are retried.

    An asset must not have a RetryPolicy: with one, Dagster retries a step that somebody cancels,
    and the canceled run goes on.
    """
    try:
        yield
    except Exception as raised:
        if (error := as_user_error(raised)) is None:
            raise
        tried = dg.OpExecutionContext.get().retry_number
        if isinstance(error, _RETRIABLE) and tried < _MOST_RETRIES:
            raise dg.RetryRequested(
                max_retries=_MOST_RETRIES, seconds_to_wait=_FIRST_DELAY_SECONDS * 2**tried
            ) from error
        raise dg.Failure(
            description="\n".join(safe_text(line, 2000) for line in with_notes(error).splitlines()),
            metadata={"error": type(error).__name__, "exit_code": error.exit_code},
            allow_retries=False,
        ) from error


def column_schema(table: Table) -> dict[str, dg.TableSchema]:
    """Metadata with the columns of a contract: types, descriptions, nullability and key."""
    columns = [
        dg.TableColumn(
            name=field.name,
            type=field.sql_type,
            description=field.description,
            constraints=dg.TableColumnConstraints(
                nullable=not field.required, other=["primary key"] if field.primary_key else []
            ),
        )
        for field in table.fields
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)}


# Letters, digits and characters without a meaning in Markdown, but no URL, which becomes a link.
_NO_MARKDOWN = re.compile(r"(?!.*(://|www\.))[\w ,.:;/%+(){}'\"=?…–→-]*")


def markdown_text(value: object) -> str:
    """Text from outside, made safe for Markdown: it becomes code unless it is harmless.

    In code, no image is loaded, no link is made and no HTML is interpreted. None becomes "".
    """
    text = "" if value is None else safe_text(value, 500)
    if _NO_MARKDOWN.fullmatch(text):
        return text
    fence = "`" * (1 + max(map(len, re.findall("`*", text))))
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}".replace("|", "\\|")


def markdown_list(lines: Iterable[object]) -> str:
    """A Markdown list for the UI; "none" without a line."""
    return "\n".join(f"- {markdown_text(line)}" for line in lines) or "none"


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table for the UI; None becomes an empty cell."""
    lines = [columns, ["---"] * len(columns), *(map(markdown_text, row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
