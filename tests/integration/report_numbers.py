"""What the report should show, asked of the published tables once more.

This SQL shares nothing with the queries and sections of the report. Its columns are called as the
page heads them, its cells are the texts of the page, its rows are in the order of the page.
"""

import re
from pathlib import Path
from typing import Any

import duckdb

from orchestration.tables import sql_text

# How a number is written. `@A@` and `@B@` are the titles of the two origins that lead.
MACROS = """
create macro pct(x) as coalesce(printf('%.1f %%', 100 * x::double), '–');
create macro bounds(l, h) as coalesce(
    printf('%.1f to %.1f %%', 100 * l::double, 100 * h::double), 'no bounds');
create macro share(x, l, h) as coalesce(pct(x) || ' (' || bounds(l, h) || ')', '–');
create macro pts(x) as case
    when x is null then '–' when abs(100 * x) < 0.05 then '0.0'
    else replace(format('{:+.1f}', 100 * x::double), '-', '−') end;
create macro points_between(x, l, h) as pts(x) || ' (' || pts(l) || ' to ' || pts(h) || ')';
create macro num(x, d) as coalesce(case d
    when 0 then format('{:,.0f}', x::double) when 1 then format('{:,.1f}', x::double)
    when 2 then format('{:,.2f}', x::double) else format('{:,.3f}', x::double) end, '–');
create macro tok(x) as case when x >= 1e12 then num(x / 1e12, 2) || ' trillion'
    else num(x / 1e9, 1) || ' billion' end;
create macro usd(x) as case when x is null then '–' when x >= 1e6 then num(x / 1e6, 1) || ' million'
    when x >= 1e3 then num(x / 1e3, 1) || ' thousand' else num(x, 0) end;
create macro mon(d) as strftime(d, '%Y-%m');
create macro star(text, is_complete) as text || if(is_complete, '', ' *');
create macro spaced(x) as replace(x, '_', ' ');
create macro title(o) as case o when 'CN' then 'China' when 'US' then 'United States'
    when 'FR' then 'France' when 'CA' then 'Canada' when 'KR' then 'South Korea'
    when 'IL' then 'Israel' when 'DE' then 'Germany' when 'JP' then 'Japan'
    when 'GB' then 'United Kingdom' when 'AE' then 'United Arab Emirates'
    when 'unidentified' then 'Unidentified' else o end;
create macro short(m) as regexp_replace(split_part(m, '/', 2), '-[0-9]{8}$', '');
create macro cheaper(r) as case when r is null then '–' when r <= 1 then pct(1 - r)
    else pct(r - 1) || ' more expensive' end;
create macro verdict(v) as case v when 'reproduced' then 'Reproduced'
    when 'more_than_claimed' then 'More than claimed' when 'not_reproduced' then 'Not reproduced'
    when 'reproduced_under_other_rules' then 'Only under other rules'
    when 'not_decidable' then 'Not decidable' when 'not_measurable' then 'Not measurable' end;
create macro unit(u) as case u
    when 'percent' then ' %' when 'trillion_tokens' then ' T' else '' end;
create macro fig(x, u) as coalesce(
    replace(if(u = 'percent', printf('%.1f', x), printf('%.2f', x)), '-', '−'), '…');
create macro published(day, x, c, u) as coalesce(day::varchar,
    case c when 'above' then '> ' when 'at_least' then '≥ ' when 'below' then '< ' else '' end
    || printf('%g', x) || unit(u), '–');
create macro measured(u, v, x, l, h, dx, dl, dh) as case
    when u = 'date' and (dx is not null or v <> 'not_measurable') then
        coalesce(dx::varchar, 'never') || ' (' || coalesce(dl::varchar, 'never') || ' to '
        || coalesce(dh::varchar, 'never') || ')'
    when u = 'date' or x is null then '–'
    else fig(x, u) || unit(u) || ' (' || fig(l, u) || ' to ' || fig(h, u) || ')' end;
"""
# Two weeks beside each other. `@WHAT@` is of the table of shares: how a row is named and found.
COMPARED = """
    with mondays as (
        select $week::date as b, coalesce(max(period_start) filter (
            period_start = $week::date - 364), min(period_start)) as a
        from share_by_origin_weekly where is_complete and lens = 'author_hq'
    ),
    u as (
        select coalesce(sum(share) filter (period_start = a), 0) as a,
            coalesce(sum(share) filter (period_start = b), 0) as b
        from share_by_origin_weekly, mondays where origin = 'unidentified' and lens = 'author_hq'
    ),
    one as (from @TABLE@, mondays where lens = 'author_hq' and period_start = a),
    two as (from @TABLE@, mondays where lens = 'author_hq' and period_start = b),
    both_weeks as (
        select @KEY@ as key, coalesce(two.@NAME@, one.@NAME@) as name,
            coalesce(two.origin, one.origin) as origin,
            coalesce(one.share, 0) as s, coalesce(one.share_low, 0) as l,
            coalesce(one.share_high, u.a) as h, coalesce(two.share, 0) as s2,
            coalesce(two.share_low, 0) as l2, coalesce(two.share_high, u.b) as h2,
            coalesce(one.tokens, 0) as t, coalesce(two.tokens, 0) as t2
        from one full join two using (@KEY@) cross join u
    )
"""
BY_ORIGIN, BY_LAB = (
    COMPARED.replace("@TABLE@", table).replace("@KEY@", key).replace("@NAME@", name)
    for table, key, name in (
        ("share_by_origin_weekly", "origin", "origin"),
        ("share_by_lab_weekly", "lab_id", "lab_name"),
    )
)  # fmt: skip
# By the words that a caption begins with: the rows of the table, its headings as names.
TABLES = {
    "By origin. Week of": BY_ORIGIN
    + """
        select title(key) as "Of",
            if(key = 'unidentified', pct(s), share(s, l, h)) as "Earlier",
            if(key = 'unidentified', pct(s2), share(s2, l2, h2)) as "Later",
            if(key = 'unidentified', pts(s2 - s), points_between(s2 - s, l2 - h, h2 - l))
                as "Change",
            tok(t) as "Tokens earlier", tok(t2) as "Tokens later"
        from both_weeks order by key = 'unidentified', s2 desc, s desc, key""",
    "By lab. Week of": BY_LAB
    + """
        select name as "Of", origin as "Origin", share(s, l, h) as "Earlier",
            share(s2, l2, h2) as "Later", points_between(s2 - s, l2 - h, h2 - l) as "Change",
            tok(t) as "Tokens earlier", tok(t2) as "Tokens later"
        from both_weeks where key <> 'unidentified' order by s2 desc, s desc, key""",
    "Models by tokens in the latest complete week,": """
        with days as (
            select *, if(usage_date >= $week::date, tokens, 0) as now,
                if(usage_date < $week::date, tokens, 0) as before
            from usage_daily where usage_date between $week::date - 7 and $week::date + 6
        ),
        models as (
            select base_slug, sum(now) as t, sum(before) as b,
                last(lab_name order by usage_date) as lab, last(origin order by usage_date) as o,
                last(license order by usage_date) as license,
                last(identification order by usage_date) as how,
                sum(list_spend_usd) filter (now > 0) as usd,
                sum(now) filter (list_spend_usd is not null) as priced,
            from days group by base_slug
        ),
        sums as (
            select sum(t) as all_t, sum(b) as all_b,
                sum(t) filter (how in ('tail', 'router', 'stealth')) as nameless from models
        )
        select (select count(*) + 1 from models as o where o.t > m.t and o.how <> 'tail') || '. '
                || base_slug as "Model",
            if(b = 0, 'new', (select count(*) + 1 from models as o where o.b > m.b
                and o.how <> 'tail')::varchar) as "Week before",
            coalesce(lab, 'not known (' || spaced(how) || ')') as "Lab", o as "Origin",
            spaced(license) as "License",
            share(t / all_t, t / all_t,
                (if(how in ('router', 'stealth'), 0, t) + nameless) / all_t) as "Share",
            pts(t / all_t - b / all_b) as "Change", tok(t) as "Tokens",
            num(usd / priced * 1e6, 2) as "List price", usd(usd) as "List dollars"
        from models as m, sums where how <> 'tail' and t > 0 order by t desc, base_slug""",
    "Complete ISO weeks; share of all tokens with its bounds.": """
        with moments as (
            select period_start, total_tokens, registry_view,
                case when figure like '%latest_week' then 'Latest'
                    when figure like '%first_week' then 'First' else '52 weeks earlier' end as said,
                map_from_entries(list((origin, [share, share_low, share_high]))) as s
            from headline group by all
        )
        select said || ': ' || period_start as "Week of",
            if(count(*) = 2, 'as known then and now', 'as known ' || max(registry_view)) as "Read",
            share(s[$a][1], s[$a][2], s[$a][3]) as "@A@",
            share(s[$b][1], s[$b][2], s[$b][3]) as "@B@",
            pct(s['unidentified'][1]) as "Unidentified", tok(total_tokens) as "All tokens"
        from (select * exclude (s), map_from_entries(list_sort(map_entries(s))) as s from moments)
        group by said, period_start, total_tokens, s
        order by said <> 'Latest', said = 'First', max(registry_view) desc""",
    "Share of all tokens with bounds, latest week first.": """
        select star(period_start::varchar, bool_and(is_complete)) as "Week of",
            any_value(days_present)::varchar as "Days",
            coalesce(max(share(share, share_low, share_high)) filter (origin = $a), '–') as "@A@",
            coalesce(max(share(share, share_low, share_high)) filter (origin = $b), '–') as "@B@",
            pct(coalesce(sum(share) filter (origin not in ($a, $b, 'unidentified')), 0))
                as "Other countries",
            pct(coalesce(sum(share) filter (origin = 'unidentified'), 0)) as "Unidentified",
            tok(any_value(total_tokens)) as "Tokens"
        from share_by_origin_weekly where lens = 'author_hq'
        group by period_start order by period_start desc""",
    "First day of the period; – if it never happened": """
        select title(origin) || ' over ' || title(rival_origin) as "Who over whom",
            grain as "Periods", 'as known ' || registry_view as "Read",
            coalesce(first_lead || case when first_lead = case grain
                    when 'weekly' then (select min(period_start) from share_by_origin_weekly
                        where is_complete and lens = 'author_hq')
                    when 'monthly' then (select min(period_start) from share_by_origin_monthly
                        where is_complete and lens = 'author_hq')
                    else (select min(period_start) from share_by_origin_daily
                        where is_complete and lens = 'author_hq') end
                then ' led from the first period on' else '' end, '–') as "First lead",
            coalesce(last_change::varchar, '–') as "Last change of lead",
            coalesce(leads_since::varchar, '–') as "Leads since",
            coalesce(first_identified_lead::varchar, '–') as "First beyond doubt",
            coalesce(robust_since::varchar, '–') as "Beyond doubt since",
            coalesce(trend_change || ' (' || coalesce(interval_low::varchar, '…') || ' to '
                || coalesce(interval_high::varchar, '…') || ')', '–') as "Trend crossed (interval)",
            periods_led || ' of ' || periods_compared as "Led"
        from crossover where lens = 'author_hq'
        order by not (origin in ($a, $b) and rival_origin in ($a, $b)),
            list_position(['weekly', 'monthly', 'daily'], grain), origin, rival_origin,
            registry_view desc""",
    "Share points; the four terms add up to the change.": """
        select lab_name as "Lab", origin as "Origin", pct(share_from) as "From",
            pct(share_to) as "To", pts(delta_share) as "Change", pts(entrants) as "Entering models",
            pts(leavers) as "Leaving models", pts(within_lab) as "Within lab",
            pts(between_lab) as "Between labs"
        from share_change where change_id = 'year_on_year_weekly' and is_complete
        order by abs(delta_share) desc, origin, lab_id""",
    "Month on month, share points, latest first;": """
        select mon(period_start_to) as "Month", origin as "Origin", pct(sum(share_to)) as "Share",
            pts(sum(delta_share)) as "Change", pts(sum(entrants)) as "Entering models",
            pts(sum(leavers)) as "Leaving models", pts(sum(within_lab)) as "Within lab",
            pts(sum(between_lab)) as "Between labs"
        from share_change where pair_kind = 'month_on_month' and origin in ($a, $b)
        group by period_start_to, origin order by period_start_to desc, origin""",
    "Latest complete week; share of all tokens with its bounds.": """
        select rank || '. ' || lab_name as "Lab", origin as "Origin",
            if(origin = 'unidentified', pct(share), share(share, share_low, share_high)) as "Share",
            tok(tokens) as "Tokens"
        from share_by_lab_weekly
        where lens = 'author_hq' and lab_id <> 'unidentified' and period_start = $week
        order by rank, lab_id""",
    "Share of all tokens by week, latest first.": """
        select star(period_start::varchar, bool_and(is_complete)) as "Week of", @LABS@
        from share_by_lab_weekly where lens = 'author_hq' and lab_id in (select lab_id from leaders)
        group by period_start order by period_start desc""",
    "Share of all tokens with bounds, latest month first.": """
        select star(mon(period_start), bool_and(is_complete)) as "Month",
            coalesce(max(share(share, share_low, share_high)) filter (license = 'open_weight'), '–')
                as "Open weight",
            coalesce(max(share(share, share_low, share_high)) filter (license = 'closed'), '–')
                as "Closed",
            pct(coalesce(max(share) filter (license = 'unknown'), 0)) as "Unknown"
        from share_by_license_monthly where lens = 'author_hq'
        group by period_start order by period_start desc""",
    "Share of all tokens by origin and license class with bounds, latest month first.": """
        with cells as (
            select *, share(share, share_low, share_high) as s
            from share_by_origin_license_monthly
            where lens = 'author_hq' and license in ('open_weight', 'closed')
        )
        select star(mon(period_start), bool_and(is_complete)) as "Month",
            coalesce(max(s) filter (origin = $a and license = 'open_weight'), '–')
                as "@A@, open weight",
            coalesce(max(s) filter (origin = $a and license = 'closed'), '–') as "@A@, closed",
            coalesce(max(s) filter (origin = $b and license = 'open_weight'), '–')
                as "@B@, open weight",
            coalesce(max(s) filter (origin = $b and license = 'closed'), '–') as "@B@, closed"
        from cells group by period_start order by period_start desc""",
    "By ISO week, latest first, with bounds.": """
        select star(period_start::varchar, is_complete) as "Week of", unit || 's' as "Of",
            units::varchar as "Named",
            format('{:.3f} ({:.3f} to {:.3f})', hhi, hhi_low, hhi_high) as "HHI",
            num(effective_number, 1) || ' (' || num(effective_number_low, 1) || ' to '
                || num(effective_number_high, 1) || ')' as "Effective number",
            share(top_5_share, top_5_share_low, top_5_share_high) as "Share of the five largest"
        from concentration_weekly where lens in ('author_hq', 'none')
        order by period_start desc, unit""",
    "US dollars per million tokens at list prices, 3:1, latest complete month;": """
        select lab_name as "Lab", origin as "Origin",
            num(average_usd_per_million_tokens, 2) as "Average",
            num(average_usd_per_million_tokens_low, 2) || ' to '
                || num(average_usd_per_million_tokens_high, 2) as "Band",
            num(paid_usd_per_million_tokens, 2) as "Without free",
            pct(priced_token_share) as "Tokens priced"
        from spend_by_lab_monthly
        where lens = 'author_hq' and lab_id <> 'unidentified' and period_start = $month
            and average_usd_per_million_tokens is not null
        order by tokens desc, lab_id""",
    "First month of each chain = 100, latest month first.": """
        select star(mon(period_start), is_complete) as "Month", origin as "Origin",
            num(index, 1) as "Same models", num(index_all_prompt, 1) as "All prompt",
            num(index_all_completion, 1) as "All completion",
            num(average_price_index, 1) as "Average price", num(mix_index, 1) as "Mix",
            matched_models::varchar as "Matched models",
            pct(matched_token_share_to) as "Their share of tokens", mon(base_period) as "100 in"
        from price_index_monthly where lens = 'author_hq' and origin in ($a, $b)
        order by period_start desc, origin""",
    "Share of all tokens, latest month first.": """
        select star(mon(period_start), bool_and(is_complete)) as "Month",
            pct(coalesce(max(share) filter (price_band = 'free'), 0)) as "free",
            pct(coalesce(max(share) filter (price_band = 'under_0.5'), 0)) as "under 0.5",
            pct(coalesce(max(share) filter (price_band = '0.5_to_2'), 0)) as "0.5 to 2",
            pct(coalesce(max(share) filter (price_band = '2_to_10'), 0)) as "2 to 10",
            pct(coalesce(max(share) filter (price_band = '10_and_over'), 0)) as "10 and over",
            pct(coalesce(max(share) filter (price_band = 'unpriced'), 0)) as "unpriced"
        from share_by_price_band_monthly where lens = 'author_hq'
        group by period_start order by period_start desc""",
    "Share of tokens on two gateways, latest month first": """
        with shown as (
            from gateway_comparison_by_origin_monthly where share_of || modality = 'tokenstext'
        )
        select star(mon(period_start), is_complete) as "Month", origin as "Origin",
            days_compared::varchar as "Days",
            share(mean_share, mean_share_low, mean_share_high) as "OpenRouter",
            pct(token_weighted_share) as "Weighted by tokens",
            share(gateway_share, gateway_share_low, gateway_share_high) as "Vercel",
            points_between(spread, spread_low, spread_high) as "Spread"
        from shown
        where origin in ($a, $b)
            and (dataset = 'labs' or not exists (from shown where dataset = 'labs'))
        order by period_start desc, origin""",
    "Labs on two gateways,": """
        with shown as (
            select *, last_value(period_start) over (
                partition by dataset, share_of order by is_complete::int * 10000
                    + date_diff('month', date '2000-01-01', period_start)
                range between unbounded preceding and unbounded following) as latest
            from gateway_comparison_by_lab_monthly
            where modality = 'text' and (dataset = 'labs' or not exists (
                from gateway_comparison_by_lab_monthly
                where dataset = 'labs' and modality = 'text' and share_of = 'tokens'))
        )
        select lab_name as "Lab", any_value(origin) as "Origin",
            any_value(share(mean_share, mean_share_low, mean_share_high))
                filter (share_of = 'tokens') as "OpenRouter, tokens",
            any_value(share(gateway_share, gateway_share_low, gateway_share_high))
                filter (share_of = 'tokens') as "Vercel, tokens",
            any_value(points_between(spread, spread_low, spread_high))
                filter (share_of = 'tokens') as "Spread",
            pct(max(gateway_share) filter (share_of = 'requests')) as "Vercel, requests",
            pct(max(gateway_share) filter (share_of = 'spend')) as "Vercel, measured spend"
        from shown
        where lab_id <> 'unidentified' and period_start = (
            select any_value(latest) from shown where share_of = 'tokens')
        group by lab_id, lab_name having count(*) filter (share_of = 'tokens') > 0
        order by max(greatest(mean_share, gateway_share)) filter (share_of = 'tokens') desc,
            lab_id""",
    "Measured beside implied share of spend": """
        select star(mon(period_start), is_complete) as "Month", lab_name as "Lab",
            models_compared::varchar as "Models", pct(measured_share) as "Measured",
            share(implied_share, implied_share_low, implied_share_high) as "Implied",
            pts(implied_minus_measured) as "Difference"
        from gateway_spend_by_lab_monthly where modality = 'text'
        order by period_start desc, measured_share desc, lab_id""",
    "How far implied shares of spend": """
        with sizes as (
            select *, abs(implied_share - measured_share) as size
            from gateway_spend_by_lab_monthly where modality = 'text'
        )
        select star(mon(period_start), bool_and(is_complete)) as "Month",
            max(days_compared)::varchar as "Days", count(*)::varchar as "Labs",
            printf('%.1f', 100 * sum(size) / count(*)) as "Mean difference",
            first(lab_name || ', ' || pts(implied_minus_measured) order by size desc) as "Furthest",
            pct(sum(greatest(implied_minus_measured, 0))) as "At the wrong lab",
            pct(avg(compared_token_share)) as "Tokens compared",
            pct(avg(compared_spend_share)) as "Spend compared"
        from sizes group by period_start order by period_start desc""",
    "Latest month first, as known then. Band:": """
        select star(mon(period_start), is_complete) as "Month", origin as "Origin",
            pct(token_share) as "Share of tokens", pct(spend_share) as "Share of dollars",
            bounds(least(spend_share_at_low, spend_share_at_high),
                greatest(spend_share_at_low, spend_share_at_high)) as "Band",
            bounds(spend_share_low, spend_share_high) as "Sharp bounds",
            usd(list_spend_usd) as "List dollars",
            usd(list_spend_low_usd) as "From all prompt",
            usd(list_spend_high_usd) as "To all completion",
            pct(priced_token_share) as "Tokens priced"
        from spend_by_origin_monthly where lens = 'author_hq' and origin in ($a, $b)
        order by period_start desc, origin""",
    "Latest complete month, by list dollars;": """
        select lab_name as "Lab", origin as "Origin", usd(list_spend_usd) as "List dollars",
            usd(list_spend_low_usd) || ' to ' || usd(list_spend_high_usd) as "Band",
            if(origin = 'unidentified', pct(spend_share),
                share(spend_share, spend_share_low, spend_share_high))
                as "Share of dollars",
            pct(token_share) as "Share of tokens"
        from spend_by_lab_monthly
        where lens = 'author_hq' and lab_id <> 'unidentified' and period_start = $month
        order by list_spend_usd desc, lab_id""",
    "Cheapest model of the origin with at least 90 %": """
        select star(mon(period_start), is_complete) as "Month", origin as "Origin",
            short(rival_best_model) || ' ' || num(rival_best_quality_index, 1) || ', '
                || num(rival_best_usd_per_million_tokens, 2) as "Rival’s best: index, dollars",
            coalesce(short(cheapest_model) || ' ' || num(cheapest_quality_index, 1) || ', '
                || num(cheapest_usd_per_million_tokens, 2), 'none')
                as "Cheapest at 90 %: index, dollars",
            if(price_ratio is null, '–', cheaper(price_ratio) || ' ('
                || cheaper(price_ratio_all_prompt) || ' to ' || cheaper(price_ratio_all_completion)
                || ')') as "Cheaper by (all prompt to all completion)",
            if(claim_90_80, 'yes', 'no') as "80 % cheaper?",
            coalesce(short(home_cheapest_model) || ', ' || cheaper(home_price_ratio), '–')
                as "Rival’s own at 90 %, cheaper by",
            coalesce(priced_on::varchar, '–') || ', ' || coalesce(index_read_on::varchar, '–')
                as "Prices, index of"
        from price_quality order by period_start desc, origin""",
    "The ten best models of each origin with an index and a paid list price.": """
        select rival_model as "Model", rival_origin as "Origin",
            num(rival_quality_index, 1) as "Index",
            num(rival_usd_per_million_tokens, 2) as "US dollars",
            tok(rival_tokens) as "Tokens in the month"
        from price_quality_pairs
        where period_start = (select max(period_start) from price_quality_pairs)
        group by all order by max(rival_quality_index) desc, rival_model""",
    "What a source has a label for.": """
        select use_name as "Use", if(is_measurable, 'yes', 'no') as "Label exists",
            label_evidence as "Evidence", measured_windows::varchar as "Windows here",
            pct(newest_token_share) as "Share of tokens",
            coalesce(why_not, limits, '–') as "What it does not say"
        from use_coverage
        order by newest_token_share desc nulls last, is_measurable, named_by, use_name""",
    "Apps that identify themselves;": """
        select rank || '. ' || app_name as "App", tok(tokens) as "Tokens",
            pct(share_of_listed) as "Share of listed",
            num(tokens_per_request, 0) as "Tokens per request"
        from app_usage where window_end = (select max(window_end) from app_usage)
            and window_days = 30 order by rank limit 20""",
    "Shares of what the source could classify.": """
        select display_name as "Task", use as "Use",
            pct(classified_token_share) as "Share of tokens",
            pct(classified_usage_share) as "Share of requests",
            pct(listed_token_share) as "Tokens of listed models"
        from task_usage where window_end = (select max(window_end) from task_usage)
        order by classified_token_share desc, tag""",
    "Of all classified tokens, between these bounds.": """
        select spaced(use) as "Use", origin as "Origin",
            bounds(sum(classified_token_share_low), sum(classified_token_share_high)) as "Between"
        from task_usage_by_origin as t
        where lens = 'author_hq' and window_end = (select max(window_end) from task_usage_by_origin)
        group by use, origin
        order by (select sum(classified_token_share) from task_usage as a where a.use = t.use
                and window_end = (select max(window_end) from task_usage)) desc nulls last,
            use, sum(classified_token_share_low) desc, origin""",
    "The latest restatements:": """
        select min(usage_date)::varchar as "First day", max(usage_date)::varchar as "Last day",
            num(min(read_after_minutes) / 60, 1) || ' hours' as "Read after the last day",
            count(*)::varchar as "Rows",
            tok(sum(abs(tokens_after - tokens_before))) as "Tokens moved",
            pts(max(abs(origin_share_after - origin_share_before)))
                as "Largest change of an origin’s day"
        from revisions group by dump_sha256_after
        order by max(usage_date) desc, min(usage_date) desc, dump_sha256_after limit 14""",
    "Months that differ, latest first;": """
        select star(mon(period_start), is_complete) as "Month", origin as "Origin",
            share(share_then, share_then, share_high_then) as "As known then",
            share(share_now, share_now, share_high_now) as "As known now",
            pts(share_now - share_then) as "Difference", because as "Because"
        from restated_by_origin_monthly
        where lens = 'author_hq' and tokens_moved <> 0 and origin <> 'unidentified'
        order by period_start desc, origin""",
    "All tokens by what is known about their model, as known then:": """
        with kinds as (
            select tokens, usage_date between $week and $week::date + 6 as is_latest,
                if(exists (from share_by_lab_daily l where l.lens = 'author_hq'
                    and l.lab_id = u.lab_id and l.period_start = u.usage_date
                    and l.origin = 'unidentified' and identification = 'attributed'),
                    'attributed, no country stated', identification) as kind
            from usage_daily as u
        )
        select kind as "Identification", pct(sum(tokens) / (select sum(tokens) from kinds))
                as "Share",
            format('{:,}', sum(tokens)::bigint) as "Tokens",
            pct(coalesce(sum(tokens) filter (is_latest), 0)
                / (select sum(tokens) from kinds where is_latest)) as "Share of the week"
        from kinds group by kind order by sum(tokens) desc, kind""",
    "Latest month first. Named: rows other than the tail;": """
        select star(mon(r.period_start), r.is_complete) as "Month", tok(r.tokens)
                as "All tokens",
            pct(named_tokens / r.tokens) as "Named", pct(attributed_share) as "Attributed",
            pct(located_share) as "Placed", pct(licensed_share) as "Licensed",
            pct(priced_attributed_share) as "Priced",
            pct(priced_stale_tokens / priced_tokens) as "On stale prices"
        from registry_coverage_monthly as r left join price_coverage_monthly using (period_start)
        order by r.period_start desc""",
    "Authors without a registry row, largest first;": """
        select author as "Author", printf('%.3f %%', 100 * sum(tokens)
                / (select sum(tokens) from usage_daily)) as "Share of all tokens"
        from usage_daily where identification = 'unmapped'
        group by author order by sum(tokens) desc""",
    "Price lists that were read and disagree with the price used.": """
        select spaced(other_source) as "List", format('{:,}', count(*)) as "Disagreements",
            format('{:,}', count(distinct model_permaslug)) as "Models",
            num(median(ratio), 2) as "Median ratio to ours", max(last_read_on)::varchar
                as "Last read"
        from price_conflicts group by other_source order by count(*) desc, other_source""",
}
CLAIMS = """
    select verdict(verdict) as "Verdict",
        statement || ' ' || case when verdict = 'not_measurable' then '' else
            if(asked_by = 'us', 'Asked ', 'Published ') || p || ', measured ' || m || '.' end
            || if(asked_by = 'us', 'Asked by us',
                published_by || ', ' || coalesce(published_on::varchar, 'undated')) || '.'
            || if(metric = 'none', '', ' Counted: ' || "window"
                || if(window_is_stated, '', ' (our reading)') || '; ' || spaced(rule_set) || ', '
                || spaced(lens) || ', as known '
                || if(registry_view = 'then', 'on each day.', 'now.'))
            || coalesce(' ' || reason, '') || if(asked_by = 'us', coalesce(' ' || note, ''), '')
            || coalesce(case when rules is not null and rules_searched > 0 then ' Matched by, '
                || rules_matched || ' of ' || rules_searched || ' searched'
                || coalesce('; so would ' || printf('%.0f', 100 * chance_of_match)
                    || ' % of random figures', '')
                when rules is not null or (asked_by <> 'us' and note is not null)
                then ' How it is read' end, '')
            || concat_ws(' ', if(asked_by = 'us', null, note), rules) as "{statement}",
        p as "{published}", m as "Measured, with bounds"
    from (
        select *, published(published_date, published_value, comparison, value_unit) as p,
            measured(value_unit, verdict, measured_value, measured_low, measured_high,
                measured_date, measured_date_low, measured_date_high) as m,
            coalesce(list_position(['share', 'license_share', 'price_quality', 'price_gap',
                'first_lead_date', 'lead', 'tokens'], metric), 8) as place
        from claims where asked_by = '{asked_by}'
    ) order by published_on desc nulls last, place, claim_id"""
