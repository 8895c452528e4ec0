"""`langfuse_observations`: the observations that Langfuse exports, in every layout of it.

- The scheduled export to blob storage, `observations_v2/` and the older `observations/`: one flat
  row an observation in snake_case, as Parquet, CSV, JSON or JSON lines
  (https://langfuse.com/docs/api-and-data-platform/features/blob-storage-export-fields). Column
  groups that are not needed may be absent.
- The same rows in camelCase.
- What the UI exports: one document `{trace, observations[]}` in camelCase; the oldest have
  `inputUsage`, `outputUsage` and `totalUsage` in place of `usageDetails`.

`usage_details` is a map from a kind of tokens to a number. Which names stand for the same kind is
taken from Langfuse's ingestion (OtelIngestionProcessor.ts, ingestion/types.ts), its list of prices
by kind, and its integration for LangChain. stg_langfuse_observations says how they add up.
"""

from collections.abc import Mapping, Sequence
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.request_logs.base import Head, RequestLog, read_csv, read_json
from orchestration.tables import parquet, sql_name, sql_text

_NEEDED = ("id", "type", "start_time", "provided_model_name", "usage_details")

# The columns of the contract that are read as they are, with their names in the files.
_PLAIN = {
    "id": ("id",),
    "type": ("type",),
    "start_time": ("start_time", "startTime"),
    "level": ("level",),
    "model": ("provided_model_name", "providedModelName", "model"),
    "total_cost": ("total_cost", "totalCost", "calculatedTotalCost"),
}
_USAGE = ("usage_details", "usageDetails")
_COST = ("cost_details", "costDetails")

_MODALITIES = ("TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT")


def _by_modality(prefix: str) -> list[str]:
    """The names of tokens by modality: of Vertex AI by number or name, and of OpenAI."""
    vertex = [f"{prefix}_modality_{m}" for m in (*range(1, len(_MODALITIES) + 1), *_MODALITIES)]
    openai = [f"{prefix}_{m}{end}" for m in ("text", "image", "audio") for end in ("", "_tokens")]
    return vertex + openai


# Names of one kind of tokens in `usage_details`. A payload has several of them only if it says
# the same number twice, so the first counts.
_SAME = {
    "usage_input": ("input", "input_tokens", "prompt_tokens", "prompt_token_count"),
    "usage_output": ("output", "output_tokens", "completion_tokens", "candidates_token_count"),
    "usage_total": ("total", "total_tokens", "total_token_count"),
    "usage_cache_read": (
        "input_cached_tokens",
        "input_cache_read",
        "cache_read_input_tokens",
        "cache_read.input_tokens",
        "cache_read_tokens",
        "prompt_details.cache_read",
        "details.cache_read_input_tokens",
        "details.cache_read_tokens",
        "details.cached_tokens",
        "cached_content_token_count",
    ),
    "usage_cache_write": (
        "input_cache_creation",
        "input_cache_creation_tokens",
        "input_cache_write",
        "input_cache_write_tokens",
        "cache_creation_input_tokens",
        "cache_creation.input_tokens",
        "cache_write_tokens",
        "prompt_details.cache_write",
        "details.cache_creation_input_tokens",
        "details.cache_write_tokens",
    ),
    "usage_reasoning": (
        "output_reasoning_tokens",
        "output_reasoning",
        "reasoning_tokens",
        "reasoning.output_tokens",
        "completion_details.reasoning",
        "details.reasoning_tokens",
        "thoughts_token_count",
        "thoughtsTokenCount",
    ),
}
# Kinds of tokens that stand beside one another.
_SUMMED = {
    "usage_cache_write_by_lifetime": ("input_cache_creation_5m", "input_cache_creation_1h"),
    "usage_input_by_modality": (*_by_modality("input"), "prompt_details.audio"),
    "usage_output_by_modality": (
        *_by_modality("output"),
        "completion_details.audio",
        "output_accepted_prediction_tokens",
        "output_rejected_prediction_tokens",
    ),
}
# What the UI says beside or in place of `usageDetails`.
_OF_UI = {"usage_input": "inputUsage", "usage_output": "outputUsage", "usage_total": "totalUsage"}

_KEYS = tuple(dict.fromkeys(chain(*_SAME.values(), *_SUMMED.values())))
_NAMES = tuple(dict.fromkeys(chain(*_PLAIN.values(), _USAGE, _COST, _OF_UI.values())))


