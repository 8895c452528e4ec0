{{ price_by(ref('spend_by_lab_weekly'), ['lab_id', 'lab_name', 'origin']) }}
