{#-
    Tokens mean the same in every source: `prompt_tokens` are all prompt tokens, those read from and
    written to a prompt cache included; `completion_tokens` are all completion tokens, reasoning
    included. APIs state the parts inside the whole or beside it:

        OpenAI chat and responses          all inside
        Anthropic, Amazon Bedrock          cache beside the input, reasoning inside the output
        Gemini                             cache inside the prompt, reasoning beside the candidates
        xAI chat                           cache inside the prompt, reasoning beside the completion

    cache, reasoning_is: `inside` or `beside` if the format defines it. By default the numbers of the
    row say it: what the total has more than input and output is beside them, and so does a part
    that is larger than its whole. All arguments are columns or SQL; without a total: NULL.
-#}
{% macro prompt_tokens(
    input, cache_read, cache_write, output, reasoning, total='cast(null as bigint)', cache_is=none
) -%}
    {%- set cached = '(coalesce(' ~ cache_read ~ ', 0) + coalesce(' ~ cache_write ~ ', 0))' -%}
    {{ input }} + {% if cache_is == 'inside' -%} 0
    {%- elif cache_is == 'beside' -%} {{ cached }}
    {%- else -%}
        case
            when
                {{ total }} - {{ input }} - coalesce({{ output }}, 0)
                in ({{ cached }}, {{ cached }} + coalesce({{ reasoning }}, 0))
                then {{ cached }}
            when {{ cached }} > {{ input }} then {{ cached }}
            else 0
        end
    {%- endif -%}
{%- endmacro %}

{% macro completion_tokens(
    input, cache_read, cache_write, output, reasoning, total='cast(null as bigint)', reasoning_is=none
) -%}
    {%- set cached = '(coalesce(' ~ cache_read ~ ', 0) + coalesce(' ~ cache_write ~ ', 0))' -%}
    {%- set reasoned = 'coalesce(' ~ reasoning ~ ', 0)' -%}
    {{ output }} + {% if reasoning_is == 'inside' -%} 0
    {%- elif reasoning_is == 'beside' -%} {{ reasoned }}
    {%- else -%}
        case
            when
                {{ total }} - {{ input }} - {{ output }}
                in ({{ reasoned }}, {{ cached }} + {{ reasoned }})
                then {{ reasoned }}
            when {{ reasoned }} > {{ output }} then {{ reasoned }}
            else 0
        end
    {%- endif -%}
{%- endmacro %}
