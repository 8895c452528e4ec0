-- What moved an origin's share between two periods, by lab. Models are base slugs, variants merged.
-- A model enters or leaves according to what the source names: it may have been in `other`.
with usage as (

    select
        periods.grain,
        periods.source,
        periods.period_start,
        periods.is_complete,
        coalesce(usage.headquarters, 'unidentified') as origin,
        coalesce(usage.lab_id, 'unidentified') as lab_id,
        coalesce(usage.lab_name, 'Unidentified') as lab_name,
        usage.base_slug,
        usage.tokens
    from {{ ref('int_usage_identified') }} as usage
    inner join {{ ref('int_periods') }} as periods using (source, usage_date)
    where periods.grain in ('weekly', 'monthly')

),

periods as (

    select
        grain,
        source,
        period_start,
        is_complete,
        cast(sum(tokens) as bigint) as total_tokens
    from usage
    group by all

),

sources as (

    select distinct source
    from periods

),

latest as (

    select
        grain,
        source,
        max(period_start) as period_start
    from periods
    where is_complete
    group by all

),

wanted as (

    -- 364 days are 52 ISO weeks.
    select
        source,
        'year_on_year_' || grain as change_id,
        'year_on_year' as pair_kind,
        grain,
        cast(
            case
                when grain = 'weekly' then period_start - interval 364 day
                else period_start - interval 1 year
            end as date
        ) as period_start_from,
        period_start as period_start_to,
        true as must_be_complete
    from latest
    union all
    select
        source,
        'month_on_month_' || substr(cast(period_start as string), 1, 7) as change_id,
        'month_on_month' as pair_kind,
        grain,
        cast(period_start - interval 1 month as date) as period_start_from,
        period_start as period_start_to,
        true as must_be_complete
    from periods
    where grain = 'monthly'
    union all
    select
        sources.source,
        configured.change_id,
        'configured' as pair_kind,
        configured.grain,
        configured.period_start_from,
        configured.period_start_to,
        false as must_be_complete
    from {{ ref('change_pairs') }} as configured
    cross join sources

),

pairs as (

    select
        wanted.*,
        period_from.is_complete and period_to.is_complete as is_complete,
        period_from.total_tokens as total_tokens_from,
        period_to.total_tokens as total_tokens_to
    from wanted
    inner join periods as period_from
        on
            wanted.source = period_from.source
            and wanted.grain = period_from.grain
            and wanted.period_start_from = period_from.period_start
    inner join periods as period_to
        on
            wanted.source = period_to.source
            and wanted.grain = period_to.grain
            and wanted.period_start_to = period_to.period_start
    where not wanted.must_be_complete or (period_from.is_complete and period_to.is_complete)

),

model_periods as (

    select
        grain,
        source,
        period_start,
        origin,
        lab_id,
        lab_name,
        base_slug,
        sum(tokens) as tokens
    from usage
    group by all

),

sides as (
    {% for side in ['from', 'to'] %}
    select
        pairs.source,
        pairs.change_id,
        model_periods.origin,
        model_periods.lab_id,
        model_periods.lab_name,
        model_periods.base_slug,
        {{ 'model_periods.tokens' if side == 'from' else '0' }} as tokens_from,
        {{ 'model_periods.tokens' if side == 'to' else '0' }} as tokens_to
    from pairs
    inner join model_periods
        on
            pairs.source = model_periods.source
            and pairs.grain = model_periods.grain
            and pairs.period_start_{{ side }} = model_periods.period_start
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

models as (

    select
        source,
        change_id,
        origin,
        lab_id,
        max(lab_name) as lab_name,
        base_slug,
        sum(tokens_from) as tokens_from,
        sum(tokens_to) as tokens_to
    from sides
    group by all

),

labs as (

    select
        source,
        change_id,
        origin,
        lab_id,
        max(lab_name) as lab_name,
        cast(sum(tokens_from) as bigint) as tokens_from,
        cast(sum(tokens_to) as bigint) as tokens_to,
        sum(case when tokens_from = 0 then tokens_to else 0 end) as entered,
        sum(case when tokens_to = 0 then tokens_from else 0 end) as gone,
        sum(case when tokens_to > 0 then tokens_from else 0 end) as stayed_from,
        sum(case when tokens_from > 0 then tokens_to else 0 end) as stayed_to,
        cast(sum(case when tokens_from = 0 then 1 else 0 end) as integer) as models_entered,
        cast(sum(case when tokens_to = 0 then 1 else 0 end) as integer) as models_left
    from models
    where tokens_from > 0 or tokens_to > 0
    group by all

),

shares as (

    select
        pairs.*,
        labs.origin,
        labs.lab_id,
        labs.lab_name,
        labs.tokens_from,
        labs.tokens_to,
        labs.models_entered,
        labs.models_left,
        {{ fraction('labs.tokens_from', 'pairs.total_tokens_from') }} as share_from,
        {{ fraction('labs.tokens_to', 'pairs.total_tokens_to') }} as share_to,
        {{ fraction('labs.entered', 'pairs.total_tokens_to') }} as share_entered,
        {{ fraction('labs.gone', 'pairs.total_tokens_from') }} as share_gone,
        -- Part of the lab's tokens in models that it has in both periods.
        {{ fraction('labs.stayed_from', 'labs.tokens_from') }} as staying_from,
        {{ fraction('labs.stayed_to', 'labs.tokens_to') }} as staying_to
    from labs
    inner join pairs using (source, change_id)

)

select
    source,
    change_id,
    pair_kind,
    grain,
    period_start_from,
    period_start_to,
    is_complete,
    'author_hq' as lens,
    origin,
    lab_id,
    lab_name,
    tokens_from,
    tokens_to,
    total_tokens_from,
    total_tokens_to,
    share_from,
    share_to,
    share_to - share_from as delta_share,
    share_entered as entrants,
    -- 0 is added so that no zero is negative.
    0 - share_gone as leavers,
    (share_from + share_to) / 2 * (staying_to - staying_from) + 0 as within_lab,
    (staying_from + staying_to) / 2 * (share_to - share_from) + 0 as between_lab,
    models_entered,
    models_left
from shares
