-- What models are used for: which uses any source has a label for, the largest first.
select *
from use_coverage
order by newest_token_share desc nulls last, is_measurable, named_by, use_name;
