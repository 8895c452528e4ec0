"""Vega-Lite specifications of the report's charts. Data comes in as rows of the queries."""

from functools import cache
from typing import Any

Row = dict[str, Any]
Spec = dict[str, Any]

# Told apart with any color vision, in print and on a dark page. What is not known is gray.
COLORS = {
    "CN": "#d1495b",
    "US": "#2e6fb7",
    "other countries": "#e0a030",
    "unidentified": "#a7adb3",
}
_LAB_COLORS = [
    "#2e6fb7", "#d1495b", "#2a9d6f", "#e0a030", "#7a5ea8", "#18909c", "#b5651d", "#d66fa8",
]  # fmt: skip
_BAND_ORDER = ["free", "under_0.5", "0.5_to_2", "2_to_10", "over_10", "unpriced"]
_BAND_COLORS = ["#cfe8d5", "#8fcfb0", "#4aa7a1", "#2e6fb7", "#3c3a83", "#a7adb3"]


@cache
def javascript() -> str:
    """Vega, Vega-Lite and vega-embed as one script, from the vl-convert package (1.3 s, once)."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub forgets the default
    return bundle.replace("</script", "<\\/script")


def _base(rows: list[Row], description: str, **rest: Any) -> Spec:
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": description,
        "width": "container",
        "height": 320,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "background": None,
        "data": {"values": rows},
        **rest,
    }


def _week_axis() -> Spec:
    return {
        "field": "period_start",
        "type": "temporal",
        "timeUnit": "utcyearmonthdate",
        "title": None,
        "scale": {"type": "utc"},
        "axis": {"format": "%b %Y", "labelOverlap": True, "grid": False, "tickCount": 8},
    }


def _share_axis(title: str, stack: Any = None) -> Spec:
    spec: Spec = {
        "field": "share",
        "type": "quantitative",
        "title": title,
        "axis": {"format": ".0%"},
    }
    return spec | ({"stack": stack} if stack is not None else {})


def _legend(title: str | None = None) -> Spec:
    columns = {"expr": "width < 420 ? 2 : 4"}
    return {"title": title, "orient": "bottom", "symbolOpacity": 1, "columns": columns}


_WEEK_TOOLTIP = {
    "field": "period_start",
    "type": "temporal",
    "timeUnit": "utcyearmonthdate",
    "title": "Week of",
    "format": "%Y-%m-%d",
}
_SHARE_TOOLTIP = {"field": "share", "type": "quantitative", "title": "Share", "format": ".2%"}


def origin_area(rows: list[Row], description: str) -> Spec:
    """Stacked weekly share by group; rows: period_start, group, group_order, share."""
    groups = list(COLORS)
    return _base(
        rows,
        description,
        mark={"type": "area"},
        encoding={
            "x": _week_axis(),
            "y": _share_axis("Share of all tokens", "zero") | {"scale": {"domain": [0, 1]}},
            "color": {
                "field": "group",
                "type": "nominal",
                "scale": {"domain": groups, "range": list(COLORS.values())},
                "legend": _legend(),
            },
            "order": {"field": "group_order", "type": "quantitative"},
            "tooltip": [
                _WEEK_TOOLTIP,
                {"field": "group", "type": "nominal", "title": "Origin"},
                _SHARE_TOOLTIP,
            ],
        },
    )


def bounds_lines(rows: list[Row], description: str) -> Spec:
    """US and CN lines within their bounds; rows: period_start, origin, share, low, high."""
    color = {
        "field": "origin",
        "type": "nominal",
        "scale": {"domain": ["CN", "US"], "range": [COLORS["CN"], COLORS["US"]]},
        "legend": _legend(),
    }
    return _base(
        rows,
        description,
        encoding={"x": _week_axis(), "color": color},
        layer=[
            {
                "mark": {"type": "area", "opacity": 0.22},
                "encoding": {
                    "y": {
                        "field": "share_low",
                        "type": "quantitative",
                        "title": "Share of all tokens",
                        "axis": {"format": ".0%"},
                    },
                    "y2": {"field": "share_high"},
                },
            },
            {
                "mark": {"type": "line", "strokeWidth": 2.2},
                "encoding": {"y": {"field": "share", "type": "quantitative"}},
            },
            {
                "mark": {"type": "point", "size": 60, "opacity": 0},
                "encoding": {
                    "y": {"field": "share", "type": "quantitative"},
                    "tooltip": [
                        _WEEK_TOOLTIP,
                        {"field": "origin", "type": "nominal", "title": "Origin"},
                        _SHARE_TOOLTIP,
                        {"field": "share_low", "title": "Low", "format": ".2%"},
                        {"field": "share_high", "title": "High", "format": ".2%"},
                    ],
                },
            },
        ],
    )


def lab_lines(rows: list[Row], names: list[str], description: str) -> Spec:
    """Weekly share of the labs `names`, largest first; rows: period_start, lab_name, share."""
    return _base(
        rows,
        description,
        mark={"type": "line", "strokeWidth": 2},
        encoding={
            "x": _week_axis(),
            "y": _share_axis("Share of all tokens"),
            "color": {
                "field": "lab_name",
                "type": "nominal",
                "sort": names,
                "scale": {"domain": names, "range": _LAB_COLORS[: len(names)]},
                "legend": _legend(),
            },
            "tooltip": [
                _WEEK_TOOLTIP,
                {"field": "lab_name", "type": "nominal", "title": "Lab"},
                _SHARE_TOOLTIP,
            ],
        },
    )


def price_bars(rows: list[Row], description: str) -> Spec:
    """Stacked monthly share by price band; rows: period_start, price_band, band_order, share."""
    return _base(
        rows,
        description,
        mark={"type": "bar"},
        encoding={
            "x": {
                "field": "period_start",
                "type": "ordinal",
                "timeUnit": "utcyearmonth",
                "title": None,
                "axis": {"format": "%b %Y", "labelOverlap": True, "labelAngle": 0},
            },
            "y": _share_axis("Share of all tokens", "zero") | {"scale": {"domain": [0, 1]}},
            "color": {
                "field": "price_band",
                "type": "ordinal",
                "scale": {"domain": _BAND_ORDER, "range": _BAND_COLORS},
                "legend": _legend("US dollars per million tokens"),
            },
            "order": {"field": "band_order", "type": "quantitative"},
            "tooltip": [
                {
                    "field": "period_start",
                    "type": "temporal",
                    "timeUnit": "utcyearmonth",
                    "title": "Month",
                    "format": "%Y-%m",
                },
                {"field": "price_band", "type": "nominal", "title": "Band"},
                _SHARE_TOOLTIP,
            ],
        },
    )
