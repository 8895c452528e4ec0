{{ spend_by('weekly', ['origin'], 'unidentified') }}
