{#-
    What DuckDB and Spark spell differently, and small rules that many models share.
-#}

{% macro generate_schema_name(custom_schema_name, node) -%}
    {#-
        `marts`, not `main_marts`: one database holds one environment. A metastore of Spark has
        others beside it, so there it is `tokenshare_marts`.
    -#}
    {%- if custom_schema_name and target.type == 'spark' -%}
        {{ target.schema }}_{{ custom_schema_name | trim }}
    {%- else -%}
        {{ custom_schema_name | trim if custom_schema_name else target.schema }}
    {%- endif -%}
{%- endmacro %}

{% macro period_start(day, grain) -%}
    {#- First day of the period: the day itself, Monday of the ISO week, first of the month. -#}
    cast(date_trunc('{{ {"daily": "day", "weekly": "week", "monthly": "month"}[grain] }}', {{ day }}) as date)
{%- endmacro %}

{% macro fraction(numerator, denominator) -%}
    {#- A share of exact integers. A period without tokens has share 0; the gate stops it. -#}
    coalesce(cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0), 0)
{%- endmacro %}

{% macro valid_on(day, valid_from, valid_to) -%}
    {#- valid_from is inclusive, valid_to exclusive, NULL means open. -#}
    ({{ valid_from }} is null or {{ valid_from }} <= {{ day }})
    and ({{ valid_to }} is null or {{ day }} < {{ valid_to }})
{%- endmacro %}

{% macro joined_text(column, separator, order_by=none) -%}
    {#- The texts of a group as one, sorted. -#}
    {%- if target is defined and target.type == 'spark' -%}
        listagg({{ column }}, '{{ separator }}') within group (order by {{ order_by or column }})
    {%- else -%}
        string_agg({{ column }}, '{{ separator }}' order by {{ order_by or column }})
    {%- endif -%}
{%- endmacro %}

{% macro quoted(name) -%}
    {#- A name that is a word of SQL. -#}
    {%- if target is defined and target.type == 'spark' -%} `{{ name }}` {%- else -%} "{{ name }}" {%- endif -%}
{%- endmacro %}

{% macro days_between(first_day, last_day) -%}
    {#- Whole days from one date to another. Outside dbt (sqlfluff) there is no target. -#}
    {%- if target is defined and target.type == 'spark' -%}
        datediff({{ last_day }}, {{ first_day }})
    {%- else -%}
        cast(datediff('day', {{ first_day }}, {{ last_day }}) as integer)
    {%- endif -%}
{%- endmacro %}

{% macro minutes_between(first_moment, last_moment) -%}
    {#- Whole minutes from one moment to another, seconds cut off on both sides. -#}
    {%- if target is defined and target.type == 'spark' -%}
        timestampdiff(minute, date_trunc('minute', {{ first_moment }}), date_trunc('minute', {{ last_moment }}))
    {%- else -%}
        datediff('minute', {{ first_moment }}, {{ last_moment }})
    {%- endif -%}
{%- endmacro %}

{% macro fail_with(message) -%}
    {#- Stops the run with this message as soon as the row is computed. -#}
    {%- if target is defined and target.type == 'spark' -%} raise_error({{ message }})
    {%- else -%} error({{ message }})
    {%- endif -%}
{%- endmacro %}

{% macro corrects(correction, source, key, field) -%}
    {#- Whether a row of configuration/corrections.yml is about this field of this source. -#}
    {{ correction }}.source = {{ source }}
    and {{ correction }}.key = {{ key }}
    and {{ correction }}.field = {{ field }}
{%- endmacro %}

{% macro covers(outer_from, outer_to, inner_from, inner_to) -%}
    {#- Whether a validity is wholly within another one. -#}
    ({{ outer_from }} is null or {{ outer_from }} <= {{ inner_from }})
    and ({{ outer_to }} is null or {{ inner_to }} <= {{ outer_to }})
{%- endmacro %}

{% macro overlaps(first_from, first_to, second_from, second_to) -%}
    {#- Whether two validities share a day. -#}
    ({{ first_from }} is null or {{ second_to }} is null or {{ first_from }} < {{ second_to }})
    and ({{ second_from }} is null or {{ first_to }} is null or {{ second_from }} < {{ first_to }})
{%- endmacro %}

{% macro days_of(first_day, last_day) -%}
    {#- Days from first to last, including both. -#}
    {{ days_between(first_day, last_day) }} + 1
{%- endmacro %}

{% macro json_rows(column, fields) -%}
    {#- One row per object of a list in JSON text, with these fields as texts. -#}
    {%- if target is defined and target.type == 'spark' -%}
        explode(from_json({{ column }}, 'array<struct<{{ fields | join(': string, ') }}: string>>'))
    {%- else -%}
        unnest(from_json({{ column }}, '[{"{{ fields | join('": "VARCHAR", "') }}": "VARCHAR"}]'))
    {%- endif -%}
{%- endmacro %}

{% macro clock_time(hours_and_minutes) -%}
    {#- 100 as 01:00, NULL as NULL. -#}
    substr(lpad({{ hours_and_minutes }}, 4, '0'), 1, 2)
    || ':' || substr(lpad({{ hours_and_minutes }}, 4, '0'), 3, 2)
{%- endmacro %}

{% macro hash_of(column) -%}
    {#- A whole number of 64 bits; two texts have the same one by chance. -#}
    {%- if target is defined and target.type == 'spark' -%} xxhash64({{ column }})
    {%- else -%} hash({{ column }})
    {%- endif -%}
{%- endmacro %}

{% macro matches(column, pattern) -%}
    {#- Whether a part of the text matches a regular expression; ^ and $ are its ends. -#}
    {%- if target is defined and target.type == 'spark' -%} {{ column }} rlike '{{ pattern }}'
    {%- else -%} regexp_matches({{ column }}, '{{ pattern }}')
    {%- endif -%}
{%- endmacro %}

{% macro all_columns_but(columns) -%}
    {#- Every column of the relation except these. -#}
    * {{ 'except' if target is defined and target.type == 'spark' else 'exclude' }} ({{ columns | join(', ') }})
{%- endmacro %}

{% macro with_variant(model, variant) -%}
    {#- The model with its variant, as OpenRouter writes it: author/model:free. -#}
    case
        when coalesce({{ variant }}, 'standard') in ('standard', '') then {{ model }}
        when right({{ model }}, length({{ variant }}) + 1) = ':' || {{ variant }} then {{ model }}
        else {{ model }} || ':' || {{ variant }}
    end
{%- endmacro %}

{% macro regexp_replaced(text, pattern, replacement) -%}
    {#-
        The text with every match replaced; $1, $2 … are the groups of a match. No backslashes in
        the pattern: Spark reads them as escapes.
    -#}
    {%- if target is defined and target.type == 'spark' -%}
        regexp_replace({{ text }}, '{{ pattern }}', '{{ replacement }}')
    {%- else -%}
        regexp_replace({{ text }}, '{{ pattern }}', '{{ replacement | replace("$", "\\") }}', 'g')
    {%- endif -%}
{%- endmacro %}
