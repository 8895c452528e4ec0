{{ spend_by('daily', ['lab_id', 'lab_name', 'origin'], 'unidentified') }}
