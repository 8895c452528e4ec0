select
    lab_id
    || '|' || coalesce(cast(valid_from as string), '')
    || '|' || coalesce(cast(known_from as string), '') as registry_row,
    lab_id,
    lab_name,
    aliases,
    headquarters,
    valid_from,
    valid_to,
    known_from,
    evidence_url,
    states,
    checked_on,
    confidence,
    note
from {{ ref('labs') }}
