"""Vega-Lite specifications of the report's charts. The data are rows of the queries.

Text and lines get their colors from the page's style sheet (light, dark, print). A saved picture
has the light colors of CONFIG.
"""

import json
import textwrap
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestration.files import sha256_bytes, write_atomically

Row = dict[str, Any]
Spec = dict[str, Any]

# These can be told apart with any color vision, in print and on a dark page. Unknown is gray.
COLORS = {
    "CN": "#d1495b",
    "US": "#2e6fb7",
    "other countries": "#e0a030",
    "unidentified": "#a7adb3",
}
# A country has the same color on every chart. Everything else has other colors, below.
_FREE = ["#2a9d6f", "#7a5ea8", "#18909c", "#b5651d", "#d66fa8"]
# Labs have shades of their country's color. Neighbors differ in lightness too, and in dashes.
_SHADES = {
    "CN": ["#d1495b", "#a02a55", "#f0968c", "#b8574a", "#e46fa0"],
    "US": ["#2e6fb7", "#74b3ea", "#4b4fb5", "#1f8fb0", "#93a5dd"],
    "other countries": ["#e0a030", "#b5801c", "#c9b458"],
    "unidentified": ["#a7adb3", "#7d858c"],
}
_DASHES = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3]]
BANDS = {
    "free": "#cfe8d5", "under_0.5": "#8fcfb0", "0.5_to_2": "#4aa7a1", "2_to_10": "#2c7d96",
    "10_and_over": "#3c3a83", "unpriced": "#a7adb3",
}  # fmt: skip
LICENSES = {"open_weight": "#2a9d6f", "closed": "#7a5ea8", "unknown": "#a7adb3"}
UNITS = {"models": "#2a9d6f", "labs": "#7a5ea8", "origins": "#18909c"}
# Ticks at round numbers; those outside the data are not drawn.
_LOG_TICKS = [m * 10.0**e for e in range(-3, 4) for m in (1, 2, 3, 5)]
_INK, _SOFT, _LINE, _FONT = "#1c2226", "#58636b", "#d6dbdf", "system-ui, sans-serif"
# The characters in a line of the credit that fit on the narrowest phone.
_CREDIT_COLUMNS = 50
CONFIG: Spec = {
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": _INK, "titleColor": _INK, "gridColor": _LINE, "domainColor": _LINE,
        "tickColor": _LINE, "labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": _INK, "titleColor": _INK, "labelFontSize": 13, "titleFontSize": 12,
        "titleFontWeight": "normal",
        # Entries are below each other; side by side they would be cut on a phone.
        "layout": {"bottom": {"direction": "vertical", "anchor": "start"}},
    },
    "title": {
        "color": _SOFT, "fontSize": 10, "fontWeight": "normal", "lineHeight": 13, "offset": 12,
    },
}  # fmt: skip


def javascript(cache_dir: Path) -> str:
    """Vega, Vega-Lite and vega-embed as one script, from the vl-convert package.

    Bundling takes 2.6 s, so the script is cached in `cache_dir`. Its name has its hash, which shows
    that it is complete.
    """
    import vl_convert

    name = f"vega-{version('vl-convert-python')}-"
    for path in cache_dir.glob(f"{name}*.js"):
        kept = path.read_bytes()
        if path.stem == name + sha256_bytes(kept):
            return kept.decode()
    bundle: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub forgets the default
    content = bundle.replace("</script", "<\\/script").encode()
    write_atomically(cache_dir / f"{name}{sha256_bytes(content)}.js", content)
    return content.decode()


def color_of(origin: str, others: Sequence[str] = ()) -> str:
    """The color of an origin. An origin without a color gets one by its position in `others`."""
    at = others.index(origin) if origin in others else 0
    return COLORS.get(origin) or _FREE[at % len(_FREE)]


def lab_strokes(labs: Sequence[tuple[str, str]]) -> dict[str, tuple[str, list[int]]]:
    """The color and dash pattern of each lab's line. `labs` are (name, origin) in order of rank.

    In the result the labs of a country are together, in the order of the first lab of each country.
    """
    families: dict[str, list[str]] = {}
    for name, origin in labs:
        families.setdefault(origin if origin in _SHADES else "other countries", []).append(name)
    return {
        name: (_SHADES[family][i % len(_SHADES[family])], _DASHES[i % len(_DASHES)])
        for family, names in families.items()
        for i, name in enumerate(names)
    }


def drawn(specs: Mapping[str, Spec]) -> dict[str, Spec]:
    """The charts that have data to draw."""
    return {element: spec for element, spec in specs.items() if spec["data"]["values"]}


