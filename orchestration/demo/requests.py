"""Simulate request logs: many requests, as a company's gateway would log them.

Real are the models of each day (the landed rankings, by their share of tokens) and the numbers of
tokens (`request_tokens.csv`, quantiles of real traces). All else is made up. DuckDB makes the rows
in SQL and streams them to the file, so memory does not grow with the rows. Each value is a hash of
the seed, the day and the number of the request: the same arguments make the same bytes, with the
same version of DuckDB.
"""

import gzip
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from orchestration.demo.history import OTHER, History
from orchestration.errors import TokenshareError
from orchestration.files import format_time
from orchestration.tables import sql_text

_TOKENS = Path(__file__).with_name("request_tokens.csv")
# Models are drawn from so many slots of equal chance.
_SLOTS = 1000
# A repeat is of one of so many requests before it.
_REPEATED_WITHIN = 100_000
_LATE_DAYS = 3
_MAX_ROWS = 10_000_000_000
# Ends of file names, with what DuckDB's COPY needs; `.gz` may follow a text.
ENDINGS = {
    ".parquet": "format parquet, compression zstd",
    ".csv": "format csv, header",
    ".jsonl": "format json",
}
_COMPRESSED = ".gz"


@dataclass(frozen=True)
class Load:
    """What a simulated log has: `rows` rows, of which so many in a million repeat an earlier
    request, belong to one of the three days before (late), or break the contract (bad)."""

    rows: int
    duplicates_ppm: int = 5_000
    late_ppm: int = 1_000
    bad_ppm: int = 100
    seed: int = 0


def ending(name: str) -> str:
    """The part of a file name that says what is in it: `.parquet`, or `.jsonl.gz`.

    Raises TokenshareError if it is none that can be written.
    """
    kind = "." + name.removesuffix(_COMPRESSED).rpartition(".")[2]
    packed = name.endswith(_COMPRESSED)
    if kind not in ENDINGS or (packed and kind == ".parquet"):
        raise TokenshareError(
            f"{name}: expected a name that ends with .parquet, .csv, .csv.gz, .jsonl or .jsonl.gz"
        )
    return kind + (_COMPRESSED if packed else "")


def _draw(number: int) -> str:
    """SQL for a number from 0 up to 1, one for each request and `number`: half of a hash."""
    half = f"hash_{number // 2} >> 32" if number % 2 else f"hash_{number // 2} & 4294967295"
    return f"(cast({half} as double) / 4294967296)"


def _tokens(column: str, draw: str) -> str:
    """SQL for a number of tokens: the quantile that `draw` names, and some of the next step."""
    of_service = " ".join(
        f"when service = '{service}' then list_extract(getvariable('{service}_{column}'), {{at}})"
        for service in ("code", "conversation")
    )
    low = f"case {of_service.format(at=f'1 + cast(floor({draw} * 1000) as integer)')} end"
    high = f"case {of_service.format(at=f'2 + cast(floor({draw} * 1000) as integer)')} end"
    return f"cast(floor({low} + ({high} - {low}) * ({draw} * 1000 % 1)) as bigint)"


