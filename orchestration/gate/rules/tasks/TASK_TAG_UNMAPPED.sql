-- severity: warning
-- title: every task tag of the newest window has a row in the seed use_map
-- judged: has_map_row
-- one_of: [true]
-- message: >-
--   {tag} ({macro_category}) has {classified_token_share:.2%} of classified tokens in the
--   window to {window_end} and counts to {use!r}: it needs a row in use_map.csv
select window_end, tag, macro_category, use, classified_token_share, has_map_row
from task_usage qualify window_end = max(window_end) over ();
