-- Are models cheaper, or are cheaper models used? The index follows the same models only.
select
    period_start, is_complete, origin, base_period, index, index_all_prompt,
    index_all_completion, average_price_index, mix_index, matched_models, matched_token_share_to
from price_index_monthly
where lens = 'author_hq'
order by period_start, origin;
