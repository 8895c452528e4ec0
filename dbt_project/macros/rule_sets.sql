{#- Windows of the kinds in which claims are made. -#}
{% macro window_end(kind, window_start, stated_end) -%}
    {#- Last day of a window; spans state theirs. -#}
    cast(
        case {{ kind }}
            when 'day' then {{ window_start }}
            when 'iso_week' then {{ window_start }} + interval 6 day
            when 'trailing_7d' then {{ window_start }} + interval 6 day
            when 'trailing_30d' then {{ window_start }} + interval 29 day
            when 'month_sum' then last_day({{ window_start }})
            when 'month_mean_of_weeks' then last_day({{ window_start }})
            when 'year' then {{ window_start }} + interval 1 year - interval 1 day
            else {{ stated_end }}
        end
        as date
    )
{%- endmacro %}

{% macro window_text(kind, window_start, window_end) -%}
    {#- A window in words. -#}
    case {{ kind }}
        when 'day' then 'day ' || cast({{ window_start }} as string)
        when 'iso_week' then 'ISO week of ' || cast({{ window_start }} as string)
        when 'trailing_7d' then '7 days to ' || cast({{ window_end }} as string)
        when 'trailing_30d' then '30 days to ' || cast({{ window_end }} as string)
        when 'month_sum' then 'month ' || substr(cast({{ window_start }} as string), 1, 7)
        when 'month_mean_of_weeks'
            then 'mean of the weeks of ' || substr(cast({{ window_start }} as string), 1, 7)
        when 'year' then 'year ' || substr(cast({{ window_start }} as string), 1, 4)
        when 'span_mean_of_weeks'
            then
                'mean of the weeks from ' || cast({{ window_start }} as string)
                || ' to ' || cast({{ window_end }} as string)
        when 'span_max_of_weeks'
            then
                'highest week from ' || cast({{ window_start }} as string)
                || ' to ' || cast({{ window_end }} as string)
        when 'span_min_of_weeks'
            then
                'lowest week from ' || cast({{ window_start }} as string)
                || ' to ' || cast({{ window_end }} as string)
        when 'span'
            then cast({{ window_start }} as string) || ' to ' || cast({{ window_end }} as string)
        else 'every ISO week'
    end
{%- endmacro %}

{% macro is_mean(kind) -%}
    {#- Means of the weekly shares whose Thursday is in the window, as ISO assigns weeks. -#}
    {{ kind }} in ('month_mean_of_weeks', 'span_mean_of_weeks')
{%- endmacro %}

{% macro is_extreme(kind) -%}
    {#- The highest or lowest of the weekly shares whose Thursday is in the window. -#}
    {{ kind }} in ('span_max_of_weeks', 'span_min_of_weeks')
{%- endmacro %}

{% macro first_day_counted(kind, window_start) -%}
    {#- The first day that a window counts: if it is made of weeks, that of its first whole week. -#}
    case
        when {{ is_mean(kind) }} or {{ is_extreme(kind) }}
            then {{ period_start(window_start ~ ' + interval 3 day', 'weekly') }}
        else {{ window_start }}
    end
{%- endmacro %}

{% macro last_day_counted(kind, window_end) -%}
    {#- The last day that it counts. -#}
    case
        when {{ is_mean(kind) }} or {{ is_extreme(kind) }}
            then
                cast(
                    {{ period_start(window_end ~ ' - interval 3 day', 'weekly') }}
                    + interval 6 day as date
                )
        else {{ window_end }}
    end
{%- endmacro %}

{% macro made_by(revealed_as, author) -%}
    {#- Author slug of a model: that of what a stealth model was revealed to be, or its own. -#}
    coalesce(split_part({{ revealed_as }}, '/', 1), {{ author }})
{%- endmacro %}

{% macro any_of(answer, condition) -%}
    {#-
        Whether any of the rows that meet the condition answers true; NULL if none does and the
        answer of one is not known; false if all answer false, or if there are none.
    -#}
    case
        when bool_or(({{ condition }}) and coalesce({{ answer }}, false)) then true
        when not bool_or(({{ condition }}) and {{ answer }} is null) then false
    end
{%- endmacro %}

{% macro is_threshold(comparison) -%}
    {#- Statements that a figure is above or below another: the bounds decide. -#}
    {{ comparison }} in ('above', 'below')
{%- endmacro %}

{% macro percent_less(cost, tokens, rival_cost, rival_tokens) -%}
    {#- By how many percent a mean price is below another one. -#}
    100 - 100 * {{ fraction(cost, tokens) }} / {{ fraction(rival_cost, rival_tokens) }}
{%- endmacro %}
