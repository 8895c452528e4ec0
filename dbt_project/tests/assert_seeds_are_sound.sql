-- What must be true of every seed: required columns are filled, keys are unique, values are among
-- those that their column allows, references exist. One test for all seeds: a node of dbt costs
-- 50 ms whatever it does. Returns the values that fail.
{{ config(meta={'dagster': {'ref': {'name': 'models'}}}) }}

{% set rules = {
    'labs': {
        'required': ['lab_id', 'lab_name', 'evidence_url', 'checked_on'],
        'one_of': {
            'confidence': ['high', 'medium', 'low', 'contested'],
        },
    },
    'authors': {
        'required': ['author', 'lab_id'],
        'refers_to': {
            'lab_id': ['labs', 'lab_id'],
        },
    },
    'models': {
        'required': ['base_slug', 'license', 'evidence_url', 'checked_on'],
        'refers_to': {
            'lab_id': ['labs', 'lab_id'],
            'base_lab_id': ['labs', 'lab_id'],
        },
        'one_of': {
            'license': ['open_weight', 'closed', 'unknown'],
            'confidence': ['high', 'medium', 'low', 'contested'],
        },
    },
    'unattributed_authors': {
        'required': ['author'],
        'unique': ['author'],
    },
    'routers': {
        'required': ['base_slug'],
        'unique': ['base_slug'],
    },
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
    'providers': {
        'required': [
            'provider_slug',
            'provider_name',
            'known_from',
            'evidence_url',
            'checked_on',
        ],
        'one_of': {
            'confidence': ['high', 'medium', 'low', 'contested'],
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
        cast(null as string) as seed_column,
        cast(null as string) as value,
        cast(null as string) as problem
    where false
)

select * from problems
