"""`usage_events`: the documented layout for any gateway that has no format of its own here.

One row a request, as Parquet, CSV or JSON lines; docs/own-logs.md describes each column.
"""

from orchestration.contracts.odcs import tables
from orchestration.request_logs.base import Head, RequestLog, flat_rows

_SIGNATURE = ("request_id", "started_at", "model", "prompt_tokens", "completion_tokens")


def _recognizes(head: Head) -> str:
    return f"{head.kind}/usage_events" if head.has(*_SIGNATURE) else ""


def _rows(head: Head) -> str:
    return flat_rows(tables("raw")["usage_events"], head)


LOG = RequestLog(
    name="usage_events",
    title="Requests in the layout of tokenshare",
    layouts=f"Parquet, CSV or JSON lines with at least the columns {', '.join(_SIGNATURE)}",
    recognizes=_recognizes,
    rows=_rows,
    signature=_SIGNATURE,
)
