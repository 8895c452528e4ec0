"""Derive second_opinions.csv: what others state about labs and models of the registry.

    python -m tools.derive_second_opinions --inputs FOLDER

A run of the pipeline needs only the seed. Run it again after labs.csv or authors.csv has changed:
only labs of labs.csv and slugs of the shipped usage history are kept.

Sources
    epoch_ai              Epoch AI, "Data on AI Models", https://epoch.ai/data/ai-models, CC BY 4.0
    models_dev            models.dev, MIT
    third_party_labels    github.com/aadhavr/open-router, facts; labels by one person, partly "from
                          knowledge"
    openrouter_providers  OpenRouter's /api/v1/providers, facts; about the entity that serves, which
                          may be in another country than the lab

What a row means
    headquarters   ISO 3166-1 alpha-2. From Epoch AI: the country of the organization in the entry
                   of its newest model, if each organization has a country; other countries in older
                   entries are in the column detail.
    license        open_weight or closed, as the source stated it when last seen.
    weights_since  the first day on which the weights could be downloaded.
    base_lab       the lab of the base model.

How subjects are matched
    A lab by lab_id, author slug, lab_name or alias, ignoring case, and by nothing else.
    A model of Epoch AI, or of models.dev's list by lab: the sorted groups of letters and of digits
    in its name ("Claude Sonnet 4" = "claude-4-sonnet") must be those of the slug or of the name in
    the catalogue, and the lab must be the same. A full date or -MM-DD at the end of a slug is
    ignored (-2411 is a version). If several slugs then have the same name, the slug without a date
    is taken, or else the one that was used first.
    A model of models.dev's OpenRouter list by id: the permaslug of that id in the catalogue at that
    time, or else the id, if it is itself a slug.
    If a source states the same thing more than once, the newest statement counts.
"""

from tools.inputs import SEEDS, parse_arguments

# The day of the newest model in the file, which cannot be older than that.
EPOCH_SEEN_ON = "2026-07-15"
# The newest slug in the file is of 2026-09-17; the file name has the month.
LABELS_SEEN_ON = "2026-09-30"
BY_LAB_SEEN_ON = "2026-07-02"
PROVIDERS_SEEN_ON = "2026-05-22"

COUNTRIES = {
    "China": "CN", "United States of America": "US", "France": "FR", "Canada": "CA",
    "Israel": "IL", "Korea (Republic of)": "KR", "United Arab Emirates": "AE", "Japan": "JP",
    "United Kingdom of Great Britain and Northern Ireland": "GB", "Germany": "DE",
}  # fmt: skip

MACROS = r"""
    create macro name_key(name) as array_to_string(
        list_sort(regexp_extract_all(lower(name), '[a-z]+|[0-9]+(?:\.[0-9]+)*')), ' '
    );
    create macro undated(slug) as regexp_replace(
        slug, '-(\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{2})$', ''
    );
    create macro base_slug(permaslug) as split_part(
        lower(regexp_replace(permaslug, '^~', '')), ':', 1
    );
    create macro license_of(open_weights) as if(open_weights, 'open_weight', 'closed');
"""

REGISTRY = """
    create table labs as select * from read_csv($labs, all_varchar = true, header = true);
    create table authors as select * from read_csv($authors, all_varchar = true, header = true);
    create table lab_names as
    select distinct lower(trim(name)) as name, lab_id
    from (
        select lab_id, lab_id as name from labs
        union all select lab_id, lab_name from labs
        union all select lab_id, unnest(string_split(aliases, ';')) from labs
        union all select lab_id, author from authors
    )
    where trim(name) <> '';
"""

SLUGS = """
    create table slugs as
    select
        base_slug(model_permaslug) as slug,
        split_part(base_slug(model_permaslug), '/', 1) as author,
        min(date) as first_used
    from read_csv($history)
    where model_permaslug <> 'other'
    group by all;

    create table catalogue_names as
    select distinct
        taken_on,
        base_slug(model ->> 'id') as id,
        base_slug(coalesce(model ->> 'canonical_slug', model ->> 'id')) as slug,
        regexp_replace(model ->> 'name', '^[^:]*: ', '') as name
    from catalogue;

    create table model_names as
    with named as (
        select slugs.*, name_key(undated(split_part(slug, '/', 2))) as key from slugs
        union
        select slugs.*, name_key(regexp_replace(c.name, ' \\(free\\)$', '')) as key
        from slugs inner join catalogue_names as c using (slug)
    )
    select named.key, authors.lab_id, named.slug
    from named
    inner join authors using (author)
    qualify row_number() over (
        partition by named.key, authors.lab_id
        order by undated(named.slug) <> named.slug, named.first_used, named.slug
    ) = 1;
"""