def _is_of_ui(head: Head) -> bool:
    # Of a long document maybe only its trace was seen.
    return head.kind.startswith("json") and (
        head.has("trace", "observations") or head.columns == ("trace",)
    )


def _recognizes(head: Head) -> str:
    if _is_of_ui(head):
        return "json/trace"
    flat = (
        head.has("id", "type")
        and (head.has("start_time") or head.has("startTime"))
        and any(name in head.columns for name in (*_USAGE, _OF_UI["usage_total"]))
        and any(name in head.columns for name in _PLAIN["model"])
    )
    return f"{head.kind}/observations" if flat else ""


def _source(head: Head) -> tuple[str, Mapping[str, str]]:
    """SQL for the rows of a file, and SQL for the text of each column that they may have."""
    if head.kind.startswith("json"):
        if not _is_of_ui(head):
            texts = dict.fromkeys(_NAMES, "VARCHAR")
            return read_json(head, texts), {name: sql_name(name) for name in _NAMES}
        fields = ", ".join(f"{sql_name(name)} VARCHAR" for name in _NAMES)
        document = read_json(head, {"observations": f"STRUCT({fields})[]"})
        source = f"(select unnest(observations) as observation from {document})"
        return source, {name: f"observation.{sql_name(name)}" for name in _NAMES}
    held = {name: sql_name(name) for name in _NAMES if name in head.columns}
    if head.kind == "csv":
        return read_csv(head), held
    maps = {f.name for f in pq.read_schema(head.path) if pa.types.is_map(f.type)}
    return parquet(head.path), {
        name: f"cast({f'to_json({column})' if name in maps else column} as varchar)"
        for name, column in held.items()
    }


def _first(held: Mapping[str, str], names: Sequence[str]) -> str:
    """SQL for the first of some columns that says something."""
    texts = [f"nullif({held[name]}, '')" for name in names if name in held]
    return f"coalesce({', '.join(texts)})" if texts else "cast(null as varchar)"


def _rows(head: Head) -> str:
    source, held = _source(head)
    paths = ", ".join(sql_text(f'$."{key}"') for key in _KEYS)
    usage = f"try_cast({_first(held, _USAGE)} as json)"
    read = [f"{_first(held, names)} as {column}" for column, names in _PLAIN.items()]
    read += [f"{_first(held, [name])} as of_ui_{column}" for column, name in _OF_UI.items()]
    read += [
        f"json_extract_string(try_cast({_first(held, _COST)} as json), '$.total') as cost_of_parts",
        f"json_extract_string({usage}, [{paths}]) as counts",
        f"{_first(held, _USAGE)} is not null and json_type({usage}) is distinct from 'OBJECT' "
        "as is_not_a_map",
    ]
    columns = [*_PLAIN, "cost_of_parts"]
    for column, keys in _SAME.items():
        said = ", ".join(_count(key) for key in keys)
        if column in _OF_UI:
            said += f", of_ui_{column}"
        columns.append(f"coalesce({said}) as {column}")
    for column, keys in _SUMMED.items():
        columns.append(f"{_sum(keys)} as {column}")
    # Not a number, so that the check names the field of a map that cannot be read.
    columns.append("case when is_not_a_map then 'not a map' end as usage_details")
    return f"select {', '.join(columns)} from (select {', '.join(read)} from {source})"


def _count(key: str) -> str:
    """SQL for what `usage_details` says under a key, as text."""
    return f"counts[{_KEYS.index(key) + 1}]"


def _sum(keys: Sequence[str]) -> str:
    """SQL for the sum of the numbers under some keys, as text, or what is not a number there."""
    said = f"list_filter([{', '.join(map(_count, keys))}], lambda x: x is not null)"
    wrong = f"list_filter({said}, lambda x: try_cast(x as bigint) is null)"
    numbers = f"list_transform({said}, lambda x: try_cast(x as bigint))"
    return f"coalesce({wrong}[1], cast(list_sum({numbers}) as varchar))"


LOG = RequestLog(
    name="langfuse_observations",
    title="Observations that Langfuse exports",
    layouts=(
        "an export of Langfuse's observations to blob storage (Parquet, CSV, JSON or JSON lines) "
        f"with at least the columns {', '.join(_NEEDED)} (the column groups core, model and "
        "usage), the same in camelCase, or a trace that its UI exports"
    ),
    recognizes=_recognizes,
    rows=_rows,
    signature=_NEEDED,
)
