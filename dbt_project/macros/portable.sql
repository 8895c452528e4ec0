{#-
    What DuckDB and Spark spell differently, and small rules that many models share. Models call
    `joined_text`; dbt's `adapter.dispatch` chooses `duckdb__joined_text` or `spark__joined_text`.
-#}

{% macro generate_schema_name(custom_schema_name, node) -%}
    {#-
        `marts`, not `main_marts`: one database of DuckDB holds one environment. A metastore has
        others beside it, so there it is `tokenshare_marts`.
    -#}
    {%- if custom_schema_name and target.type != 'duckdb' -%}
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
    {{ adapter.dispatch('joined_text')(column, separator, order_by) }}
{%- endmacro %}

{% macro duckdb__joined_text(column, separator, order_by=none) -%}
    string_agg({{ column }}, '{{ separator }}' order by {{ order_by or column }})
{%- endmacro %}

{% macro spark__joined_text(column, separator, order_by=none) -%}
    listagg({{ column }}, '{{ separator }}') within group (order by {{ order_by or column }})
{%- endmacro %}

{% macro quoted(name) -%}
    {#- A name that is a word of SQL. -#}
    {{ adapter.dispatch('quoted')(name) }}
{%- endmacro %}

{% macro duckdb__quoted(name) -%}
    "{{ name }}"
{%- endmacro %}

{% macro spark__quoted(name) -%}
    `{{ name }}`
{%- endmacro %}

{% macro days_between(first_day, last_day) -%}
    {#- Whole days from one date to another. -#}
    {{ adapter.dispatch('days_between')(first_day, last_day) }}
{%- endmacro %}

{% macro duckdb__days_between(first_day, last_day) -%}
    cast(datediff('day', {{ first_day }}, {{ last_day }}) as integer)
{%- endmacro %}

{% macro spark__days_between(first_day, last_day) -%}
    datediff({{ last_day }}, {{ first_day }})
{%- endmacro %}

{% macro minutes_between(first_moment, last_moment) -%}
    {#- Whole minutes from one moment to another, seconds cut off on both sides. -#}
    {{ adapter.dispatch('minutes_between')(first_moment, last_moment) }}
{%- endmacro %}

{% macro duckdb__minutes_between(first_moment, last_moment) -%}
    datediff('minute', {{ first_moment }}, {{ last_moment }})
{%- endmacro %}

{% macro spark__minutes_between(first_moment, last_moment) -%}
    timestampdiff(minute, date_trunc('minute', {{ first_moment }}), date_trunc('minute', {{ last_moment }}))
{%- endmacro %}

{% macro fail_with(message) -%}
    {#- Stops the run with this message as soon as the row is computed. -#}
    {{ adapter.dispatch('fail_with')(message) }}
{%- endmacro %}

{% macro duckdb__fail_with(message) -%}
    error({{ message }})
{%- endmacro %}

{% macro spark__fail_with(message) -%}
    raise_error({{ message }})
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
    {{ adapter.dispatch('json_rows')(column, fields) }}
{%- endmacro %}

{% macro duckdb__json_rows(column, fields) -%}
    unnest(from_json({{ column }}, '[{"{{ fields | join('": "VARCHAR", "') }}": "VARCHAR"}]'))
{%- endmacro %}

{% macro spark__json_rows(column, fields) -%}
    explode(from_json({{ column }}, 'array<struct<{{ fields | join(': string, ') }}: string>>'))
{%- endmacro %}

{% macro clock_time(hours_and_minutes) -%}
    {#- 100 as 01:00, NULL as NULL. -#}
    substr(lpad({{ hours_and_minutes }}, 4, '0'), 1, 2)
    || ':' || substr(lpad({{ hours_and_minutes }}, 4, '0'), 3, 2)
{%- endmacro %}

{% macro hash_of(column) -%}
    {#- A whole number of 64 bits; two texts have the same one by chance. -#}
    {{ adapter.dispatch('hash_of')(column) }}
{%- endmacro %}

{% macro duckdb__hash_of(column) -%}
    hash({{ column }})
{%- endmacro %}

{% macro spark__hash_of(column) -%}
    xxhash64({{ column }})
{%- endmacro %}

{% macro matches(column, pattern) -%}
    {#- Whether a part of the text matches a regular expression; ^ and $ are its ends. -#}
    {{ adapter.dispatch('matches')(column, pattern) }}
{%- endmacro %}

{% macro duckdb__matches(column, pattern) -%}
    regexp_matches({{ column }}, '{{ pattern }}')
{%- endmacro %}

{% macro spark__matches(column, pattern) -%}
    {{ column }} rlike '{{ pattern }}'
{%- endmacro %}

{% macro all_columns_but(columns) -%}
    {#- Every column of the relation except these. -#}
    {{ adapter.dispatch('all_columns_but')(columns) }}
{%- endmacro %}

{% macro duckdb__all_columns_but(columns) -%}
    * exclude ({{ columns | join(', ') }})
{%- endmacro %}

{% macro spark__all_columns_but(columns) -%}
    * except ({{ columns | join(', ') }})
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
    {{ adapter.dispatch('regexp_replaced')(text, pattern, replacement) }}
{%- endmacro %}

{% macro duckdb__regexp_replaced(text, pattern, replacement) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '{{ replacement | replace("$", "\\") }}', 'g')
{%- endmacro %}

{% macro spark__regexp_replaced(text, pattern, replacement) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '{{ replacement }}')
{%- endmacro %}
