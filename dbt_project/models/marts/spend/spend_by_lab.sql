{{ spend_by(['lab_id', 'lab_name', 'origin'], unknown='unidentified') }}
