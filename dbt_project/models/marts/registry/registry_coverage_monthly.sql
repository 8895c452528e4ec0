with usage as (

    select
        usage.*,
        periods.period_start,
        periods.is_complete as month_is_complete
    from {{ ref('int_usage_identified') }} as usage
    inner join {{ ref('int_periods') }} as periods using (source, usage_date)
    where periods.grain = 'monthly'

),

monthly as (

    select
        source,
        period_start,
        month_is_complete as is_complete,
        cast(sum(tokens) as bigint) as tokens,
        cast(
            sum(
                case when identification not in ('tail', 'router', 'stealth') then tokens else 0 end
            )
            as bigint
        ) as named_tokens,
        cast(
            sum(case when identification = 'attributed' then tokens else 0 end) as bigint
        ) as attributed_tokens,
        cast(
            sum(case when headquarters is not null then tokens else 0 end) as bigint
        ) as located_tokens,
        cast(
            sum(case when base_headquarters is not null then tokens else 0 end) as bigint
        ) as base_located_tokens,
        cast(
            sum(case
                when identification not in ('tail', 'router', 'stealth') and license <> 'unknown'
                    then tokens
                else 0
            end)
            as bigint
        ) as licensed_tokens
    from usage
    group by all

)

select
    source,
    period_start,
    is_complete,
    tokens,
    named_tokens,
    attributed_tokens,
    located_tokens,
    base_located_tokens,
    licensed_tokens,
    {{ fraction('attributed_tokens', 'named_tokens') }} as attributed_share,
    {{ fraction('located_tokens', 'named_tokens') }} as located_share,
    {{ fraction('base_located_tokens', 'named_tokens') }} as base_located_share,
    {{ fraction('licensed_tokens', 'named_tokens') }} as licensed_share
from monthly
