-- What must be true of the seeds that are not the registry: required columns are filled, keys are
-- unique, values are among those that their column allows, references exist, a name of the other
-- gateway belongs to its model's lab, and the name of a cloud's region means one country. The
-- registry itself is judged before anything is built (orchestration/registry/faults.py). One test
-- for all seeds: a node of dbt costs 50 ms whatever it does. Returns the values that fail.
{{ config(meta={'dagster': {'ref': {'name': 'gateway_names'}}}) }}

{% set rules = {
    'second_opinions': {
        'required': [
            'subject_kind',
            'subject',
            'field',
            'value',
            'opinion_source',
            'seen_on',
            'evidence_url',
        ],
        'one_of': {
            'subject_kind': ['lab', 'model'],
            'field': ['headquarters', 'license', 'base_lab', 'weights_since'],
            'opinion_source': [
                'epoch_ai', 'models_dev', 'third_party_labels', 'openrouter_providers',
            ],
        },
    },
    'price_notes': {
        'required': ['evidence_url', 'checked_on'],
    },
    'price_sources': {
        'required': ['price_source', 'precedence'],
        'unique': ['price_source', 'precedence'],
    },
    'change_pairs': {
        'unique': ['change_id'],
        'one_of': {
            'grain': ['weekly', 'monthly'],
        },
    },
    'model_aliases': {
        'required': ['alias', 'base_slug', 'seen_on'],
        'unique': ['alias'],
        'one_of': {
            'alias_kind': ['catalogue_id', 'hugging_face_id', 'gateway_name'],
        },
    },
    'model_name_parts': {
        'required': ['part', 'role'],
        'refers_to': {
            'author': ['authors', 'author'],
        },
        'one_of': {
            'role': ['host', 'maker', 'family', 'open_family', 'floating'],
        },
    },
    'uses': {
        'required': ['use', 'use_name', 'named_by'],
        'unique': ['use'],
        'one_of': {
            'named_by': ['press', 'source'],
        },
    },
    'use_map': {
        'required': ['tag', 'use', 'evidence', 'evidence_url', 'checked_on', 'reason'],
        'unique': ['tag'],
        'refers_to': {
            'use': ['uses', 'use'],
        },
        'one_of': {
            'evidence': ['documented', 'readers'],
        },
    },
    'cloud_regions': {
        'required': ['cloud', 'region', 'place', 'evidence_url', 'checked_on'],
        'refers_to': {
            'cloud': ['providers', 'provider_slug'],
        },
    },
    'gateway_names': {
        'required': ['dataset', 'name', 'lab_id', 'evidence_url', 'checked_on'],
        'unique': ['name'],
        'refers_to': {
            'lab_id': ['labs', 'lab_id'],
        },
        'one_of': {
            'dataset': ['labs', 'models'],
        },
    },
} %}

with problems as (
    {% for seed, rule in rules.items() %}
    {% for column in rule.get('required', []) %}
    select
        '{{ seed }}.{{ column }}' as seed_column,
        cast(null as string) as value,
        'is empty' as problem
    from {{ ref(seed) }}
    where {{ column }} is null
    union all
    {% endfor %}
    {% for column in rule.get('unique', []) %}
    select
        '{{ seed }}.{{ column }}' as seed_column,
        cast({{ column }} as string) as value,
        'is there more than once' as problem
    from {{ ref(seed) }}
    where {{ column }} is not null
    group by {{ column }}
    having count(*) > 1
    union all
    {% endfor %}
    {% for column, values in rule.get('one_of', {}).items() %}
    select
        '{{ seed }}.{{ column }}' as seed_column,
        cast({{ column }} as string) as value,
        'is not among the values that the column allows' as problem
    from {{ ref(seed) }}
    where
        {{ column }} not in (
            {% for value in values %}'{{ value }}'{{ ', ' if not loop.last }}
            {% endfor %}
        )
    union all
    {% endfor %}
    {% for column, (to_seed, to_column) in rule.get('refers_to', {}).items() %}
    select
        '{{ seed }}.{{ column }}' as seed_column,
        cast(seed.{{ column }} as string) as value,
        'is not in {{ to_seed }}' as problem
    from {{ ref(seed) }} as seed
    left join {{ ref(to_seed) }} as target on seed.{{ column }} = target.{{ to_column }}
    where seed.{{ column }} is not null and target.{{ to_column }} is null
    union all
    {% endfor %}
    {% endfor %}
    select
        'gateway_names.lab_id' as seed_column,
        names.name as value,
        'its model belongs to another lab' as problem
    from {{ ref('gateway_names') }} as names
    left join {{ ref('models') }} as models on names.base_slug = models.base_slug
    left join {{ ref('authors') }} as authors
        on split_part(names.base_slug, '/', 1) = authors.author
    where names.lab_id <> coalesce(models.lab_id, authors.lab_id)
    union all
    select
        'cloud_regions.region' as seed_column,
        region as value,
        'is there more than once with a country' as problem
    from {{ ref('cloud_regions') }}
    where country is not null
    group by region
    having count(*) > 1
)

select * from problems
