"""`otlp`: traces as OpenTelemetry's JSON, from OpenRouter Broadcast, Cloudflare AI Gateway, Kong,
Vercel, LiteLLM, and the file exporter of any collector.

A file is one body (`{"resourceSpans": [...]}`), an array of bodies, or one body a line. Instruments
name the same thing differently, and have renamed it; `ATTRIBUTES` has all the names that are read.
Everything else of a span is never read into a row: prompts, answers, events, users, keys, and names
that an application made up.

Names were seen in the semantic conventions of OpenTelemetry and OpenInference, in OpenRouter's and
Cloudflare's documentation, in bodies of OpenRouter Broadcast, and in tests of Langfuse and
LangWatch.

Measured on two cores: 200,000 spans of Broadcast without texts, 466 MB of lines, are copied in 1.2
times, and landed with hash and checks in 1.7 times, what a query takes that only sums their input
tokens (5.6 s); almost all of it is reading JSON.
"""

from orchestration.contracts.odcs import tables
from orchestration.request_logs.base import Head, RequestLog, read_json
from orchestration.tables import sql_name, sql_text

# The attributes of each column: the first that a span has counts, so new names stand before old.
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "trace_name": ("trace.name",),
    "operation": (
        "gen_ai.operation.name",
        "ai.operationId",
        "openinference.span.kind",
        "langfuse.observation.type",
    ),
    "response_model": ("gen_ai.response.model", "ai.response.model"),
    "request_model": (
        "gen_ai.request.model",
        "llm.model_name",
        "embedding.model_name",
        "ai.model.id",
        "langfuse.observation.model.name",
    ),
    "response_id": ("gen_ai.response.id",),
    "finish_reason": (
        "gen_ai.response.finish_reason",
        "gen_ai.response.finish_reasons",
        "trace.metadata.openrouter.finish_reason",
        "openrouter.finish_reason",
    ),
    "server": ("trace.metadata.openrouter.provider_name", "openrouter.provider_name"),
    "server_slug": ("trace.metadata.openrouter.provider_slug", "openrouter.provider_slug"),
    "provider": (
        "gen_ai.provider.name",
        "gen_ai.model.provider",
        "llm.provider",
        "ai.model.provider",
        "gen_ai.system",
        "llm.system",
    ),
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "llm.usage.prompt_tokens",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        # Of embeddings, which have no others
        "ai.usage.tokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "llm.usage.completion_tokens",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
    ),
    "total_tokens": (
        "gen_ai.usage.total_tokens",
        "llm.usage.total_tokens",
        "llm.token_count.total",
        "ai.usage.totalTokens",
        "ai.usage.tokens",
    ),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
        "gen_ai.usage.input_cached_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.usage.details.cached_tokens",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
        "ai.usage.cachedInputTokens",
        "ai.usage.inputTokenDetails.cacheReadTokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "gen_ai.usage.input_cache_creation",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "llm.token_count.prompt_details.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
    ),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.output_tokens.reasoning",
        "gen_ai.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "llm.usage.reasoning_tokens",
        "ai.usage.reasoningTokens",
        "ai.usage.outputTokenDetails.reasoningTokens",
    ),
    "cost_usd": (
        "gen_ai.usage.total_cost",
        "gen_ai.usage.cost",
        "gen_ai.cost.total_cost",
        "llm.cost.total",
        "operation.cost",
    ),
}
# Attributes whose value is JSON text: the paths in it that are read, after ATTRIBUTES.
_PATHS: dict[str, dict[str, tuple[str, ...]]] = {
    "langfuse.observation.usage_details": {
        "input_tokens": ("$.input", "$.input_tokens", "$.prompt_tokens"),
        "output_tokens": ("$.output", "$.output_tokens", "$.completion_tokens"),
        "total_tokens": ("$.total", "$.total_tokens"),
        "cache_read_tokens": ("$.input_cached_tokens", "$.cache_read_input_tokens"),
        "cache_write_tokens": ("$.input_cache_creation", "$.cache_creation_input_tokens"),
        "reasoning_tokens": ("$.output_reasoning_tokens", "$.reasoning_tokens"),
    },
    "ai.response.providerMetadata": {
        "total_tokens": ("$.bedrock.usage.totalTokens",),
        "cache_read_tokens": (
            "$.anthropic.usage.cache_read_input_tokens",
            "$.bedrock.usage.cacheReadInputTokens",
            "$.openai.cachedPromptTokens",
            "$.google.usageMetadata.cachedContentTokenCount",
        ),
        "cache_write_tokens": (
            "$.anthropic.usage.cache_creation_input_tokens",
            "$.anthropic.cacheCreationInputTokens",
            "$.bedrock.usage.cacheCreationInputTokens",
            "$.bedrock.usage.cacheWriteInputTokens",
        ),
        "reasoning_tokens": (
            "$.openai.reasoningTokens",
            "$.google.usageMetadata.thoughtsTokenCount",
        ),
        "cost_usd": ("$.gateway.cost", "$.openrouter.usage.cost"),
    },
    # Of LiteLLM; it has this key only if the answer came from LiteLLM's own cache.
    "hidden_params": {"cache_key": ("$.cache_key",)},
}
# Costs by kind of token, of which `total` is the sum if it is there
_COSTS = "langfuse.observation.cost_details"
_JSON = (*_PATHS, _COSTS)