def _requests(load: Load, day: date) -> str:
    """SQL for the requests of one log, in its order, before they get the form of a format."""
    fresh = f"(place - place * {load.duplicates_ppm} // 1000000)"
    is_repeat = (
        f"(place + 1) * {load.duplicates_ppm} // 1000000 > place * {load.duplicates_ppm} // 1000000"
    )
    distinct = load.rows - load.rows * load.duplicates_ppm // 1_000_000
    of_day = (day - date(1970, 1, 1)).days * _MAX_ROWS
    # Hashed twice: of several values, DuckDB's hashes differ by the same bits for every row.
    hashes = ", ".join(
        f"hash(xor(hash(id, {load.seed}), {i}::ubigint)) as hash_{i}" for i in range(5)
    )
    is_late = f"{_draw(4)} < {load.late_ppm / 1e6}"
    bad = f"cast(case when {_draw(5)} < {load.bad_ppm / 1e6} then hash_4 % 4 end as integer)"
    return f"""
        with places as (
            select range as place from range({load.rows})
        ),
        numbered as (
            select
                case
                    when {is_repeat}
                        then {fresh} - 1
                            - cast(hash(place, {load.seed}) % least({fresh}, {_REPEATED_WITHIN})
                            as bigint)
                    else {fresh}
                end as number
            from places
        ),
        hashed as (
            select *, {hashes} from (select number, number + {of_day} as id from numbered)
        ),
        drawn as (
            select
                *,
                timestamp '{day}'
                + to_microseconds(
                    cast(floor((number + {_draw(0)}) * {86_400_000_000 / distinct!r}) as bigint)
                )
                - to_days(
                    case when {is_late} then 1 + cast(hash_3 % {_LATE_DAYS} as integer) else 0 end
                ) as happened_at,
                list_extract(
                    getvariable('models'), 1 + cast(floor({_draw(1)} * {_SLOTS}) as integer)
                ) as model,
                case
                    when {_draw(2)} < getvariable('code_share') then 'code' else 'conversation'
                end as service,
                case
                    when {_draw(3)} < 0.97 then 'succeeded'
                    when {_draw(3)} < 0.99 then 'failed'
                    else 'cancelled'
                end as status,
                coalesce({bad}, -1) as bad
            from hashed
        ),
        counted as (
            select
                *,
                {_tokens("prompt_tokens", _draw(6))} as real_prompt_tokens,
                {_tokens("completion_tokens", _draw(7))} as real_completion_tokens
            from drawn
        )
        select
            case when bad <> 0 then printf('sim-%016x-%d', hash_0, id) end as request_id,
            printf('%016x%016x', hash_0, id) as trace_id,
            case when bad = 1 then timestamp '2999-01-01' else happened_at end as started_at,
            happened_at + to_milliseconds(cast(20 * real_completion_tokens as bigint)) as ended_at,
            model,
            split_part(model, '/', 1) as provider,
            list_extract(
                ['us-east-1', 'us-west-2', 'eu-west-1', 'ap-southeast-1'],
                1 + cast(hash_1 % 4 as integer)
            ) as region,
            status,
            case
                when bad = 2 then -1
                when bad = 3 then 10000000000000
                when status <> 'failed' then real_prompt_tokens
            end as prompt_tokens,
            case when status <> 'failed' then real_completion_tokens end as completion_tokens,
            case
                when status = 'failed' then null
                when hash_2 % 10 < 3 then real_completion_tokens // 2
                else 0
            end as reasoning_tokens,
            case
                when status = 'failed' then null
                when hash_3 % 10 < 4 then real_prompt_tokens * 3 // 4
                else 0
            end as cache_read_tokens,
            case
                when status = 'failed' then 0
                else cast(
                    (real_prompt_tokens + 4 * real_completion_tokens) * 0.000001 as decimal(18, 9)
                )
            end as cost_usd,
            'simulated user ' || hash_4 % 1000 as user_name
        from counted
    """


_USAGE_EVENTS = """
    select
        request_id, started_at, model, provider, region, status, prompt_tokens, completion_tokens,
        reasoning_tokens, cache_read_tokens, 0 as cache_write_tokens, cost_usd,
        user_name as "user", 'A simulated prompt.' as prompt
    from requests
"""

# The 36 columns of LiteLLM_SpendLogs in litellm-proxy-extras 0.4.110, with `usage_object` in the
# metadata as LiteLLM's own test of a row has it (BerriAI/litellm).
_LITELLM = """
    select
        request_id,
        case when status = 'failed' then '' else 'acompletion' end as call_type,
        'simulated-key-hash' as api_key,
        cast(cost_usd as double) as spend,
        coalesce(prompt_tokens + completion_tokens, 0) as total_tokens,
        coalesce(prompt_tokens, 0) as prompt_tokens,
        coalesce(completion_tokens, 0) as completion_tokens,
        started_at as "startTime",
        ended_at as "endTime",
        cast(20 * completion_tokens as bigint) as request_duration_ms,
        ended_at as "completionStartTime",
        case when status = 'failed' then '' else model end as model,
        '' as model_id,
        model as model_group,
        case when status = 'failed' then '' else 'openrouter' end as custom_llm_provider,
        '' as api_base,
        user_name as "user",
        case
            when status = 'failed' then '{"status": "failure", "usage_object": null}'
            else printf(
                '{"status": null, "usage_object": {"completion_tokens": %d, "prompt_tokens": %d, '
                || '"completion_tokens_details": {"reasoning_tokens": %d}, '
                || '"prompt_tokens_details": {"cached_tokens": %d}}, '
                || '"user_api_key_alias": "simulated key"}',
                completion_tokens, prompt_tokens, reasoning_tokens, cache_read_tokens
            )
        end as metadata,
        'None' as cache_hit,
        'Cache OFF' as cache_key,
        '[]' as request_tags,
        'simulated team' as team_id,
        '' as organization_id,
        user_name as end_user,
        '192.0.2.1' as requester_ip_address,
        '{"content": "A simulated prompt."}' as messages,
        '{"content": "A simulated answer."}' as response,
        'simulated session' as session_id,
        case when status = 'succeeded' then 'success' else 'failure' end as status,
        null::varchar as mcp_namespaced_tool_name,
        null::varchar as billing_agent_id,
        null::varchar as agent_id,
        '{}' as proxy_server_request,
        request_id as litellm_call_id,
        ended_at as created_at,
        ended_at as updated_at
    from requests
"""


