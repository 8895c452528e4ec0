"""Derive quality_seed.csv: quality indices per model, with the day on which they were read.

    python -m tools.derive_quality --inputs FOLDER

A run of the pipeline needs only the seed. Inputs: dated snapshots of OpenRouter's catalogue.
Those before 2026-07 have no indices; catalogues that are landed later continue the seed. The
indices are Artificial Analysis' (artificialanalysis.ai), as the catalogue repeats them in
benchmarks.artificial_analysis.

What a row means
    On the day read_on, the catalogue stated these indices of the model. base_slug is the canonical
    slug without variant, in lower case. Variants (`:free`, `:batch`) repeat the index of their
    model; if they differ, the script stops. Models without an Intelligence Index are left out, even
    if they have another index.
    The values of two readings are not on the same scale: between 2026-08-01 and 2026-08-22 those of
    86 of 96 models moved at once, by up to 2.6 points; between the two readings before, 2 of 60.
"""

from tools.inputs import parse_arguments

INDICES = """
    with stated as (
        select
            lower(coalesce(model ->> 'canonical_slug', split_part(model ->> 'id', ':', 1)))
                as base_slug,
            taken_on as read_on,
            model ->> '$.benchmarks.artificial_analysis.intelligence_index' as intelligence_index,
            model ->> '$.benchmarks.artificial_analysis.coding_index' as coding_index,
            model ->> '$.benchmarks.artificial_analysis.agentic_index' as agentic_index,
            'Artificial Analysis via OpenRouter' as index_source,
            model ->> 'id' as source_model_id
        from catalogue
    ),
    -- The id without a variant comes first.
    models as (
        select
            base_slug,
            read_on,
            list(stated order by
                source_model_id[1] = '~', contains(source_model_id, ':'), source_model_id
            ) as said,
            count(distinct row(intelligence_index, coding_index, agentic_index)) as answers
        from stated
        where intelligence_index is not null
        group by all
    )
    select unnest(said[1])
    from models
    where case
        when answers = 1 then true
        else error(read_on || ': its variants differ: ' || array_to_string(
            list_transform(said, lambda s: s.source_model_id || ' says ' || s.intelligence_index),
            ', '
        ))
    end
    order by read_on, base_slug
"""

if __name__ == "__main__":
    inputs = parse_arguments(__doc__)
    inputs.write_query("quality_seed.csv", inputs.catalogue(), INDICES)
