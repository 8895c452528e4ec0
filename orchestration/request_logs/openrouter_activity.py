"""`openrouter_activity`: the CSV export of OpenRouter's activity page, one row a request.

It exists in at least four layouts, which differ in their last columns and the order of these.
"""

from orchestration.contracts.odcs import tables
from orchestration.request_logs.base import Head, RequestLog, flat_rows

_SIGNATURE = (
    "generation_id",
    "created_at",
    "model_permaslug",
    "provider_name",
    "tokens_prompt",
    "tokens_completion",
)


def _recognizes(head: Head) -> str:
    is_export = head.kind == "csv" and head.has(*_SIGNATURE)
    return "csv/openrouter_activity" if is_export else ""


def _rows(head: Head) -> str:
    return flat_rows(tables("raw")["openrouter_activity"], head)


LOG = RequestLog(
    name="openrouter_activity",
    title="Requests in OpenRouter's activity export",
    layouts=f"CSV with at least the columns {', '.join(_SIGNATURE)}",
    recognizes=_recognizes,
    rows=_rows,
    signature=_SIGNATURE,
)
