{#-
    What Spark needs that DuckDB does not: the raw tables, and seeds that are read by the engine.
-#}

{% macro spark_text(text) -%}
    {#- A text as Spark writes it: a path may have a quote in it. -#}
    '{{ text | replace("\\", "\\\\") | replace("'", "\\'") }}'
{%- endmacro %}

{% macro create_raw_tables() %}
    {#-
        On Spark, each of TOKENSHARE_RAW_TABLES is the folder of Parquet files with its name below
        TOKENSHARE_RAW, which is read where it is; each of TOKENSHARE_RAW_BY_DAY has a folder for
        each day. On DuckDB the working database has them already, so this is an operation
        (`dbt run-operation create_raw_tables`) and no hook.
    -#}
    {%- if execute %}
        {%- set schema = target.schema ~ '_raw' %}
        {%- do run_query('create schema if not exists ' ~ schema) %}
        {%- for name in env_var('TOKENSHARE_RAW_TABLES', '').split() %}
            {%- do run_query('drop table if exists ' ~ schema ~ '.' ~ name) %}
            {%- do run_query(
                'create table ' ~ schema ~ '.' ~ name ~ ' using parquet location '
                ~ spark_text(env_var('TOKENSHARE_RAW') ~ '/' ~ name)
            ) %}
        {%- endfor %}
        {#- Otherwise Spark would find none of the days, and say nothing. -#}
        {%- for name in env_var('TOKENSHARE_RAW_BY_DAY', '').split() %}
            {%- do run_query('msck repair table ' ~ schema ~ '.' ~ name) %}
        {%- endfor %}
    {%- endif %}
{% endmacro %}

{% macro spark__create_schema(relation) -%}
    {#- With its tables where everybody looks for them, whatever the warehouse of the server is. -#}
    {%- call statement('create_schema') -%}
        create schema if not exists {{ relation.schema }}
        location {{ spark_text(env_var('TOKENSHARE_SPARK_TABLES') ~ '/' ~ relation.schema ~ '.db') }}
    {%- endcall %}
{%- endmacro %}

{#-
    A seed is read by Spark, by the types of seeds.yml, from TOKENSHARE_SPARK_PROJECT if the project
    is not where Spark can read it. dbt's own materialization sends every row as a text within a
    statement, and numbers as doubles.
-#}
{% materialization seed, adapter='spark' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set folder = env_var('TOKENSHARE_SPARK_PROJECT', model.root_path) -%}
    {%- set path = spark_text(folder ~ '/' ~ model.original_file_path) -%}
    {% call statement('read', auto_begin=False) -%}
        create or replace temporary view {{ model.name }}_file using csv options (
            path {{ path }}, header 'true', quote '"', escape '"', multiLine 'true'
        )
    {%- endcall %}
    {%- do adapter.drop_relation(target_relation) %}
    {% call statement('main', auto_begin=False) -%}
        create table {{ target_relation }} using parquet as
        select
            {% for column, type in config.get('column_types', {}).items() -%}
            cast({{ column }} as {{ type }}) as {{ column }}{{ ',' if not loop.last }}
            {% endfor %}
        from {{ model.name }}_file
    {%- endcall %}
    {%- do store_result('agate_table', response='OK') -%}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
