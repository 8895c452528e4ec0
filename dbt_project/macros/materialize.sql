{#-
    Tables of a database that every run makes anew: created under their own name at once. dbt's own
    materialization builds beside, renames twice, drops and commits, to protect a table that readers
    have open; nobody reads the working database (see docs/decisions.md). On 59 models that took a
    quarter of dbt's time.
-#}
{% materialization table, adapter='duckdb', supported_languages=['sql'] %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {% call statement('main', auto_begin=False) -%}
        create or replace table {{ target_relation }} as (
            {{ compiled_code }}
        );
        {% if config.get('contract').enforced -%}
            {{ keeps_its_contract(target_relation) }}
        {%- endif %}
    {%- endcall %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}

{#-
    The check of an enforced contract, on the table itself: its columns with their types, spelled as
    DuckDB spells them, and no NULL in a required one. dbt's own plans every query a second time to
    learn its columns, which took a seventh of the time of all SQL.
-#}
{% macro keeps_its_contract(relation) -%}
    {%- set expected = [] -%}
    {%- set required = [] -%}
    {%- for column in model['columns'].values() -%}
        {%- do expected.append(column['name'] ~ ' ' ~ column['data_type'] | lower) -%}
        {#- not_null is all that the contracts constrain, see orchestration/contracts. -#}
        {%- if column['constraints'] -%}
            {%- do required.append('"' ~ column['name'] ~ '"') -%}
        {%- endif -%}
    {%- endfor %}
    {%- set expected = expected | sort | join(', ') -%}
    select
        case
            when found <> '{{ expected }}'
                then
                    error(
                        'the contract of {{ model.name }} asks for {{ expected }}; made was '
                        || found
                    )
        end
    from (
        select string_agg(name || ' ' || lower(type), ', ' order by name) as found
        from pragma_table_info('{{ relation.schema }}.{{ relation.identifier }}')
    );
    {%- if required %}
    select
        case
            when count(*) > 0
                then
                    error(
                        count(*) || ' row(s) of {{ model.name }} have NULL in one of '
                        '{{ required | join(', ') }}, for which its contract asks for a value'
                    )
        end
    from {{ relation }}
    where {{ required | join(' is null or ') }} is null;
    {%- endif %}
{%- endmacro %}

{#-
    Seeds likewise, and read by DuckDB alone: dbt's own reads every row in Python first. A column
    is text where `column_types` does not say otherwise.
-#}
{% materialization seed, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {% call statement('main', auto_begin=False) -%}
        create or replace table {{ target_relation }} as
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
