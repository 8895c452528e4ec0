{{ spend_by('daily', ['origin'], 'unidentified') }}
