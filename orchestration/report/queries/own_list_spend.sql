-- Share of tokens and of list dollars (three prompt tokens to one completion token) by origin and
-- month, of a company's own tokens and of OpenRouter's in the same months.
select
    own.source, own.period_start, own.is_complete, own.origin,
    own.token_share, own.spend_share, own.spend_share_low, own.spend_share_high,
    own.average_usd_per_million_tokens, own.priced_token_share,
    market.is_complete as market_is_complete, market.token_share as market_token_share,
    market.spend_share as market_spend_share, market.spend_share_low as market_spend_share_low,
    market.spend_share_high as market_spend_share_high,
    market.average_usd_per_million_tokens as market_average_usd_per_million_tokens
from spend_by_origin_monthly as own
left join spend_by_origin_monthly as market
    on own.period_start = market.period_start and own.origin = market.origin
    and market.lens = 'author_hq' and market.source = 'openrouter_rankings'
where own.lens = 'author_hq' and own.source in (select source from served_daily)
order by own.source, own.period_start desc, own.token_share desc, own.origin;
