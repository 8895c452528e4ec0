{{ spend_by('monthly', ['origin'], 'unidentified') }}