# The names of spans that mean something. Others are made up by an application, and not read.
_NAMES = (
    r"^(LLM Generation|Test Generation|openrouter-connection-test|provider attempt|generation"
    r"|moderation|agent run)\b"
)
_TEST_TRACE = "Test Trace - OpenRouter Observability"
_TEST_SPANS = ("openrouter-connection-test", "Test Generation")
# Operations that call a model. Without tokens, such a span is a bad row; others are not looked at.
_CALLS = (
    "chat",
    "text_completion",
    "generate_content",
    "embeddings",
    "llm",
    "generation",
    "embedding",
)

_VALUE = (
    'STRUCT(stringValue VARCHAR, intValue VARCHAR, doubleValue VARCHAR, arrayValue STRUCT("values" '
    "STRUCT(stringValue VARCHAR)[]))"
)
_SPANS = (
    "STRUCT(traceId VARCHAR, spanId VARCHAR, parentSpanId VARCHAR, name VARCHAR, "
    f"startTimeUnixNano VARCHAR, attributes STRUCT(key VARCHAR, value {_VALUE})[], "
    "status STRUCT(code VARCHAR, message VARCHAR))[]"
)
_RESOURCES = (
    "STRUCT(resource STRUCT(attributes STRUCT(key VARCHAR, value STRUCT(stringValue VARCHAR))[]), "
    f"scopeSpans STRUCT(scope STRUCT(name VARCHAR), spans {_SPANS})[])[]"
)


def _recognizes(head: Head) -> str:
    is_json = head.kind in ("json", "json_lines")
    return f"{head.kind}/otlp" if is_json and head.has("resourceSpans") else ""


def _attribute(key: str) -> str:
    return f"texts[list_position(keys, {sql_text(key)})]"


def _json_name(key: str) -> str:
    return sql_name(f"json {key}")


def _column(name: str) -> str:
    """SQL for the first of the attributes of a column that a span has."""
    found = [_attribute(key) for key in ATTRIBUTES.get(name, ())]
    for key, paths in _PATHS.items():
        found += [f"{_json_name(key)} ->> {sql_text(p)}" for p in paths.get(name, ())]
    if name == "cost_usd":
        costs = _json_name(_COSTS)
        found.append(f"{costs} ->> '$.total'")
        # try() because the costs are whatever an application wrote
        found.append(
            "cast(try(list_sum(map_values(cast("
            f"{costs} as map(varchar, decimal(18, 9)))))) as varchar)"
        )
    return f"coalesce({', '.join(found)}, null) as {name}"


def _id(name: str) -> str:
    """SQL for an id in hexadecimal digits, which may be in base64."""
    return (
        f"case when regexp_full_match({name}, '[A-Za-z0-9+/]{{11}}=|[A-Za-z0-9+/]{{22}}==') "
        f"then lower(hex(from_base64({name}))) else lower(nullif({name}, '')) end"
    )


def _list(values: tuple[str, ...]) -> str:
    return ", ".join(sql_text(value) for value in values)


