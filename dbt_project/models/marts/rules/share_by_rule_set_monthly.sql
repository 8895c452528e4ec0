{{ share_by_rule_set(['month_sum', 'month_mean_of_weeks']) }}
