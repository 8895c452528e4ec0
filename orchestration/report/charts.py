"""Vega-Lite specifications of the report's charts. The data are rows of the queries.

Text and lines get their colors from the page's style sheet (light, dark, print). A saved picture
has the light colors of CONFIG.
"""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestration.files import sha256_bytes, write_atomically
from orchestration.report.colors import GAIN, LOSS

Row = dict[str, Any]
Spec = dict[str, Any]

# Ticks at round numbers; those outside the data are not drawn.
_LOG_TICKS = [m * 10.0**e for e in range(-3, 4) for m in (1, 2, 3, 5)]
_INK, _SOFT, _LINE, _FONT = "#1c2226", "#58636b", "#d6dbdf", "system-ui, sans-serif"
# The characters in a line of the credit that fit on the narrowest phone.
_CREDIT_COLUMNS = 50
# The characters of a title in the name of a saved file.
_NAME_LENGTH = 70
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


def drawn(specs: Mapping[str, tuple[str, Spec]]) -> dict[str, Spec]:
    """The charts that have data to draw, with their titles, which the page and every picture of
    them show. `specs` are title and chart by element id."""
    return {
        element: {**spec, "usermeta": {"title": title}}
        for element, (title, spec) in specs.items()
        if spec["data"]["values"]
    }


def file_stem(element: str) -> str:
    """What the files of a chart are called: `share-by-origin` of `chart-share-by-origin`."""
    return element.replace("chart-", "").lower()


def with_credit(spec: Spec, credit: str) -> Spec:
    """The chart as the page shows it: with the credit below it, even on a picture of the screen."""
    text = textwrap.wrap(credit, _CREDIT_COLUMNS)
    return {**spec, "title": {"text": text, "orient": "bottom", "anchor": "start",
                              "frame": "bounds"}}  # fmt: skip


def on_page(specs: Mapping[str, Spec], credit: str, vintage_id: str) -> dict[str, Spec]:
    """The charts as a page shows them, by element id, with what else belongs to each: the names of
    its files, the credit, and how a picture of it differs."""
    finished = {}
    for element, spec in specs.items():
        title = spec["usermeta"]["title"]
        words = re.sub("[^a-z0-9]+", "-", title.lower())[:_NAME_LENGTH].strip("-")
        meta = {
            "title": title, "credit": credit, "stem": file_stem(element),
            "file": f"tokenshare-{words}-{vintage_id}", "picture": _as_picture(title, credit),
        }  # fmt: skip
        finished[element] = {**with_credit(spec, credit), "usermeta": meta}
    return finished


def _as_picture(title: str, credit: str) -> Spec:
    """How a picture that leaves the page differs from the chart on the page: its title is above it,
    and below that the credit with source, license and vintage."""
    heading = {
        "text": textwrap.wrap(title, 70),
        "subtitle": textwrap.wrap(credit, 110),
        "anchor": "start", "frame": "bounds", "offset": 16, "color": _INK, "fontSize": 17,
        "fontWeight": "bold", "lineHeight": 21, "subtitleColor": _SOFT, "subtitleFontSize": 11,
        "subtitleLineHeight": 14, "subtitlePadding": 6,
    }  # fmt: skip
    return {"title": heading, "width": 820, "background": "#ffffff", "padding": 16}


def picture_svg(spec: Spec) -> bytes:
    """A chart of a page as a picture in SVG; every machine draws the same."""
    import vl_convert

    # Without what only reacts to a pointer; it would also number its parts on and on.
    still = [layer for layer in spec["layer"] if "tooltip" not in layer["encoding"]]
    picture = {**spec, **spec["usermeta"]["picture"], "layer": still}
    svg: str = vl_convert.vegalite_to_svg(json.dumps(picture, default=str), config=CONFIG)
    return svg.encode()


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


def _legend(title: str | None = None, on_a_phone: int = 2) -> Spec:
    columns = {"expr": f"width < 420 ? {on_a_phone} : 4"}
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
            "labelFlush": 30,  # a label near an edge stays inside the chart
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
    """A line of a tooltip. That with the title `title` is its heading."""
    if form is None:
        return {"field": field, "type": "nominal", "title": title}
    return {"field": field, "type": "quantitative", "title": title, "format": form}


def _heading(text: str) -> Spec:
    """The transform that makes the heading of a tooltip, for `_tip("heading", "title")`."""
    return {"calculate": json.dumps(text), "as": "heading"}


