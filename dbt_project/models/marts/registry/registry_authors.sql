select
    author
    || '|' || coalesce(cast(valid_from as string), '')
    || '|' || coalesce(cast(known_from as string), '') as registry_row,
    author,
    lab_id,
    valid_from,
    valid_to,
    known_from,
    evidence_url,
    states,
    checked_on,
    confidence,
    note
from {{ ref('authors') }}
