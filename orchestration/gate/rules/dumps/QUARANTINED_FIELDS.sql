-- severity: warning
-- title: every field of every row that counts could be believed
-- judged: ok
-- one_of: [true]
-- message: >-
--   dump {dump_sha256:.12} row {row_number}: {field} = {value!r}: {code}, expected {expected}; the
--   row counts without it
select dump_sha256, row_number, code, field, value, expected, false as ok
from quarantine where scope = 'field';