EPOCH = """
    create table epoch as
    select
        row_number() over () as id,
        trim(regexp_replace(Model, '\\s+', ' ', 'g')) as model,
        Organization as organization,
        "Country (of organization)" as country,
        "Publication date" as published,
        "Open model weights?" as open_weights,
        "Model accessibility" as accessibility,
        trim("Base model") as base_model,
        Link as link
    from read_csv($epoch);

    create table epoch_labs as
    with pairs as (
        select
            id, published,
            unnest(string_split(organization, ',')) as organization,
            unnest(string_split(country, ',')) as country
        from epoch
        where len(string_split(organization, ',')) = len(string_split(country, ','))
    )
    select pairs.id, pairs.published, lab_names.lab_id, countries.code as country
    from pairs
    inner join lab_names on lower(trim(pairs.organization)) = lab_names.name
    left join countries on trim(pairs.country) = countries.name;

    create table epoch_models as
    select epoch.*, model_names.slug, model_names.lab_id
    from epoch
    inner join (select distinct id, lab_id from epoch_labs) as of_lab using (id)
    inner join model_names
        on name_key(epoch.model) = model_names.key and of_lab.lab_id = model_names.lab_id;
"""

OPINIONS = """
    create table opinions as
    with headquarters as (
        select
            lab_id,
            max_by(country, published) as country,
            count(distinct id) as models,
            max(published) as newest
        from epoch_labs where country is not null
        group by lab_id
    ),
    older as (
        select
            lab_id,
            string_agg(said, ', ' order by said) as said
        from (
            select
                epoch_labs.lab_id,
                epoch_labs.country || ' until ' || max(epoch_labs.published) as said
            from epoch_labs inner join headquarters using (lab_id)
            where epoch_labs.country <> headquarters.country
            group by epoch_labs.lab_id, epoch_labs.country
        )
        group by lab_id
    ),
    dev_ids as (
        select snapshot, base_slug(model_id) as id, open_weights
        from read_csv($models_dev)
        where provider = 'openrouter' and open_weights is not null
    ),
    dev_slugs as (
        select
            dev_ids.*,
            coalesce(
                (
                    select max_by(slug, taken_on) from catalogue_names as c
                    where c.id = dev_ids.id and c.taken_on <= dev_ids.snapshot
                ),
                dev_ids.id
            ) as slug
        from dev_ids
    ),
    labels_read as (
        select
            *,
            coalesce(
                nullif(regexp_extract(note, 'https://[^ ]+'), ''),
                'https://github.com/aadhavr/open-router'
            ) as evidence_url
        from read_csv($labels)
    ),
    all_opinions as (
        select
            'lab' as subject_kind, lab_id as subject, 'headquarters' as field, country as value,
            'epoch_ai' as opinion_source, date '{epoch_seen_on}' as seen_on,
            'https://epoch.ai/data/ai-models' as evidence_url,
            models || ' notable models, newest ' || newest || coalesce('; ' || older.said, '')
                as detail
        from headquarters left join older using (lab_id)
        union all
        select
            'model', slug, 'license', license_of(open_weights), 'epoch_ai',
            date '{epoch_seen_on}', 'https://epoch.ai/data/ai-models',
            model || ': ' || accessibility
        from epoch_models where open_weights is not null
        union all
        select
            'model', made.slug, 'base_lab', base_lab.lab_id, 'epoch_ai', date '{epoch_seen_on}',
            'https://epoch.ai/data/ai-models', made.model || ': base ' || made.base_model
        from epoch_models as made
        inner join epoch as base on lower(made.base_model) = lower(base.model)
        inner join (select distinct id, lab_id from epoch_labs) as base_lab on base.id = base_lab.id
        union all
        select
            'model', slug, 'license', license_of(max_by(open_weights, snapshot)), 'models_dev',
            max(snapshot), 'https://models.dev',
            'openrouter/' || max_by(id, snapshot)
            || case when count(distinct open_weights) > 1
                then '; the other until '
                || max(snapshot) filter (where open_weights <> (
                    select max_by(l.open_weights, l.snapshot) from dev_slugs as l
                    where l.slug = dev_slugs.slug
                ))
                else '' end
        from dev_slugs
        group by slug
        union all
        select
            'model', model_names.slug, 'license', license_of(by_lab.open_weights), 'models_dev',
            date '{by_lab_seen_on}', coalesce(by_lab.weights_url, 'https://models.dev'),
            'list by lab: ' || by_lab.lab || '/' || by_lab.model
            || coalesce(', ' || by_lab.license, '')
        from read_csv($by_lab, types = {{'release_date': 'varchar'}}) as by_lab
        inner join lab_names on lower(by_lab.lab) = lab_names.name
        inner join model_names
            on lab_names.lab_id = model_names.lab_id
            and model_names.key in (name_key(undated(by_lab.model)), name_key(by_lab.name))
        where by_lab.open_weights is not null
        union all
        select
            'model', base_slug(slug), 'license',
            case coalesce(revealed_as, label) when 'open' then 'open_weight' else 'closed' end,
            'third_party_labels', date '{labels_seen_on}',
            evidence_url,
            case when label = 'stealth' then 'stealth, said to be a model that is ' || revealed_as
                || '; ' else '' end
            || case when note like '%[verified by search]%' then 'verified by search'
                else 'from knowledge' end
        from labels_read
        where coalesce(revealed_as, label) in ('open', 'closed')
        union all
        select
            'model', base_slug(slug), 'weights_since', cast(open_from as varchar),
            'third_party_labels', date '{labels_seen_on}',
            evidence_url,
            'closed before'
        from labels_read
        where open_from is not null
        union all
        select
            'lab', lab_names.lab_id, 'headquarters', provider ->> 'headquarters',
            'openrouter_providers', date '{providers_seen_on}',
            'https://openrouter.ai/api/v1/providers',
            'provider ' || (provider ->> 'slug') || ', the entity that serves'
        from (
            select unnest(data) as provider
            from read_json($providers, columns = {{'data': 'JSON[]'}})
        )
        inner join lab_names
            on lab_names.name in (lower(provider ->> 'slug'), lower(provider ->> 'name'))
        where provider ->> 'headquarters' is not null
    )
    select distinct all_opinions.*
    from all_opinions
    where subject_kind = 'lab' or subject in (select slug from slugs)
    qualify row_number() over (
        partition by subject_kind, subject, field, opinion_source
        order by seen_on desc, evidence_url = 'https://models.dev', detail
    ) = 1
"""


