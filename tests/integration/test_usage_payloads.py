"""Tokens mean the same in every source: the rule of dbt_project/macros/usage_tokens.sql on 1,577
real answers of eleven kinds of APIs, beside what the readers of pydantic/genai-prices find in them
and the totals that the answers state themselves."""

import duckdb
import jinja2
import pytest

from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT

PAYLOADS = (
    PROJECT_ROOT.parent / "shared" / "data" / "usage-payloads" / "genai-prices-usages.json.gz"
)
MACROS = (DBT_PROJECT_DIR / "macros" / "usage_tokens.sql").read_text(encoding="utf-8")

# Flavor of an API: how its answers are told, its reader in genai-prices, the counts that it states
# (input, cache_read, cache_write, output, reasoning, total), and where cache and reasoning stand.
FLAVORS = {
    "gemini": (
        "body.usageMetadata is not null", "google default",
        ("g.promptTokenCount + coalesce(g.toolUsePromptTokenCount, 0)", "g.cachedContentTokenCount",
         "null", "coalesce(g.candidatesTokenCount, 0)", "g.thoughtsTokenCount",
         "g.totalTokenCount"),
        "inside", "beside",
    ),
    "bedrock": (
        "u.inputTokens is not null", "aws default",
        ("u.inputTokens", "u.cacheReadInputTokens", "u.cacheWriteInputTokens", "u.outputTokens",
         "null", "u.totalTokens"),
        "beside", "inside",
    ),
    "anthropic": (
        "u.cache_read_input_tokens is not null", "anthropic default",
        ("u.input_tokens", "u.cache_read_input_tokens", "u.cache_creation_input_tokens",
         "u.output_tokens", "u.output_tokens_details.thinking_tokens", "null"),
        "beside", "inside",
    ),
    "openai_responses": (
        "u.input_tokens_details is not null", "openai responses",
        ("u.input_tokens", "u.input_tokens_details.cached_tokens",
         "u.input_tokens_details.cache_write_tokens", "u.output_tokens",
         "u.output_tokens_details.reasoning_tokens", "u.total_tokens"),
        "inside", "inside",
    ),
    "cohere": (
        "u.tokens is not null", "cohere tokens",
        ("u.tokens.input_tokens", "u.cached_tokens", "null", "u.tokens.output_tokens", "null",
         "null"),
        "inside", "inside",
    ),
    "cohere_embeddings": (
        "body.meta is not null", "cohere embeddings",
        ("coalesce(body.meta.billed_units.input_tokens, body.meta.billed_units.image_tokens)",
         "null", "null", "0", "null", "null"),
        "inside", "inside",
    ),
    **{
        flavor: (
            condition, reader,
            ("u.prompt_tokens", cached, "u.prompt_tokens_details.cache_write_tokens",
             "coalesce(u.completion_tokens, 0)", "u.completion_tokens_details.reasoning_tokens",
             "u.total_tokens"),
            "inside", "inside",
        )
        for flavor, condition, reader, cached in (
            ("mistral_chat", "u.num_cached_tokens is not null", "mistral default",
             "u.num_cached_tokens"),
            ("deepseek_chat", "u.prompt_cache_hit_tokens is not null", "deepseek chat",
             "u.prompt_cache_hit_tokens"),
            ("moonshot_chat", "u.cached_tokens is not null", "moonshotai chat", "u.cached_tokens"),
            ("openai_embeddings", "u.completion_tokens is null and u.prompt_tokens is not null",
             "openai embeddings", "null"),
            ("openai_chat", "u.prompt_tokens is not null", "openai chat",
             "u.prompt_tokens_details.cached_tokens"),
        )
    },
}  # fmt: skip

TYPES = """{
    body: 'STRUCT(
        "usageMetadata" STRUCT(promptTokenCount BIGINT, cachedContentTokenCount BIGINT,
            candidatesTokenCount BIGINT, thoughtsTokenCount BIGINT, totalTokenCount BIGINT,
            toolUsePromptTokenCount BIGINT),
        "usage" STRUCT("inputTokens" BIGINT, "outputTokens" BIGINT, "totalTokens" BIGINT,
            "cacheReadInputTokens" BIGINT, "cacheWriteInputTokens" BIGINT, input_tokens BIGINT,
            output_tokens BIGINT, total_tokens BIGINT, cache_read_input_tokens BIGINT,
            cache_creation_input_tokens BIGINT, prompt_tokens BIGINT, completion_tokens BIGINT,
            num_cached_tokens BIGINT, prompt_cache_hit_tokens BIGINT, cached_tokens BIGINT,
            "tokens" STRUCT(input_tokens BIGINT, output_tokens BIGINT),
            input_tokens_details STRUCT(cached_tokens BIGINT, cache_write_tokens BIGINT),
            output_tokens_details STRUCT(reasoning_tokens BIGINT, thinking_tokens BIGINT),
            prompt_tokens_details STRUCT(cached_tokens BIGINT, cache_write_tokens BIGINT),
            completion_tokens_details STRUCT(reasoning_tokens BIGINT)),
        "meta" STRUCT(billed_units STRUCT(input_tokens BIGINT, image_tokens BIGINT)))',
    extracted: 'STRUCT(
        extractors STRUCT(provider_id VARCHAR, api_flavor VARCHAR)[],
        usage STRUCT(input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT,
            cache_write_tokens BIGINT, output_reasoning_tokens BIGINT))[]'
}"""