def _attribute(key: str, kind: str, value: str) -> str:
    return f""" '{{"key":"{key}","value":{{"{kind}":' || {value} || '}}}}' """


def _otlp() -> str:
    """One body of OpenRouter's Broadcast a line, with one span; keys as in real bodies of 2026-07
    (harjeet2020/burnbar)."""
    as_text = "cast(to_json({}) as varchar)"
    if_known = "case when prompt_tokens is not null then {} end"
    attributes = ", ".join(
        [
            _attribute("trace.name", "stringValue", """'"OpenRouter Request"'"""),
            _attribute("gen_ai.operation.name", "stringValue", """'"chat"'"""),
            _attribute("gen_ai.provider.name", "stringValue", as_text.format("provider")),
            _attribute("gen_ai.request.model", "stringValue", as_text.format("model")),
            _attribute("gen_ai.response.model", "stringValue", as_text.format("model")),
            _attribute("gen_ai.response.id", "stringValue", as_text.format("request_id")),
            *(
                if_known.format(_attribute(f"gen_ai.usage.{key}", kind, value))
                for key, kind, value in (
                    ("input_tokens", "intValue", "prompt_tokens"),
                    ("output_tokens", "intValue", "completion_tokens"),
                    ("total_tokens", "intValue", "prompt_tokens + completion_tokens"),
                    ("total_cost", "doubleValue", "cost_usd"),
                    ("input_tokens.cached", "intValue", "cache_read_tokens"),
                    ("output_tokens.reasoning", "intValue", "reasoning_tokens"),
                )
            ),
            "case when status = 'succeeded' then "
            + _attribute("gen_ai.response.finish_reason", "stringValue", """'"stop"'""")
            + " end",
            _attribute("trace.metadata.openrouter.api_key_name", "stringValue", "'\"simulated\"'"),
            _attribute(
                "trace.metadata.openrouter.creator_user_id",
                "stringValue",
                as_text.format("user_name"),
            ),
            _attribute(
                "trace.metadata.openrouter.provider_name", "stringValue", as_text.format("provider")
            ),
            _attribute("gen_ai.prompt", "stringValue", """'"A simulated prompt."'"""),
        ]
    )
    nanoseconds = "epoch_us({}) || '000'"
    status = """case when status = 'failed'
        then '{"code":2,"message":"Provider returned error"}' else '{"code":1}' end"""
    return f"""
        select cast(
            '[{{"resource":{{"attributes":[{{"key":"service.name","value":{{"stringValue":'
            || '"openrouter"}}}}]}},"scopeSpans":[{{"scope":{{"name":"openrouter"}},"spans":['
            || '{{"traceId":"' || trace_id || '","spanId":"' || left(trace_id, 16)
            || '","name":"LLM Generation","kind":3,"startTimeUnixNano":"'
            || {nanoseconds.format("started_at")} || '","endTimeUnixNano":"'
            || {nanoseconds.format("ended_at")} || '","status":' || {status}
            || ',"attributes":[' || concat_ws(',', {attributes}) || ']}}]}}]}}]' as json
        ) as "resourceSpans"
        from requests
    """


# The formats that can be simulated: SQL over `requests`, and the ends of their file names.
FORMATS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "usage_events": (_USAGE_EVENTS, tuple(ENDINGS)),
    "litellm_spendlogs": (_LITELLM, (".csv", ".jsonl")),
    "otlp": (_otlp(), (".jsonl",)),
}

README = """# Simulated requests, nobody's real ones

`tokenshare simulate requests` made {files} ({format}): {rows:,} rows a day of {first} to {last},
seed {seed}. Of a million rows {duplicates:,} repeat an earlier request, {late:,} are of one of the
{late_days} days before their file's, and {bad:,} break the contract: no id, a time in 2999, or
prompt tokens of -1 or 10,000,000,000,000.

Real are the models and their shares of the requests of each day, up to {history_last} (later days
repeat it): those of the tokens in OpenRouter's rankings. So are the numbers of prompt and
completion tokens: they are drawn from traces of 28,185 real requests to two services of Azure,
independently of each other and of the model. All else is made up: ids, times in the day, providers,
regions, outcomes, caching, reasoning and cost (1 and 4 USD for a million prompt and completion
tokens). The users and prompts in the files are made up too; they are there because a real log has
such columns, which landing leaves out.

Sources: OpenRouter (openrouter.ai/rankings), as of {as_of}, licensed under CC BY 4.0.
Azure/AzurePublicDataset, AzureLLMInferenceTrace 2023, licensed under CC BY 4.0.
"""