def with_credit(spec: Spec, credit: str) -> Spec:
    """The chart with the credit in it, so that a saved picture names the source of its numbers."""
    text = textwrap.wrap(credit, _CREDIT_COLUMNS)
    return {**spec, "title": {"text": text, "orient": "bottom", "anchor": "start",
                              "frame": "bounds"}}  # fmt: skip


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


def _scale(colors: dict[str, str]) -> Spec:
    return {"domain": list(colors), "range": list(colors.values())}


def _legend(title: str | None = None) -> Spec:
    columns = {"expr": "width < 420 ? 2 : 4"}
    return {"title": title, "orient": "bottom", "symbolOpacity": 1, "columns": columns}


def _color(field: str, colors: dict[str, str], title: str | None = None) -> Spec:
    scale = _scale(colors)
    return {"field": field, "type": "nominal", "scale": scale, "legend": _legend(title)}


def _time_axis(rows: list[Row], grain: str = "week") -> Spec:
    # In a short series several ticks would have the same month, so they show the day.
    few = len({str(r["period_start"]) for r in rows}) < 18
    unit = "utcyearmonth" if grain == "month" else "utcyearmonthdate"
    return {
        "field": "period_start",
        "type": "temporal",
        "timeUnit": unit,
        "title": None,
        "scale": {"type": "utc"},
        "axis": {
            "format": "%-d %b %Y" if few and grain != "month" else "%b %Y",
            "labelOverlap": True,
            "grid": False,
            "tickCount": {"expr": "width < 420 ? 4 : 8"},
        },
    }


def _month_bars() -> Spec:
    return {
        "field": "period_start",
        "type": "ordinal",
        "timeUnit": "utcyearmonth",
        "title": None,
        "axis": {"format": "%b %Y", "labelOverlap": True, "labelAngle": 0},
    }


def _when(grain: str = "week") -> Spec:
    return {
        "field": "period_start",
        "type": "temporal",
        "timeUnit": "utcyearmonth" if grain == "month" else "utcyearmonthdate",
        "title": {"day": "Day", "week": "Week of", "month": "Month"}[grain],
        "format": "%Y-%m" if grain == "month" else "%Y-%m-%d",
    }


def _tip(field: str, title: str, form: str | None = None) -> Spec:
    if form is None:
        return {"field": field, "type": "nominal", "title": title}
    return {"field": field, "type": "quantitative", "title": title, "format": form}


def _y(field: str, title: str | None, form: str, **rest: Any) -> Spec:
    return {
        "field": field, "type": "quantitative", "title": title, "axis": {"format": form}, **rest,
    }  # fmt: skip


def stacked_area(rows: list[Row], colors: dict[str, str], description: str) -> Spec:
    """Stacked weekly share by group; rows: period_start, name, name_order, share."""
    return _base(
        rows,
        description,
        mark={"type": "area", "aria": False},
        encoding={
            "x": _time_axis(rows),
            "y": _y(
                "share", "Share of all tokens", ".0%", stack="zero", scale={"domain": [0, 1]}
            ),
            "color": _color("name", colors),
            "order": {"field": "name_order", "type": "quantitative"},
            "tooltip": [_when(), _tip("name", "Origin"), _tip("share", "Share", ".1%")],
        },
    )  # fmt: skip


def stacked_bars(
    rows: list[Row], colors: dict[str, str], description: str, legend: str | None = None
) -> Spec:
    """Stacked monthly share; rows: period_start, name, name_order, share."""
    return _base(
        rows,
        description,
        mark={"type": "bar", "aria": False},
        encoding={
            "x": _month_bars(),
            "y": _y(
                "share", "Share of all tokens", ".0%", stack="zero", scale={"domain": [0, 1]}
            ),
            "color": _color("name", colors, legend),
            "order": {"field": "name_order", "type": "quantitative"},
            "tooltip": [_when("month"), _tip("name", "Class"), _tip("share", "Share", ".1%")],
        },
    )  # fmt: skip


