{#-
    The registry is dated twice: valid_from/valid_to say on which days of use a row is valid,
    known_from says since which day it has been known. Of several rows that are valid on a day and
    known, the one learned last counts, so a correction is a further row and never an edit.
-#}
{% macro registry_rows(registry, key, asked, columns) -%}
    {#-
        One row per (usage_date, known_on, `key`) of `asked` that the registry knows.
        asked: relation with usage_date, known_on and `key`.
    -#}
    select
        asked.usage_date,
        asked.known_on,
        asked.{{ key }},
        {% for column in columns -%}
        registry.{{ column }}{{ ',' if not loop.last }}
        {% endfor %}
    from (select distinct usage_date, known_on, {{ key }} from {{ asked }}) as asked
    inner join {{ registry }} as registry
        on
            asked.{{ key }} = registry.{{ key }}
            and {{ valid_on('asked.usage_date', 'registry.valid_from', 'registry.valid_to') }}
            and (registry.known_from is null or registry.known_from <= asked.known_on)
    qualify
        row_number() over (
            partition by asked.usage_date, asked.known_on, asked.{{ key }}
            order by registry.known_from desc nulls last, registry.valid_from desc nulls last
        ) = 1
{%- endmacro %}

{% macro lenses() -%}
    {#- The columns of origin and lab under each lens: (origin, lab id, lab name). -#}
    {{ return({
        'author_hq': ('headquarters', 'lab_id', 'lab_name'),
        'base_lineage': ('base_headquarters', 'base_lab_id', 'base_lab_name'),
        'serving_hq': ('serving_headquarters', 'provider_id', 'provider_name'),
    }) }}
{%- endmacro %}

{% macro by_lens(relation, columns, has_providers=true) -%}
    {#-
        `columns` of a relation once per lens, with origin, lab_id and lab_name as the lens reads
        them. serving_hq exists only for sources that name who served the tokens.
    -#}
    {%- for lens, (origin, lab_id, lab_name) in lenses().items()
            if has_providers or lens != 'serving_hq' %}
    select
        {{ columns | join(',\n        ') }},
        '{{ lens }}' as lens,
        coalesce({{ origin }}, 'unidentified') as origin,
        coalesce({{ lab_id }}, 'unidentified') as lab_id,
        coalesce({{ lab_name }}, 'Unidentified') as lab_name
    from {{ relation }}
    {% if lens == 'serving_hq' -%}
    where source in (select source from {{ relation }} where provider_name is not null)
    {% endif -%}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
{%- endmacro %}
