{{ spend_by(['origin'], unknown='unidentified') }}
