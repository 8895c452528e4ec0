-- What models are used for: which uses any source has a label for.
select *
from use_coverage
order by is_measurable, named_by, use_name;
