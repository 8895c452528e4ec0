{{ spend_by('monthly', ['lab_id', 'lab_name', 'origin'], 'unidentified') }}