TABLES |= {
    "Published statements, newest first.": CLAIMS.format(
        statement="Statement", published="Published", asked_by="publisher"
    ),
    "Our own questions, which nobody published.": CLAIMS.format(
        statement="Question", published="Asked", asked_by="us"
    ),
}
# On the page of the small feed: what the sentences of a section say.
FILLED_SENTENCES = {
    "gateway shares": """
        select 'In 2026-01, as known then: ' || string_agg(title(origin) || ' '
            || share(mean_share, mean_share_low, mean_share_high) || ' of tokens on OpenRouter and '
            || share(gateway_share, gateway_share_low, gateway_share_high) || ' on Vercel',
            '; ' order by origin) || '.'
        from gateway_comparison_by_origin_monthly
        where origin in ($a, $b) and dataset = 'labs' and modality = 'text'
            and share_of = 'tokens' and period_start = '2026-01-01'""",
    "gateway error": """
        with errors as (
            select *, implied_minus_measured as off from gateway_spend_by_lab_monthly
        )
        select 'In 2026-02 (3 days) its tokens at list prices give shares of spend that are '
            || printf('%.1f', 100 * avg(abs(off))) || ' points from the measured ones in '
            || 'the mean of ' || count(*) || ' labs; they put '
            || pct(sum(off) filter (off > 0)) || ' of the dollars at the wrong lab.'
            || ' Lab b is furthest off ('
            || first(pts(off) order by abs(off) desc) || ' points).'
        from errors
        where period_start = '2026-02-01' and modality = 'text'""",
}
# By element id: the points of the chart. Texts and dates are exact, numbers as far as it rounds.
CHARTS = {
    "chart-bounds": """
        select period_start, title(origin) as name, share as value, share_low as low,
            share_high as high
        from share_by_origin_weekly
        where lens = 'author_hq' and days_present >= 4 and origin in ($a, $b)""",
    "chart-origin": """
        with named(origin, name_order) as (
            values ($a, 0), ($b, 1), ('other countries', 2), ('unidentified', 3)
        ),
        shares as (
            select period_start, share, if(origin in ($a, $b, 'unidentified'), origin,
                'other countries') as origin
            from share_by_origin_weekly where lens = 'author_hq' and days_present >= 4
        )
        select period_start, name_order, coalesce(sum(share), 0) as share,
            if(named.origin = 'other countries', 'Other countries', title(named.origin)) as name
        from (select distinct period_start from shares) cross join named
        left join shares using (period_start, origin)
        group by period_start, name_order, named.origin""",
    "chart-lead": """
        select period_start, title($a) || ' over ' || title($b) as name, l.share - r.share as value,
            l.share_low - r.share_high as low, l.share_high - r.share_low as high
        from share_by_origin_weekly as l inner join share_by_origin_weekly as r
            using (period_start, lens, days_present)
        where lens = 'author_hq' and days_present >= 4 and l.origin = $a and r.origin = $b""",
    "chart-labs": """
        select period_start, share as value, lab_name || ' (' || leaders.origin || ')' as name
        from share_by_lab_weekly inner join leaders using (lab_id, lab_name)
        where lens = 'author_hq' and days_present >= 4""",
    "chart-license": """
        select period_start, spaced(license) as name, share,
            list_position(['open_weight', 'closed', 'unknown'], license) - 1 as name_order
        from share_by_license_monthly where lens = 'author_hq'""",
    "chart-concentration": """
        select period_start, unit || 's' as name, effective_number as value,
            effective_number_low as low, effective_number_high as high
        from concentration_weekly
        where lens in ('author_hq', 'none') and days_present >= 4""",
    "chart-price": """
        select period_start, spaced(price_band) as name, share, list_position(['free', 'under_0.5',
            '0.5_to_2', '2_to_10', '10_and_over', 'unpriced'], price_band) as name_order
        from share_by_price_band_monthly where lens = 'author_hq'""",
    "chart-price-origin": """
        select period_start, title(origin) as name, average_usd_per_million_tokens as value,
            average_usd_per_million_tokens_low as low, average_usd_per_million_tokens_high as high
        from spend_by_origin_monthly
        where lens = 'author_hq' and origin in ($a, $b)
            and average_usd_per_million_tokens_low > 0""",
    "chart-index": """
        select period_start, title(origin) as name, 'same models (index)' as measure,
            index as value, index_all_prompt as low, index_all_completion as high
        from price_index_monthly
        where lens = 'author_hq' and origin in ($a, $b) and index is not null
        union all by name
        select period_start, title(origin) as name, 'what was used (average)' as measure,
            average_price_index as value
        from price_index_monthly
        where lens = 'author_hq' and origin in ($a, $b) and average_price_index is not null""",
    "chart-spend": """
        select period_start, title(origin) as name, 'share of tokens' as measure,
            token_share as value, token_share as low, token_share as high
        from spend_by_origin_monthly where lens = 'author_hq' and origin in ($a, $b)
        union all by name
        select period_start, title(origin) as name, 'share of list dollars' as measure,
            spend_share as value, least(spend_share_at_low, spend_share_at_high) as low,
            greatest(spend_share_at_low, spend_share_at_high) as high
        from spend_by_origin_monthly
        where lens = 'author_hq' and origin in ($a, $b) and spend_share is not null""",
    "chart-gateway": """
        select period_start, title(origin) as name, unnest(['OpenRouter', 'Vercel']) as measure,
            unnest([mean_share, gateway_share]) as value,
            unnest([mean_share_low, gateway_share_low]) as low,
            unnest([mean_share_high, gateway_share_high]) as high
        from gateway_comparison_by_origin_weekly
        where origin in ($a, $b) and days_compared > 3 and share_of = 'tokens'
            and modality = 'text' and (dataset = 'labs' or not exists (
                from gateway_comparison_by_origin_weekly
                where dataset = 'labs' and modality = 'text' and share_of = 'tokens'))""",
    "chart-quality": """
        select distinct title(rival_origin) as name, rival_model as model,
            rival_quality_index as quality_index, rival_usd_per_million_tokens as usd,
            if(rival_model in (select unnest([rival_best_model, cheapest_model]) from price_quality
                where period_start = p.period_start), short(rival_model), '') as label
        from price_quality_pairs as p
        where period_start = (select max(period_start) from price_quality_pairs)""",
    **{
        f"chart-change-{origin.lower()}": f"""
        with labs as (
            select *, row_number() over (order by abs(delta_share) desc, lab_id) as size
            from share_change
            where change_id = 'year_on_year_weekly' and is_complete and origin = '{origin}'
        ),
        moves as (
            select lab_name as label, delta_share as delta, -delta_share as place from labs
            where size <= 8
            union all
            select count(*) || ' other labs', sum(delta_share), 2 from labs
            where size > 8 having count(*) > 0
        ),
        steps as (
            select *, row_number() over (order by place) as position, sum(delta) over (order by
                place) + (select sum(share_from) from labs) as stop from moves
        )
        select label, position, stop - delta as start, stop, pts(delta) as text,
            if(delta >= 0, 'gain', 'loss') as kind
        from steps
        union all
        select 'Earlier', 0, 0, sum(share_from), pct(sum(share_from)), 'share' from labs
        having count(*) > 0
        union all
        select 'Later', (select count(*) + 1 from moves), 0, sum(share_to), pct(sum(share_to)),
            'share' from labs having count(*) > 0"""
        for origin in ("CN", "US")
    },
}  # fmt: skip
# By section: what its sentences say of the shipped history.
LATEST = """
    with latest as (
        select origin, registry_view as view, share as s, share_low as l, share_high as h,
            total_tokens, period_start
        from headline where figure like '%latest_week'
    ),
    reads as (
        select origin, any_value(total_tokens) as total_tokens, any_value(period_start) as start,
            if(count(distinct s) = 1, pct(any_value(s)) || ' as known then and now',
                string_agg(pct(s) || ' as known ' || view, ' and ' order by view desc)) as read
        from latest group by origin
    ),
    lead as (
        select view, a.s - b.s as s, a.l - b.h as l, a.h - b.l as h
        from latest as a inner join latest as b using (view) where a.origin = $a and b.origin = $b
    )
"""
SENTENCES = {
    "headline 1": LATEST + """
        select 'Of ' || tok(a.total_tokens) || ' tokens in the week ' || a.start || ' to '
            || (a.start + 6) || ', models of labs in China held '
            || replace(a.read, 'as known then', 'as known when each day began')
            || '; those of labs in the United States ' || b.read || '. The lead is '
            || (select string_agg(said, ' and ' order by view desc) from (
                select replace(pts(s), '+', '') || ' points as known '
                    || string_agg(view, ' and ' order by view desc) || ' (' || pts(l) || ' to '
                    || pts(h) || ')' as said, max(view) as view
                from lead group by s, l, h))
            || (select if(max(l) <= 0, '. Who leads is not identified: the bounds overlap.',
                '. In both readings it holds even if every unidentified token were American.')
                from lead)
        from reads as a, reads as b where a.origin = $a and b.origin = $b""",
    **{
        f"headline 2 {origin}": LATEST + f"""
        select '{start} ' || string_agg(said, ' ' order by view desc) from (
            select pct(s) || ' as known ' || string_agg(view, ' and ' order by view desc)
                || if('{origin}' = 'unidentified', '', ', ' || bounds(l, h)) as said,
                max(view) as view
            from latest where origin = '{origin}' group by s, l, h)"""
        for origin, start in (("CN", "1. China"), ("US", "2. United States"),
                              ("unidentified", "Unidentified"))
    },
    **{
        f"headline 3 {origin}": f"""
        select '52 weeks earlier: ' || pct(share) || if(origin = 'unidentified', '',
            ' (' || bounds(share_low, share_high) || ')')
        from headline where figure like '%one_year_earlier' and origin = '{origin}'
            and registry_view = 'then'"""
        for origin in ("CN", "US", "unidentified")
    },
    "crossover": """
        select 'Between China and the United States: ' || string_agg('As known ' || registry_view
            || ', the weekly lead first went to China in the week of ' || first_lead
            || ' and last changed hands in the week of ' || last_change
            || coalesce('. From ' || robust_since || ' on, no assignment of unidentified tokens '
                || 'turns it around', '')
            || '. The trend behind the single weeks crossed in the week of ' || trend_change
            || ', with an interval of about 90 % from ' || interval_low || ' to ' || interval_high,
            '. ' order by registry_view desc) || '. '
        from crossover where lens = 'author_hq' and grain = 'weekly' and origin = $a
            and rival_origin = $b""",
    **{
        f"change {origin}": f"""
        select title(origin) || ': ' || pct(sum(share_from)) || ' to ' || pct(sum(share_to))
            || ' of all tokens, from the week of ' || min(period_start_from) || ' to that of '
            || min(period_start_to) || ', lab by lab, as known then ¶'
        from share_change where change_id = 'year_on_year_weekly' and is_complete
            and origin = '{origin}' group by origin"""
        for origin in ("CN", "US")
    },
    "models": """
        with week as (
            from usage_daily where usage_date between $week::date and $week::date + 6
        )
        select 'The ' || count(distinct base_slug) || ' models that the source names in the week '
            || 'of ' || $week || ', as known then. Together they have '
            || pct(sum(tokens) / (select sum(tokens) from week)) || ' of all tokens;'
        from week where identification <> 'tail'""",
    "license": """
        select 'In ' || mon(period_start) || ', as known then, models whose weights can be '
            || 'downloaded held ' || pct(share) || ' of tokens (bounds '
            || bounds(share_low, share_high) || ').'
        from share_by_license_monthly
        where lens = 'author_hq' and license = 'open_weight' and period_start = $month""",
    "concentration": """
        select 'split evenly among ' || string_agg(if(unit = 'origin', 'and ', '')
            || num(effective_number, 1) || ' ' || unit || 's (' || num(effective_number_low, 1)
            || ' to ' || num(effective_number_high, 1) || ')', ', ' order by unit) || '.'
        from concentration_weekly where lens in ('author_hq', 'none') and period_start = $week""",
    "price 1": """
        select 'In ' || mon(period_start) || ', as known then, a million tokens cost on average '
            || string_agg(num(average_usd_per_million_tokens, 2) || ' US dollars ('
                || num(average_usd_per_million_tokens_low, 2) || ' to '
                || num(average_usd_per_million_tokens_high, 2) || ') for models from '
                || if(origin = 'US', 'the ', '') || title(origin) || ' ('
                || pct(priced_token_share) || ' of their tokens have a price)', ', '
                order by origin) || '. '
            || (select string_agg(pct(priced_stale_tokens / priced_tokens)
                    || ' of the priced tokens of ' || mon(period_start), ', '
                    order by price_coverage_monthly.period_start desc)
                || ' rest on stale prices, last seen days before they were used.'
                from price_coverage_monthly where priced_stale_tokens >= priced_tokens / 100)
        from spend_by_origin_monthly
        where lens = 'author_hq' and origin in ($a, $b) and period_start = $month
        group by period_start""",
    "price 2": """
        select 'Since the chains began at 100, by ' || mon(period_start) || ', as known then: '
            || string_agg(title(origin) || ' same models ' || num(index, 1) || ' ('
                || num(index_all_prompt, 1) || ' all prompt, ' || num(index_all_completion, 1)
                || ' all completion), average ' || num(average_price_index, 1), '; '
                order by origin) || '.'
        from price_index_monthly
        where lens = 'author_hq' and origin in ($a, $b) and period_start = $month
        group by period_start""",
    "spend 1": """
        select 'In ' || mon(period_start) || ', as known then: ' || string_agg(title(origin) || ' '
            || pct(token_share) || ' of tokens (' || pct(priced_token_share)
            || ' of them have a price) and ' || pct(spend_share) || ' of list dollars ('
            || bounds(least(spend_share_at_low, spend_share_at_high),
                greatest(spend_share_at_low, spend_share_at_high))
            || ' if all models share one split and completions cost more than prompts; sharp '
            || 'bounds ' || bounds(spend_share_low, spend_share_high) || ')', '; ' order by origin)
            || '.'
        from spend_by_origin_monthly
        where lens = 'author_hq' and origin in ($a, $b) and period_start = $month
        group by period_start""",
    "spend 2": """
        with labs as (
            select * from spend_by_lab_monthly where lens = 'author_hq'
                and lab_id <> 'unidentified' and period_start = $month
        )
        select 'The lab with most tokens of ' || mon(t.period_start) || ', ' || t.lab_name
            || ', had ' || pct(t.token_share) || ' of them and ' || pct(t.spend_share)
            || ' of list dollars (' || bounds(t.spend_share_low, t.spend_share_high)
            || '); the one with most list dollars, ' || d.lab_name || ', ' || pct(d.spend_share)
            || ' of dollars (' || bounds(d.spend_share_low, d.spend_share_high) || ') and '
            || pct(d.token_share) || ' of tokens.'
        from labs as t, labs as d
        where t.tokens = (select max(tokens) from labs)
            and d.list_spend_usd = (select max(list_spend_usd) from labs)""",
    "quality": """
        select 'was true of China against the best model of the United States in '
            || (select count(*) filter (claim_90_80) || ' of ' || count(*) from price_quality
                where origin = 'CN') || ' months judged. In ' || mon(period_start) || ', '
            || cheapest_model || ' had ' || pct(quality_ratio) || ' of the index of '
            || rival_best_model || ' and was ' || pct(1 - price_ratio)
            || ' cheaper at list price (' || pct(1 - price_ratio_all_prompt) || ' all prompt, '
            || pct(1 - price_ratio_all_completion) || ' all completion). Without going to '
            || 'another country, ' || home_cheapest_model || ' was ' || pct(1 - home_price_ratio)
            || ' cheaper.'
        from price_quality where origin = 'CN' order by period_start desc limit 1""",
    "uses": """
        with uses as (
            select lower(use_name) as name, sum(classified_token_share) as share
            from task_usage inner join use_coverage using (use)
            where window_end = (select max(window_end) from task_usage)
            group by use_name order by share desc limit 2
        )
        select 'This vintage has answers for ' || (select count(*) from use_coverage
                where measured_windows > 0) || ' uses: of the tokens that the source could '
            || 'classify, ' || string_agg(pct(share) || ' were for ' || name, ' and '
                order by share desc) || '. Not measurable with any source here: OCR'
        from uses""",
    "revisions": """
        select 'The month whose two readings differ most: ' || mon(period_start) || ', '
            || title(origin) || ' ' || share(share_then, share_then, share_high_then)
            || ' as known then, ' || share(share_now, share_now, share_high_now)
            || ' as known now.'
        from restated_by_origin_monthly where lens = 'author_hq' and origin <> 'unidentified'
        order by abs(share_now - share_then) desc limit 1""",
    "coverage": """
        select format('{:,}', count(*)) || ' rows of ' || count(distinct usage_date) || ' days, '
            || tok(sum(tokens)) || ' tokens. '
            || (select count(*) from quarantine where scope = 'row') || ' rows in quarantine, '
            || count(distinct usage_date) filter (not is_complete) || ' days '
            || 'incomplete because of them'
        from usage_daily""",
}  # fmt: skip
ROUNDED = {"chart-concentration": 2, "chart-index": 1, "chart-quality": 1}


