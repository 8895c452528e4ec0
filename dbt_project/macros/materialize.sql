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
