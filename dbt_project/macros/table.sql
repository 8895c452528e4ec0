{#-
    Tables of a database that every run makes anew: created under their own name at once. dbt's own
    materialization builds beside, renames twice, drops and commits, to protect a table that readers
    have open; nobody reads the working database (what it gains: docs/decisions.md).
-#}
{% materialization table, adapter='duckdb', supported_languages=['sql'] %}
    {%- set target_relation = this.incorporate(type='table') -%}
    {% call statement('main', auto_begin=False) -%}
        create or replace table {{ target_relation }} as (
            {{ compiled_code }}
        )
    {%- endcall %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}
