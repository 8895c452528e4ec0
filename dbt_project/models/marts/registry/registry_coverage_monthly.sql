with usage as (

    select
        *,
        {{ period_start('usage_date', 'monthly') }} as period_start
    from {{ ref('int_usage_identified') }}

),

days as (

    select
        source,
        period_start,
        is_complete
    from {{ ref('share_by_origin_monthly') }}
    where lens = 'author_hq'
    group by all

),

monthly as (

    select
        source,
        period_start,
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
    monthly.source,
    monthly.period_start,
    days.is_complete,
    monthly.tokens,
    monthly.named_tokens,
    monthly.attributed_tokens,
    monthly.located_tokens,
    monthly.base_located_tokens,
    monthly.licensed_tokens,
    {{ fraction('monthly.attributed_tokens', 'monthly.named_tokens') }} as attributed_share,
    {{ fraction('monthly.located_tokens', 'monthly.named_tokens') }} as located_share,
    {{ fraction('monthly.base_located_tokens', 'monthly.named_tokens') }} as base_located_share,
    {{ fraction('monthly.licensed_tokens', 'monthly.named_tokens') }} as licensed_share
from monthly
inner join days
    on
        monthly.source = days.source
        and monthly.period_start = days.period_start
