{% macro price_band(variant, usd_blend_by_4) -%}
    {#- The band of a price, given four times the 3:1 blend in US dollars per million tokens. -#}
    case
        when {{ variant }} = 'free' or {{ usd_blend_by_4 }} = 0 then 'free'
        -- The name is the rule: lower edge in, upper edge out, on exact decimals
        when {{ usd_blend_by_4 }} < 4 * 0.5 then 'under_0.5'
        when {{ usd_blend_by_4 }} < 4 * 2 then '0.5_to_2'
        when {{ usd_blend_by_4 }} < 4 * 10 then '2_to_10'
        when {{ usd_blend_by_4 }} >= 4 * 10 then '10_and_over'
        else 'unpriced'
    end
{%- endmacro %}