def macro(name: str, counts: tuple[str, ...], **known: str) -> str:
    """The SQL of the macro, as dbt compiles it."""
    return str(getattr(jinja2.Template(MACROS).module, name)(*counts, **known))


def normalized() -> str:
    """SQL with one row per payload: its flavor, what its reader finds (`read_…`), and the tokens by
    the rule, with what is known of the flavor and by the numbers alone (`…_by_numbers`)."""
    parts = []
    for flavor, (_, reader, stated, cache_is, reasoning_is) in FLAVORS.items():
        counts = tuple(f"cast({count} as bigint)" for count in stated)
        prompt = macro("prompt_tokens", counts, cache_is=cache_is)
        completion = macro("completion_tokens", counts, reasoning_is=reasoning_is)
        parts.append(f"""
            select payload, flavor, {counts[5]} as total, {prompt} as prompt_tokens,
                {completion} as completion_tokens,
                {macro("prompt_tokens", counts)} as prompt_tokens_by_numbers,
                {macro("completion_tokens", counts)} as completion_tokens_by_numbers,
                coalesce({counts[1]}, 0) as cache_read_tokens,
                coalesce({counts[2]}, 0) as cache_write_tokens,
                coalesce({counts[4]}, 0) as reasoning_tokens,
                list_filter(extracted, lambda e: list_contains(
                    list_transform(e.extractors, lambda x: x.provider_id || ' ' || x.api_flavor),
                    '{reader}'
                )) as readings
            from told where flavor = '{flavor}'
        """)
    told = " ".join(f"when {condition} then '{name}'" for name, (condition, *_) in FLAVORS.items())
    return f"""
        with payloads as (
            select row_number() over () as payload, body, extracted, body.usage as u,
                body.usageMetadata as g
            from read_json('{PAYLOADS}', format = 'array', columns = {TYPES},
                maximum_object_size = 100000000)
        ),
        told as (select *, case {told} end as flavor from payloads)
        select normal.* exclude (readings), len(readings) as readers,
            coalesce(readings[1].usage.input_tokens, 0) as read_prompt,
            coalesce(readings[1].usage.output_tokens, 0) as read_completion,
            coalesce(readings[1].usage.cache_read_tokens, 0) as read_cache_read,
            coalesce(readings[1].usage.cache_write_tokens, 0) as read_cache_write,
            coalesce(readings[1].usage.output_reasoning_tokens, 0) as read_reasoning
        from payloads left join ({" union all ".join(parts)}) as normal using (payload)
    """


@pytest.mark.skipif(not PAYLOADS.exists(), reason="needs the real data in ../shared/data")
def test_real_answers_of_every_api_have_the_tokens_that_other_readers_find() -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create table payloads as {normalized()}")

        def count(condition: str) -> int:
            (found,) = connection.execute(
                f"select count(*) from payloads where {condition}"
            ).fetchone() or (0,)
            return int(found)

        assert count("readers = 1") == count("true") == 1577
        # Those with a part that may be inside or beside
        assert count("cache_read_tokens + cache_write_tokens + reasoning_tokens > 0") == 636
        for found, read in (
            ("prompt_tokens", "read_prompt"),
            ("completion_tokens", "read_completion"),
            ("cache_write_tokens", "read_cache_write"),
            ("reasoning_tokens", "read_reasoning"),
            # The numbers alone say the same as what is known of the flavor.
            ("prompt_tokens_by_numbers", "read_prompt"),
            ("completion_tokens_by_numbers", "read_completion"),
        ):
            assert count(f"{found} is distinct from {read}") == 0, found
        # The reader of Mistral does not know num_cached_tokens.
        assert count("cache_read_tokens <> read_cache_read and flavor <> 'mistral_chat'") == 0
        assert count("cache_read_tokens <> read_cache_read") == 29
        # The API's own total; two answers of a Gemini behind an OpenAI-compatible API have tokens
        # in it that they state nowhere else.
        assert count("total is not null") == 1323
        assert count("total <> prompt_tokens + completion_tokens") == 2


@pytest.mark.parametrize(
    ("counts", "prompt", "completion"),
    [
        # input, cache read, cache write, output, reasoning, total
        ((100, 40, 10, 20, 5, 120), 100, 20),
        ((100, 40, 10, 20, 5, 170), 150, 20),
        ((100, 40, 10, 20, 5, 125), 100, 25),
        ((100, 40, 10, 20, 5, 175), 150, 25),
        ((100, 90, 20, 20, 5, None), 210, 20),
        ((100, 90, 10, 20, 30, None), 100, 50),
        ((100, None, None, 20, None, None), 100, 20),
        # A total that nothing explains says nothing.
        ((100, 40, 0, 20, 5, 999), 100, 20),
        ((None, 5, 0, None, 5, None), None, None),
    ],
)
def test_the_numbers_say_whether_a_part_is_inside_or_beside(
    counts: tuple[int | None, ...], prompt: int | None, completion: int | None
) -> None:
    texts = tuple("cast(null as bigint)" if c is None else str(c) for c in counts)
    (found,) = duckdb.sql(
        f"select {macro('prompt_tokens', texts)}, {macro('completion_tokens', texts)}"
    ).fetchall()
    assert found == (prompt, completion)
