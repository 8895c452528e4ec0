"""Formats of request logs. One module per format says how DuckDB reads its files into columns of
text; `checks` types and checks these columns by the raw contract.

`REQUEST_LOGS` is the only list of formats: help, landing, raw tables and error messages follow it.
"""

from pathlib import Path

from orchestration.errors import RefusedDumpError, plain_names, safe_text
from orchestration.request_logs import (
    bedrock_invocations,
    helicone,
    langfuse_observations,
    litellm_spendlogs,
    openrouter_activity,
    openrouter_activity_daily,
    otlp,
    usage_events,
)
from orchestration.request_logs.base import Head, RequestLog, read_head, unknown_layout
from orchestration.sources import SOURCES

REQUEST_LOGS: dict[str, RequestLog] = {
    log.name: log
    for log in (
        usage_events.LOG,
        litellm_spendlogs.LOG,
        langfuse_observations.LOG,
        openrouter_activity.LOG,
        openrouter_activity_daily.LOG,
        bedrock_invocations.LOG,
        helicone.LOG,
        otlp.LOG,
    )
}
# Every source of dumps.
ALL_SOURCES = (*SOURCES, *REQUEST_LOGS)


def find_log(path: Path, name: str | None = None) -> tuple[RequestLog, Head, str] | None:
    """The format of a file with its beginning and the name of its layout; None if it is a dump of
    another source. With a name, the file must have that format.

    Raises RefusedDumpError if it does not, or if its columns are nearly those of a format.
    """
    if name is not None and name not in REQUEST_LOGS:
        return None
    head = read_head(path)
    if head is not None:
        for log in REQUEST_LOGS.values() if name is None else [REQUEST_LOGS[name]]:
            if layout := log.recognizes(head):
                return log, head, layout
    if name is None:
        if head is not None and (nearest := unknown_layout(head, tuple(REQUEST_LOGS.values()))):
            raise RefusedDumpError(nearest)
    else:
        raise RefusedDumpError(
            f"{safe_text(path.name)}: is not {name}: its columns are "
            f"{plain_names(head.columns if head else ())}; expected {REQUEST_LOGS[name].layouts}"
        )
    return None


__all__ = ["ALL_SOURCES", "REQUEST_LOGS", "Head", "RequestLog", "find_log"]
