{#-
    Tables of a database that every run makes anew: created under their own name at once. dbt's own
    materialization builds beside, renames twice, drops and commits, to protect a table that readers
    have open; nobody reads the working database (see docs/decisions.md). On 59 models that took a
    quarter of dbt's time.
-#}
{% materialization table, adapter='duckdb', supported_languages=['sql'] %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {% call statement('main', auto_begin=False) -%}
        drop table if exists {{ target_relation }};
        {{ create_table_as(False, target_relation, compiled_code, 'sql') }}
    {%- endcall %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#-
    Seeds likewise, and read by DuckDB alone: dbt's own reads every row in Python first. A column
    is text where `column_types` does not say otherwise.
-#}
{% materialization seed, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {% call statement('main', auto_begin=False) -%}
        drop table if exists {{ target_relation }};
        create table {{ target_relation }} as
        select *
        from read_csv(
            '{{ adapter.get_seed_file_path(model) | replace("'", "''") }}',
            header = true,
            delim = ',', quote = '"', escape = '"',
            types = {
                {%- for name, type in config.get('column_types', {}).items() -%}
                '{{ name }}': '{{ type }}'{{ ', ' if not loop.last }}
                {%- endfor -%}
            },
            auto_type_candidates = ['varchar']
        )
    {%- endcall %}
    {#- dbt asks for the rows that it read, to show them; there are none. -#}
    {%- do store_result('agate_table', response='OK', agate_table=none) -%}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#- Views likewise. -#}
{% materialization view, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='view') -%}
    {% call statement('main', auto_begin=False) -%}
        create or replace view {{ target_relation }} as (
            {{ compiled_code }}
        )
    {%- endcall %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#-
    The check of an enforced contract. dbt's own describes a second query, of the contract's
    columns, only to spell their types; ours are spelled as DuckDB spells them.
-#}
{% macro duckdb__get_assert_columns_equivalent(sql) %}
    {%- set found = {} -%}
    {%- for column in adapter.get_column_schema_from_query(sql) -%}
        {%- do found.update({column.name | lower: column.dtype | lower}) -%}
    {%- endfor -%}
    {%- set expected = {} -%}
    {%- for column in model['columns'].values() -%}
        {%- do expected.update({column['name'] | lower: column['data_type'] | lower}) -%}
    {%- endfor -%}
    {%- if found != expected -%}
        {%- do assert_columns_equivalent(sql) -%}
    {%- endif -%}
{% endmacro %}
