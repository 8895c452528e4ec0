-- severity: warning
-- title: no landed dump has rows in quarantine
-- judged: ok
-- one_of: [true]
-- message: >-
--   dump {dump_sha256:.12} row {row_number}: {field} = {value!r}: {code}, expected {expected}
select dump_sha256, row_number, code, field, value, expected, false as ok
from quarantine where scope = 'row';
