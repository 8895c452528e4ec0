{{ spend_by('weekly', ['lab_id', 'lab_name', 'origin'], 'unidentified') }}
