select
    base_slug
    || '|' || coalesce(cast(valid_from as string), '')
    || '|' || coalesce(cast(known_from as string), '') as registry_row,
    base_slug,
    lab_id,
    license,
    license_name,
    valid_from,
    valid_to,
    base_model,
    base_lab_id,
    revealed_as,
    revealed_on,
    known_from,
    evidence_url,
    states,
    checked_on,
    confidence,
    note
from {{ ref('models') }}