def _rows(head: Head) -> str:
    """SQL with one row for each span that calls a model, states tokens or a cost, or tests a
    connection, and one of NULLs for whatever is not a span."""
    keys = dict.fromkeys(key for names in ATTRIBUTES.values() for key in names)
    allowed = _list((*keys, *_JSON))
    # A body may have logs or metrics in place of spans. Anything else without spans is not a body,
    # and becomes a row of NULLs.
    others = dict.fromkeys(("resourceLogs", "resourceMetrics"), "STRUCT(schemaUrl VARCHAR)[]")
    bodies = read_json(head, {"resourceSpans": _RESOURCES, **others})
    resources = (
        "select unnest(case when resourceLogs is null and resourceMetrics is null "
        "then coalesce(resourceSpans, [null]) else resourceSpans end) as of_resource "
        f"from {bodies}"
    )
    scopes = (
        "select of_resource.resource.attributes as resource, "
        f"unnest(coalesce(of_resource.scopeSpans, [null])) as of_scope from ({resources})"
    )
    service = (
        "list_filter(resource, lambda a: a.key = 'service.name' "
        "and a.value.stringValue = 'openrouter') <> []"
    )
    spans = (
        f"select case when of_scope.scope.name = 'openrouter' or {service} then 'openrouter' "
        "when of_scope.scope.name = 'litellm' then 'litellm' end as gateway, "
        f"unnest(coalesce(of_scope.spans, [null])) as span from ({scopes})"
    )
    held = (
        "select gateway, span.* exclude (attributes, status), "
        "coalesce(span.status.code in ('2', 'STATUS_CODE_ERROR') "
        "or span.status.message = 'Provider returned error', false) as has_failed, "
        f"list_filter(span.attributes, lambda a: a.key in ({allowed})) as held from ({spans})"
    )
    texts = (
        "select * exclude (held), list_transform(held, lambda a: a.key) as keys, "
        "list_transform(held, lambda a: coalesce(nullif(a.value.stringValue, ''), "
        r"a.value.intValue, regexp_replace(a.value.doubleValue, '\.0+$', ''), "
        'a.value.arrayValue."values"[1].stringValue)) as texts '
        f"from ({held})"
    )
    parsed = ", ".join(f"try_cast({_attribute(k)} as json) as {_json_name(k)}" for k in _JSON)
    columns = ", ".join(_column(name) for name in (*ATTRIBUTES, "cache_key"))
    known = f"select *, {columns} from (select *, {parsed} from ({texts}))"
    is_call = (
        f"(lower(operation) in ({_list(_CALLS)}) or contains(operation, '.do') "
        "or operation is null and coalesce(response_model, request_model) is not null)"
    )
    is_test = (
        f"coalesce(trace_name = {sql_text(_TEST_TRACE)} or name in ({_list(_TEST_SPANS)}), false)"
    )
    stated = [f for f in ATTRIBUTES if f.endswith(("_tokens", "_usd"))]
    selected = {
        "trace_id": _id("traceId"),
        "span_id": _id("spanId"),
        "parent_span_id": _id("parentSpanId"),
        "started_at": (
            "case when regexp_full_match(startTimeUnixNano, '[0-9]{19}') then cast(make_timestamp("
            "cast(startTimeUnixNano as bigint) // 1000) as varchar) || 'Z' "
            "else startTimeUnixNano end"
        ),
        "span_name": f"nullif(regexp_extract(name, '{_NAMES}', 1), '')",
        "is_test": f"cast({is_test} as varchar)",
        "has_failed": "cast(has_failed as varchar)",
        "is_cache_hit": "cast(cache_key is not null as varchar)",
        # It matters only if there is one.
        "finish_reason": "left(finish_reason, 100)",
        # Only OpenRouter's is needed, which its own span and an application's have in common.
        "generation_id": "case when starts_with(response_id, 'gen-') then response_id end",
        # A request that failed, or of which only the output or the cost is stated, has no input.
        "input_tokens": (
            "coalesce(input_tokens, case when output_tokens is not null or cost_usd is not null "
            f"or has_failed or {is_test} then '0' end)"
        ),
    }
    fields = ", ".join(
        f"{selected.get(f.source_name, f.source_name)} as {sql_name(f.source_name)}"
        for f in tables("raw")["otlp"].fields
    )
    states_use = f"coalesce({', '.join(stated)}) is not null"
    lacks_span = "coalesce(traceId, spanId) is null"
    return (
        f"select {fields} from ({known}) where {lacks_span} or {states_use} or {is_call} "
        f"or {is_test} or name = 'LLM Generation'"
    )


LOG = RequestLog(
    name="otlp",
    title="Traces of OpenTelemetry",
    layouts=(
        'OTLP JSON, {"resourceSpans": [...]} once, in an array or one a line, with the tokens of '
        "each request in attributes such as gen_ai.usage.input_tokens"
    ),
    recognizes=_recognizes,
    rows=_rows,
    signature=("resourceSpans",),
)
