{{ price_by(ref('spend_by_lab_monthly'), ['lab_id', 'lab_name', 'origin']) }}