def band_lines(
    rows: list[Row],
    colors: dict[str, str],
    description: str,
    *,
    title: str,
    form: str = ".0%",
    tip_form: str = ".1%",
    grain: str = "week",
    scale: str = "linear",
    dash: bool = False,
    rule: float | None = None,
) -> Spec:
    """Lines within their bands; rows: period_start, name, value, low, high. With `dash`, rows also
    have `measure`, which the dash pattern of a line shows."""
    rows = [r for r in rows if r["value"] is not None]
    y_scale: Spec = {}
    if scale == "log":
        ticks = {"format": form, "values": _LOG_TICKS}
        y_scale = {"scale": {"type": "log", "nice": False, "padding": 8}, "axis": ticks}
    dashes: Spec = {}
    if dash:
        dashes = {
            "strokeDash": {
                "field": "measure",
                "type": "nominal",
                "sort": None,
                "legend": {
                    "title": None, "orient": "bottom", "columns": {"expr": "width < 420 ? 1 : 2"},
                    "symbolType": "stroke", "symbolSize": 300, "labelLimit": 320,
                },
            }
        }  # fmt: skip
    tips = [
        _when(grain), _tip("name", "Of"), *([_tip("measure", "Measured in")] if dash else []),
        _tip("value", "Value", tip_form), _tip("low", "Low", tip_form),
        _tip("high", "High", tip_form),
    ]  # fmt: skip
    few = len({str(r["period_start"]) for r in rows}) < 3
    layers: list[Spec] = [
        {
            "mark": {"type": "area", "opacity": 0.22, "aria": False},
            "encoding": {
                "y": _y("low", title, form, **y_scale),
                "y2": {"field": "high"},
                **({"detail": {"field": "measure"}} if dash else {}),
            },
        },
        {
            # A line through one or two periods would be invisible or look like a trend.
            "mark": {"type": "line", "strokeWidth": 2.2, "aria": False, "point": few},
            "encoding": {"y": _y("value", title, form, **y_scale), **dashes},
        },
        {
            "mark": {"type": "point", "size": 60, "opacity": 0, "aria": False},
            "encoding": {"y": _y("value", title, form, **y_scale), "tooltip": tips},
        },
    ]
    if all(r["low"] is None for r in rows):
        del layers[0]
    if rule is not None:
        layers.append(
            {
                "data": {"values": [{"rule": rule}]},
                "mark": {"type": "rule", "strokeWidth": 1.5, "color": "#707a82", "aria": False},
                "encoding": {"y": {"field": "rule", "type": "quantitative"}, "x": None,
                             "color": None},
            }
        )  # fmt: skip
    legend = _color("name", colors)
    if len(colors) < 2:
        legend["legend"] = None
    return _base(rows, description, encoding={"x": _time_axis(rows, grain), "color": legend},
                 layer=layers)  # fmt: skip


def lines(
    rows: list[Row], strokes: dict[str, tuple[str, list[int]]], description: str, title: str
) -> Spec:
    """Plain weekly lines, told apart by color and dashes; rows: period_start, name, value."""
    legend = {**_legend(), "symbolType": "stroke", "symbolSize": 500, "symbolStrokeWidth": 2.2}
    color, dash = (
        {"field": "name", "type": "nominal", "legend": legend,
         "scale": {"domain": list(strokes), "range": [stroke[i] for stroke in strokes.values()]}}
        for i in (0, 1)
    )  # fmt: skip
    return _base(
        rows,
        description,
        mark={"type": "line", "strokeWidth": 2.2, "aria": False},
        encoding={
            "x": _time_axis(rows),
            "y": _y("value", title, ".0%"),
            "color": color,
            "strokeDash": dash,
            "tooltip": [_when(), _tip("name", "Lab"), _tip("value", "Share", ".1%")],
        },
    )


def waterfall(rows: list[Row], color: str, description: str) -> Spec:
    """From one share to another, step by step; rows: label, position, start, stop, delta, kind."""
    kinds = {"share": color, "gain": "#2a9d6f", "loss": "#b5651d"}
    order: Spec = {"field": "position", "op": "min", "order": "ascending"}
    y = {
        "field": "label", "type": "nominal", "sort": order, "title": None,
        "axis": {"labelLimit": 170, "ticks": False, "domain": False},
    }  # fmt: skip
    x = {"field": "start", "type": "quantitative", "title": "Share of all tokens",
         "scale": {"domain": [0, 1.22 * max(r["edge"] for r in rows)], "nice": False},
         "axis": {"format": ".0%", "tickCount": 5}}  # fmt: skip
    return _base(
        rows,
        description,
        height=26 * len(rows) + 10,
        encoding={"y": y},
        layer=[
            {
                "mark": {"type": "bar", "aria": False, "height": {"band": 0.72}},
                "encoding": {
                    "x": x,
                    "x2": {"field": "stop"},
                    "color": {
                        "field": "kind", "type": "nominal", "scale": _scale(kinds), "legend": None,
                    },
                    "tooltip": [_tip("label", "Step"), _tip("text", "Share points")],
                },
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5, "fontSize": 12,
                         "color": _INK, "aria": False},
                "encoding": {
                    "x": {"field": "edge", "type": "quantitative"},
                    "text": {"field": "text"},
                },
            },
        ],
    )  # fmt: skip


