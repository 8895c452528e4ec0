{{ share_by_rule_set(['iso_week']) }}