def main() -> None:
    """Write the seed and print the number of opinions in it."""
    inputs = parse_arguments(__doc__)
    files = {
        "labs": SEEDS / "labs.csv",
        "authors": SEEDS / "authors.csv",
        "history": inputs.path("data/landing/openrouter_rankings/*/dump.csv.gz"),
        "epoch": inputs.path("attribution/epoch_notable_models_*.csv"),
        "models_dev": inputs.path("prices/models-dev/monthly.csv.gz"),
        "by_lab": inputs.path("prices/models-dev/models_by_lab_*.csv"),
        "labels": inputs.path("attribution/third_party_open_closed_labels_*.csv"),
        "providers": inputs.path("openrouter/providers/2*.json"),
    }
    seen_on = {
        "epoch_seen_on": EPOCH_SEEN_ON,
        "by_lab_seen_on": BY_LAB_SEEN_ON,
        "labels_seen_on": LABELS_SEEN_ON,
        "providers_seen_on": PROVIDERS_SEEN_ON,
    }
    with inputs.catalogue() as connection:
        connection.execute("create table countries (name varchar, code varchar)")
        connection.executemany("insert into countries values (?, ?)", list(COUNTRIES.items()))
        for script in (MACROS, REGISTRY, SLUGS, EPOCH, OPINIONS.format(**seen_on)):
            for name, path in files.items():
                script = script.replace(f"${name}", f"'{path}'")
            connection.execute(script)
        inputs.write_query("second_opinions.csv", connection, "select * from opinions order by all")
        print(
            connection.sql(
                "select opinion_source, subject_kind, field, value, count(*) as opinions "
                "from opinions group by all order by all"
            )
        )


if __name__ == "__main__":
    main()