def side_by_side(
    rows: list[Row], colors: dict[str, str], whose: Sequence[str], description: str
) -> Spec:
    """Bars of two sides below each other, with their bounds; rows: label, position, origin, name
    (one of the two in `whose`), value, low, high."""
    order: Spec = {"field": "position", "op": "min", "order": "ascending"}
    y = {
        "field": "label", "type": "nominal", "sort": order, "title": None,
        "axis": {"labelLimit": 170, "ticks": False, "domain": False},
    }  # fmt: skip
    side = {"field": "name", "type": "nominal", "sort": list(whose)}
    opacity = {**side, "scale": {"domain": list(whose), "range": [1, 0.45]},
               "legend": {"title": None, "orient": "bottom", "symbolFillColor": _SOFT,
                          "symbolStrokeWidth": 0}}  # fmt: skip
    tips = [
        _tip("label", "Of"), _tip("name", "Whose"), _tip("value", "Share", ".1%"),
        _tip("low", "Low", ".1%"), _tip("high", "High", ".1%"),
    ]  # fmt: skip
    x = {"type": "quantitative", "title": "Share of all tokens",
         "axis": {"format": ".0%", "tickCount": 5}}  # fmt: skip
    return _base(
        rows,
        description,
        height=34 * len(rows) // 2 + 10,
        encoding={"y": y, "yOffset": side},
        layer=[
            {
                "mark": {"type": "bar", "aria": False},
                "encoding": {
                    "x": {"field": "value", **x},
                    "color": _color("origin", colors),
                    "opacity": opacity,
                    "tooltip": tips,
                },
            },
            {
                "mark": {"type": "rule", "strokeWidth": 1.5, "color": _SOFT, "aria": False},
                "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}},
            },
        ],
    )


def scatter(rows: list[Row], colors: dict[str, str], description: str) -> Spec:
    """Index against list price; rows: name, model, quality_index, usd, label."""
    x = {
        "field": "usd", "type": "quantitative",
        "title": "List price, US dollars per million tokens (3:1), logarithmic",
        "scale": {"type": "log", "nice": False, "padding": 24},
        "axis": {"format": "~g", "grid": True, "labelOverlap": True, "values": _LOG_TICKS},
    }  # fmt: skip
    y = _y("quality_index", "Intelligence Index", "~g", scale={"zero": False, "padding": 16})
    return _base(
        rows,
        description,
        height=380,
        encoding={"x": x, "y": y},
        layer=[
            {
                "mark": {"type": "point", "filled": True, "size": 90, "opacity": 0.9,
                         "aria": False},
                "encoding": {
                    "color": _color("name", colors),
                    "shape": {"field": "name", "type": "nominal", "legend": None},
                    "tooltip": [
                        _tip("model", "Model"), _tip("name", "Origin"),
                        _tip("quality_index", "Index", ".1f"), _tip("usd", "US dollars", ".2f"),
                    ],
                },
            },
            {
                "transform": [{"filter": "datum.label != ''"}],
                "mark": {"type": "text", "dy": -11, "fontSize": 12, "color": _INK,
                         "align": {"expr": "datum.usd > datum.middle ? 'right' : 'left'"},
                         "aria": False},
                "encoding": {"text": {"field": "label"}},
            },
        ],
    )  # fmt: skip


def preview_png(
    rows: list[Row], colors: dict[str, str], title: str, subtitle: Sequence[str], credit: str
) -> bytes:
    """The preview picture of a shared link, 1200 × 630 pixels, as PNG.

    It has the headline, the shares with their bounds, and the credit, because it is shared without
    the page.

    Its font comes with vl-convert, so that every machine draws the same picture.
    """
    import vl_convert

    # A layout of its own: fixed size, larger type, no interaction.
    spec = band_lines(rows, colors, title, title="Share of all tokens")
    spec |= {
        "width": 1200,
        "height": 630,
        "autosize": {"type": "fit", "contains": "padding"},
        "background": "#ffffff",
        "padding": {"left": 48, "right": 48, "top": 40, "bottom": 28},
        "title": {
            "text": title, "subtitle": [*subtitle, *textwrap.wrap(credit, 100)],
            "anchor": "start", "fontSize": 38,
            "subtitleFontSize": 22, "subtitleLineHeight": 30, "subtitlePadding": 12, "offset": 22,
            "color": _INK, "subtitleColor": "#58636b", "limit": 1104,
        },
    }  # fmt: skip
    spec["encoding"]["x"]["axis"] |= {"tickCount": 8}
    if spec["encoding"]["color"]["legend"]:
        spec["encoding"]["color"]["legend"] |= {"columns": 4}
    sizes = {"labelFontSize": 19, "titleFontSize": 19}
    config = {
        **CONFIG,
        "font": "Liberation Sans",
        "axis": {**CONFIG["axis"], **sizes},
        "legend": {**CONFIG["legend"], **sizes, "labelFontSize": 22, "symbolSize": 260},
    }
    png: bytes = vl_convert.vegalite_to_png(
        json.dumps(spec, default=str), config=config, ppi=72, scale=1.0
    )
    return png