def _said(form: str) -> str:
    """The expression of a value with its bounds, if it has some."""
    made = [f"format(datum.{name}, '{form}')" for name in ("value", "low", "high")]
    bounds = f"' (' + {made[1]} + ' to ' + {made[2]} + ')'"
    known = "isValid(datum.low) && isValid(datum.high) && datum.low !== datum.high"
    return f"{made[0]} + ({known} ? {bounds} : '')"


def _hover(
    rows: list[Row], series: Sequence[str], key: str, said: str, what: str, grain: str
) -> Spec:
    """A band over each period, as high as the chart, whose tooltip names what is drawn there.

    `key` is the expression of a row's series, `said` that of its text. Series are numbered, since a
    name may have any character.
    """
    steps = max(len({str(r["period_start"]) for r in rows}) - 1, 1)
    numbered = [f"s{i}" for i in range(len(series))]
    x = _month_bars() if grain == "bars" else _time_axis(rows, grain)
    is_bar = grain == "bars"
    mark: Spec = {"type": "bar", "width": {"band": 1.15}} if is_bar else {
        "type": "rule", "clip": True, "strokeWidth": {"expr": f"max(6, 1.1 * width / {steps})"}
    }  # fmt: skip
    height: Spec = {"y": {"value": 0}, "y2": {"value": "height"}} if is_bar else {}
    return {
        "transform": [
            {"calculate": f"'s' + indexof({json.dumps(list(series))}, {key})", "as": "series"},
            {"calculate": said, "as": "said"},
            {"pivot": "series", "value": "said", "groupby": ["period_start"], "op": "max"},
            *({"calculate": f"datum.{n} || '–'", "as": n} for n in numbered),
            _heading(what),
        ],
        "params": [
            {"name": "at", "select": {"type": "point", "fields": ["period_start"],
                                      "on": "pointerover", "clear": "pointerout"}}
        ],
        "mark": {**mark, "aria": False},
        "encoding": {
            "x": x,
            **height,
            "color": {"value": _SOFT},
            "opacity": {"condition": {"param": "at", "empty": False, "value": 0.2}, "value": 0},
            "tooltip": [
                _tip("heading", "title"),
                _when("month" if is_bar else grain),
                *(_tip(n, name) for n, name in zip(numbered, series, strict=True)),
            ],
        },
    }  # fmt: skip


def _y(field: str, title: str | None, form: str, **rest: Any) -> Spec:
    return {
        "field": field, "type": "quantitative", "title": title, "axis": {"format": form}, **rest,
    }  # fmt: skip


def stacked_area(rows: list[Row], colors: dict[str, str], description: str) -> Spec:
    """Stacked weekly share by group; rows: period_start, name, name_order, share."""
    return _stacked(rows, colors, description, "area", "week", _time_axis(rows))


def stacked_bars(
    rows: list[Row], colors: dict[str, str], description: str, legend: str | None = None
) -> Spec:
    """Stacked monthly share; rows: period_start, name, name_order, share."""
    return _stacked(rows, colors, description, "bar", "bars", _month_bars(), legend)


def _stacked(
    rows: list[Row],
    colors: dict[str, str],
    description: str,
    mark: str,
    grain: str,
    x: Spec,
    legend: str | None = None,
) -> Spec:
    drawn = {
        "mark": {"type": mark, "aria": False},
        "encoding": {
            "x": x,
            "y": _y(
                "share", "Share of all tokens", ".0%", stack="zero", scale={"domain": [0, 1]}
            ),
            "color": _color("name", colors, legend),
            "order": {"field": "name_order", "type": "quantitative"},
        },
    }  # fmt: skip
    what = "Share of all tokens" + (f" by {legend}" if legend else "")
    hover = _hover(rows, list(colors), "datum.name", "format(datum.share, '.1%')", what, grain)
    return _base(rows, description, layer=[drawn, hover])


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
    series = list(colors)
    key = "datum.name"
    if dash:
        measures = list(dict.fromkeys(r["measure"] for r in rows))
        series = [f"{name}, {measure}" for name in colors for measure in measures]
        key = "datum.name + ', ' + datum.measure"
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
        _hover(rows, series, key, _said(tip_form), title, grain),
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
    legend = {
        **_legend(on_a_phone=1),
        "symbolType": "stroke",
        "symbolSize": 500,
        "symbolStrokeWidth": 2.2,
    }
    color, dash = (
        {"field": "name", "type": "nominal", "legend": legend,
         "scale": {"domain": list(strokes), "range": [stroke[i] for stroke in strokes.values()]}}
        for i in (0, 1)
    )  # fmt: skip
    line = {
        "mark": {"type": "line", "strokeWidth": 2.2, "aria": False},
        "encoding": {
            "x": _time_axis(rows), "y": _y("value", title, ".0%"), "color": color,
            "strokeDash": dash,
        },
    }  # fmt: skip
    hover = _hover(rows, list(strokes), "datum.name", _said(".1%"), title, "week")
    return _base(rows, description, layer=[line, hover])


