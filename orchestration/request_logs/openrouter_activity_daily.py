"""`openrouter_activity_daily`: days of one OpenRouter account, not requests, as JSON.

Two of its interfaces return them: `GET /api/v1/activity` (a row for each day and endpoint) and
`POST /api/v1/analytics/query` (a row for each day and whatever dimensions were asked for).
"""

from collections.abc import Mapping
from typing import Any

from orchestration.contracts.odcs import tables
from orchestration.errors import RefusedDumpError, quoted
from orchestration.request_logs.base import Head, RequestLog, read_json
from orchestration.tables import sql_name

_NAME = "openrouter_activity_daily"
_ACTIVITY = ("date", "endpoint_id", "requests", "prompt_tokens", "completion_tokens")
_ANALYTICS = ("date__day", "model", "request_count", "tokens_prompt", "tokens_completion")
_LAYOUTS = (
    f"one answer of OpenRouter's activity API, with rows of {', '.join(_ACTIVITY)}, or one of its "
    "analytics API, asked with granularity day, the dimension model and the metrics "
    "request_count, tokens_prompt and tokens_completion"
)

# The keys that are read of each row of an answer.
_ACTIVITY_KEYS = (
    "date",
    "model",
    "model_permaslug",
    "variant",
    "provider_name",
    "requests",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "cached_tokens",
    "usage",
    "byok_usage_inference",
)
_ANALYTICS_KEYS = (
    *_ANALYTICS,
    "variant",
    "provider",
    "reasoning_tokens",
    "cached_tokens",
    "credits_usage",
    "total_usage",
    "byok_usage",
)
# Where a field of the contract does not have the name of its key.
_FROM_ACTIVITY = {
    "model_permaslug": "coalesce(day.model_permaslug, day.model)",
    "variant": "coalesce(day.variant, nullif(split_part(day.model, ':', 2), ''))",
}
_FROM_ANALYTICS = {
    "date": "day.date__day",
    "model_permaslug": "day.model",
    "provider_name": "day.provider",
    "requests": "day.request_count",
    "prompt_tokens": "day.tokens_prompt",
    "completion_tokens": "day.tokens_completion",
    # `total_usage` includes what providers billed to the company's own keys.
    "usage": (
        "coalesce(day.credits_usage, cast(try_cast(day.total_usage as decimal(18, 9)) "
        "- try_cast(day.byok_usage as decimal(18, 9)) as varchar))"
    ),
    "byok_usage_inference": "day.byok_usage",
}


def _first_row(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first row of an answer, or None if the document is not one."""
    rows = found.get("data")
    if isinstance(rows, dict):
        rows = rows.get("data")
    row = rows[0] if isinstance(rows, list) and rows else None
    return row if isinstance(row, dict) else None


def _is_analytics(row: Mapping[str, Any]) -> bool:
    return "request_count" in row or any(key.startswith("date__") for key in row)


def _recognizes(head: Head) -> str:
    """Raises RefusedDumpError for an analytics answer that does not have the days of an account."""
    row = _first_row(head.first)
    if row is None:
        return ""
    if set(_ACTIVITY) <= row.keys():
        return "json/activity"
    outer = head.first if isinstance(head.first["data"], list) else head.first["data"]
    metadata = outer.get("metadata")
    if not isinstance(metadata, dict) or not _is_analytics(row):
        return ""
    if missing := [key for key in _ANALYTICS if key not in row]:
        raise RefusedDumpError(
            f"{head.name}: an analytics answer without {', '.join(missing)}: its rows have "
            f"{', '.join(quoted(key, 40) for key in row)}; expected {_LAYOUTS}"
        )
    if metadata.get("truncated"):
        raise RefusedDumpError(
            f"{head.name}: an analytics answer that was cut off (truncated is true); expected a "
            "whole one: ask with a higher limit or for fewer days"
        )
    return "json/analytics"


def _rows(head: Head) -> str:
    row = _first_row(head.first)
    assert row is not None
    is_analytics = _is_analytics(row)
    own = _FROM_ANALYTICS if is_analytics else _FROM_ACTIVITY
    keys = ", ".join(
        f"{sql_name(key)} varchar" for key in (_ANALYTICS_KEYS if is_analytics else _ACTIVITY_KEYS)
    )
    is_wrapped = isinstance(head.first["data"], dict)
    type_ = f"struct(data struct({keys})[])" if is_wrapped else f"struct({keys})[]"
    fields = {
        f.source_name: own.get(f.source_name, f"day.{sql_name(f.source_name)}")
        for f in tables("raw")[_NAME].fields
    }
    # Both write a day as the first moment of it; another moment is left as it is, for the check.
    moment = f"try_cast({fields['date']} as timestamptz)"
    fields["date"] = (
        f"case when {moment} = date_trunc('day', {moment}) "
        f"then cast(cast({moment} as date) as varchar) else {fields['date']} end"
    )
    selected = ", ".join(f"{sql} as {sql_name(name)}" for name, sql in fields.items())
    # As a single value, so that two answers in one file are refused: they may have the same days.
    answer = (
        f"select {'data.data' if is_wrapped else 'data'} from {read_json(head, {'data': type_})}"
    )
    return f"select {selected} from (select unnest(({answer})) as day)"


LOG = RequestLog(
    name=_NAME,
    title="Days of an OpenRouter account",
    layouts=_LAYOUTS,
    recognizes=_recognizes,
    rows=_rows,
    signature=_ACTIVITY,
)