def write_requests(
    target: Path, history: History, load: Load, days: list[date], log_format: str, file_ending: str
) -> list[Path]:
    """Write one log for each day and a README; returns the paths of the logs.

    A target with an `ending` is the file of the only day, and its README is beside it. Any other
    target is a new or empty folder: the README and, below `logs`, a file for each day, named by the
    next midnight, when a gateway would export it.

    Raises TokenshareError if the target exists, the format has no such ending, or the history does
    not go back to the first day.
    """
    sql, allowed = FORMATS[log_format]
    if file_ending.removesuffix(_COMPRESSED) not in allowed:
        raise TokenshareError(
            f"{log_format} is written as {', '.join(allowed)}, not as {file_ending}"
        )
    if days[0] < history.first:
        raise TokenshareError(
            f"the first day is {days[0]}, and the history begins on {history.first}"
        )
    is_file = target.name.endswith(file_ending)
    if is_file:
        if target.exists():
            raise TokenshareError(f"{target}: exists; expected a new file")
        paths, readme = [target], target.with_name(f"{target.name}.README.md")
        target.parent.mkdir(parents=True, exist_ok=True)
    else:
        if target.exists() and any(target.iterdir()):
            raise TokenshareError(f"{target}: is not empty; expected a new or empty folder")
        logs = target / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        paths = [
            logs / f"{day + timedelta(days=1)}T00-05-00Z.simulated{file_ending}" for day in days
        ]
        readme = target / "README.md"
    with duckdb.connect() as connection:
        _set_tokens(connection)
        for day, path in zip(days, paths, strict=True):
            _set_models(connection, history, day)
            _write(
                connection, f"with requests as ({_requests(load, day)}) {sql}", path, file_ending
            )
    readme.write_text(
        README.format(
            files=target.name if is_file else "the files in `logs`",
            format=log_format,
            rows=load.rows,
            first=days[0],
            last=days[-1],
            seed=load.seed,
            duplicates=load.duplicates_ppm,
            late=load.late_ppm,
            late_days=_LATE_DAYS,
            bad=load.bad_ppm,
            history_last=history.last,
            as_of=format_time(history.as_of),
        ),
        encoding="utf-8",
    )
    return paths


def _set_tokens(connection: duckdb.DuckDBPyConnection) -> None:
    columns = [
        f"{service}_{part}_tokens"
        for service in ("code", "conversation")
        for part in ("prompt", "completion")
    ]
    for column in columns:
        connection.execute(
            f"set variable {column} = (select list({column} order by permille) "
            f"from read_csv({sql_text(_TOKENS)}))"
        )
    # 8,819 of the 28,185 requests of the traces are of `code`.
    connection.execute("set variable code_share = 8819 / 28185")


def _set_models(connection: duckdb.DuckDBPyConnection, history: History, day: date) -> None:
    """Set the variable `models`: a model for each slot, as often as its share of the day's
    tokens says."""
    newest = max(d for d in history.days if d <= day)
    ranked = [(slug, tokens) for slug, tokens in history.days[newest] if slug != OTHER]
    total = sum(tokens for _, tokens in ranked)
    slots: list[str] = []
    reached = 0
    for slug, tokens in ranked:
        reached += tokens
        slots += [slug] * (reached * _SLOTS // total - len(slots))
    connection.execute("set variable models = $1", [slots])


def _write(connection: duckdb.DuckDBPyConnection, sql: str, path: Path, file_ending: str) -> None:
    plain = path.with_name(f"{path.name}.plain") if file_ending.endswith(_COMPRESSED) else path
    options = ENDINGS[file_ending.removesuffix(_COMPRESSED)]
    connection.execute(f"copy ({sql}) to {sql_text(plain)} ({options})")
    if plain != path:
        # Ten times faster than the compression of DuckDB, on one core
        with (
            plain.open("rb") as source,
            path.open("wb") as raw,
            gzip.GzipFile("", "wb", 1, raw, mtime=0) as packed,
        ):
            shutil.copyfileobj(source, packed, 1024 * 1024)
        plain.unlink()