def waterfall(rows: list[Row], color: str, description: str) -> Spec:
    """From one share to another, step by step; rows: label, position, start, stop, delta, kind."""
    kinds = {"share": color, "gain": GAIN, "loss": LOSS}
    order: Spec = {"field": "position", "op": "min", "order": "ascending"}
    y = {
        "field": "label", "type": "nominal", "sort": order, "title": None,
        "axis": {"labelLimit": 170, "ticks": False, "domain": False},
    }  # fmt: skip
    x = {"field": "start", "type": "quantitative", "title": "Share of all tokens",
         "scale": {"domain": [0, 1.35 * max(r["edge"] for r in rows)], "nice": False},
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
            {
                # As wide as the chart: some steps are too thin to be hit.
                "transform": [
                    {"calculate": "datum.text + (datum.kind === 'share' ? '' : ' points')",
                     "as": "said"}
                ],
                "mark": {"type": "bar", "opacity": 0, "aria": False},
                "encoding": {
                    "x": {"value": 0}, "x2": {"value": "width"},
                    "tooltip": [_tip("label", "title"), _tip("said", "Share of all tokens")],
                },
            },
        ],
    )  # fmt: skip


def side_by_side(
    rows: list[Row], colors: dict[str, str], whose: Sequence[str], description: str
) -> Spec:
    """Bars of two sides below each other, with their bounds; rows: label, position, origin, name
    (one of the two in `whose`), value, low, high."""
    x_title = "Share of all tokens"
    order: Spec = {"field": "position", "op": "min", "order": "ascending"}
    y = {
        "field": "label", "type": "nominal", "sort": order, "title": None,
        "axis": {"labelLimit": 170, "ticks": False, "domain": False},
    }  # fmt: skip
    side = {"field": "name", "type": "nominal", "sort": list(whose)}
    opacity = {**side, "scale": {"domain": list(whose), "range": [1, 0.45]},
               "legend": {"title": None, "orient": "bottom", "symbolFillColor": _SOFT,
                          "symbolStrokeWidth": 0}}  # fmt: skip
    tips = [_tip("label", "title"), _tip("name", "Whose tokens"), _tip("said", x_title)]
    x = {"type": "quantitative", "title": x_title, "axis": {"format": ".0%", "tickCount": 5}}
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
                },
            },
            {
                "mark": {"type": "rule", "strokeWidth": 1.5, "color": _SOFT, "aria": False},
                "encoding": {"x": {"field": "low", **x}, "x2": {"field": "high"}},
            },
            {
                "transform": [{"calculate": _said(".1%"), "as": "said"}],
                "mark": {"type": "bar", "opacity": 0, "aria": False},
                "encoding": {"x": {"value": 0}, "x2": {"value": "width"}, "tooltip": tips},
            },
        ],
    )


def scatter(rows: list[Row], colors: dict[str, str], description: str) -> Spec:
    """Index against list price; rows: name, model, quality_index, usd, label."""
    x = {
        "field": "usd", "type": "quantitative",
        "title": ["List price, US dollars per million", "tokens (3:1), logarithmic"],
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
                },
            },
            {
                "transform": [{"filter": "datum.label != ''"}],
                "mark": {"type": "text", "dy": -11, "fontSize": 12, "color": _INK,
                         "align": {"expr": "datum.usd > datum.middle ? 'right' : 'left'"},
                         "aria": False},
                "encoding": {"text": {"field": "label"}},
            },
            {
                # Larger than what is drawn, so that it is easy to hit.
                "mark": {"type": "point", "filled": True, "size": 500, "opacity": 0,
                         "aria": False},
                "encoding": {
                    "tooltip": [
                        _tip("model", "title"), _tip("name", "Origin"),
                        _tip("quality_index", "Intelligence Index", ".1f"),
                        _tip("usd", "List price, US dollars per million tokens", ".2f"),
                    ],
                },
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
