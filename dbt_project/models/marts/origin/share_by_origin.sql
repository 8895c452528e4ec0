{{ share_by(ref('int_usage_by_lens'), {'origin': 'unidentified'}) }}