class Published:
    """The tables of a vintage to ask: `$a` and `$b` are the origins that lead, `$week` and
    `$month` the latest complete ones, `leaders` the eight labs that lead."""

    def __init__(self, tables: Path) -> None:
        self.connection = duckdb.connect()
        for path in tables.glob("*.parquet"):
            self.connection.execute(
                f"create view {path.stem} as select * from read_parquet({sql_text(path)})"
            )
        self.connection.execute(MACROS)
        latest = "select max(period_start) from {} where is_complete and lens = 'author_hq'".format
        (week,), (month,) = (
            self.connection.sql(latest(name)).fetchall()[0]
            for name in ("share_by_origin_weekly", "spend_by_origin_monthly")
        )
        pair = self.connection.sql(
            "select origin from share_by_origin_weekly where lens = 'author_hq' "
            f"and period_start = '{week}' and origin <> 'unidentified' "
            "order by share desc, origin limit 2"
        ).fetchall()
        self.given = {"$week": week, "$month": month, "$a": pair[0][0], "$b": pair[-1][0]}
        self.connection.execute(
            "create table leaders as select lab_id, lab_name, origin, rank from "
            f"share_by_lab_weekly where lens = 'author_hq' and period_start = '{week}' "
            "and lab_id <> 'unidentified' order by rank limit 8"
        )
        names = self.ask("select lab_name from leaders order by rank")[1:]
        self.labs = ", ".join(
            f"coalesce(pct(max(share) filter (lab_name = {sql_text(n)})), '–') as \"{n}\""
            for (n,) in names
        )

    def ask(self, sql: str) -> list[list[Any]]:
        """Names of the columns, then the rows."""
        for name, value in self.given.items():
            sql = re.sub(rf"{re.escape(name)}\b", sql_text(value), sql)
        if "@" in sql:
            ((a, b),) = self.ask("select title($a), title($b)")[1:]
            sql = sql.replace("@A@", a).replace("@B@", b).replace("@LABS@", self.labs)
        relation = self.connection.sql(sql)
        return [relation.columns, *([*row] for row in relation.fetchall())]

    def text(self, sql: str) -> str:
        """The one text that the SQL makes."""
        ((text,),) = self.ask(sql)[1:]
        return str(text)
