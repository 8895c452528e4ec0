{#-
    What DuckDB and Spark spell differently, and small rules that many models share.
-#}

{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- `marts`, not `main_marts`: one database holds one environment. -#}
    {{ custom_schema_name | trim if custom_schema_name else target.schema }}
{%- endmacro %}

{% macro period_start(day, grain) -%}
    {#- First day of the period: the day itself, Monday of the ISO week, first of the month. -#}
    cast(date_trunc('{{ {"daily": "day", "weekly": "week", "monthly": "month"}[grain] }}', {{ day }}) as date)
{%- endmacro %}

{% macro days_in_period(period_start, grain) -%}
    {%- if grain == 'monthly' -%} day(last_day({{ period_start }}))
    {%- else -%} {{ {'daily': 1, 'weekly': 7}[grain] }}
    {%- endif -%}
{%- endmacro %}

{% macro fraction(numerator, denominator) -%}
    {#- A share of exact integers. A period without tokens has share 0; the gate stops it. -#}
    coalesce(cast({{ numerator }} as double) / nullif(cast({{ denominator }} as double), 0), 0)
{%- endmacro %}

{% macro valid_on(day, valid_from, valid_to) -%}
    {#- valid_from inclusive, valid_to exclusive, NULL is open. -#}
    ({{ valid_from }} is null or {{ valid_from }} <= {{ day }})
    and ({{ valid_to }} is null or {{ day }} < {{ valid_to }})
{%- endmacro %}

{% macro joined_text(column, separator) -%}
    {#- The texts of a group as one, sorted. Spark: array_join(array_sort(collect_list(…)), …). -#}
    string_agg({{ column }}, '{{ separator }}' order by {{ column }})
{%- endmacro %}

{% macro quoted(name) -%}
    {#- A name that is a word of SQL. Spark: `name`. -#}
    "{{ name }}"
{%- endmacro %}

{% macro days_between(from_day, to_day) -%}
    {#- Whole days from one date to another. Spark: datediff(to_day, from_day). -#}
    ({{ to_day }} - {{ from_day }})
{%- endmacro %}
