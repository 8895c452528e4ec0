{#-
    How names of models are compared: int_model_names has the rules that use this.
-#}

{% macro name_key(text) -%}
    {#-
        A name without the differences that do not tell models apart: Claude-3.5-Sonnet@20240620,
        claude-3-5-sonnet-2024-06-20; Llama-v3p1-8B, llama3.1-8b. Digits are never joined:
        qwen2-57b is not qwen2.5-7b.
    -#}
    {%- set steps = [
        ('[._:@ ]+', '-'),
        ('-(20[0-9][0-9])-([01][0-9])-([0-3][0-9])$', '-$1$2$3'),
        ('([0-9])p([0-9])', '$1-$2'),
        ('^llama-v', 'llama-'),
        ('^gpt-35-', 'gpt-3-5-'),
        ('([a-z])-([0-9])', '$1$2'),
    ] -%}
    {%- set key = namespace(sql='lower(' ~ text ~ ')') -%}
    {%- for pattern, replacement in steps -%}
        {%- set key.sql = regexp_replaced(key.sql, pattern, replacement) -%}
    {%- endfor -%}
    {{ key.sql }}
{%- endmacro %}

{% macro key_stem(key) -%}
    {#- A key without the date at its end. -#}
    {{ regexp_replaced(key, '-?20[0-9][0-9][01][0-9][0-3][0-9]$', '') }}
{%- endmacro %}

{% macro key_date(key) -%}
    {#- The date at the end of a key; NULL if there is none. -#}
    try_cast(
        {{ regexp_replaced(
            "regexp_extract(" ~ key ~ ", '20[0-9][0-9][01][0-9][0-3][0-9]$', 0)",
            '^([0-9]{4})([0-9]{2})', '$1-$2-'
        ) }} as date
    )
{%- endmacro %}

{% macro words_before() -%}
    {#- What some hosts write before a name, with a hyphen: a pattern. -#}
    {%- set words = [
        'databricks', 'openai', 'anthropic', 'alibaba', 'amazon', 'cohere', 'google', 'xai', 'meta',
        'nvidia',
    ] -%}
    ^(({{ words | join('|') }})-)+
{%- endmacro %}

{% macro serving_words() -%}
    {#- What hosts write after a name, which says how they serve the model: a pattern. -#}
    {%- set words = [
        '-v[1-9]:[0-9]+', '-1:[0-9]+', ':[0-9]+k', '@default', '@latest', '@001', '-maas', '-tee',
        '-hf', '-fp8', '-fp16', '-bf16', '-fp4', '-nvfp4', '-mxfp4', '-int4', '-int8', '-awq',
        '-gptq', '-gguf',
    ] -%}
    ({{ words | join('|') }})+$
{%- endmacro %}

{% macro plain_words() -%}
    {#- The rest of a name that says size, version, kind and form of a model, no other maker. -#}
    {%- set words = [
        'v?[0-9][0-9.xp]*[bkmt]?', '[ae][0-9.]+b', '[0-9]+x[0-9]+b', '[rkmvz][0-9][0-9.p]*',
        'instruct', 'it', 'chat', 'base', 'hf', 'text', 'vision', 'vl', 'omni', 'audio', 'ocr',
        'coder', 'code', 'math', 'thinking', 'think', 'reasoning', 'reasoner', 'preview', 'exp',
        'experimental', 'latest', 'turbo', 'fast', 'highspeed', 'flash', 'flashx', 'air', 'airx',
        'lite', 'mini', 'nano', 'micro', 'tiny', 'small', 'medium', 'large', 'big', 'max', 'pro',
        'plus', 'ultra', 'super', 'next', 'nemo', 'terminus', 'speciale', 'guard', 'safeguard',
        'embed', 'embedding', 'scout', 'maverick', 'fp8', 'fp4', 'nvfp4', 'bf16', 'fp16', 'fp',
        'int4', 'int8', 'awq', 'gptq', 'gguf', 'maas', 'quantized', 'long', 'realtime', 'open',
    ] -%}
    ^([-_.: ]?({{ words | join('|') }}))*$
{%- endmacro %}

{% macro changed_by_others() -%}
    {#- Words of names of models that somebody made of another's: a pattern. -#}
    abliterated|uncensored|derestricted|heretic|distill|merge|lora|fine-?tune|custom
{%- endmacro %}

{% macro model_as_named(model_name) -%}
    {#- Tokens of a request that names no model are not lost: nobody can identify them. -#}
    coalesce({{ model_name }}, 'unnamed')
{%- endmacro %}
