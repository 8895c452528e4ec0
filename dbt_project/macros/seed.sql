{#-
    A seed is read by DuckDB, by the types of seeds.yml. dbt's own materialization parses every file
    in Python first, even if the adapter then copies it by its path (docs/decisions.md).
-#}
{% materialization seed, adapter='duckdb' %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {%- set path = adapter.get_seed_file_path(model) | replace("'", "''") -%}
    {%- set types = [] -%}
    {%- for column, type in config.get('column_types', {}).items() -%}
        {%- do types.append("'" ~ column ~ "': '" ~ type ~ "'") -%}
    {%- endfor -%}
    {% call statement('main', auto_begin=False) -%}
        create or replace table {{ target_relation }} as (
            select * from read_csv(
                '{{ path }}', header = true, delim = ',', quote = '"', escape = '"'
                {%- if types %}, types = { {{ types | join(', ') }} }{% endif %}
            )
        )
    {%- endcall %}
    {#- dbt shows these rows with `dbt seed --show` only, and expects that there is such a result. -#}
    {%- do store_result('agate_table', response='OK') -%}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
