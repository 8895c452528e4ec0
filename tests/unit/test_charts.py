"""Charts that keep their meaning when they leave the page: colors, title and credit inside, and
what a tooltip says."""

import json
import re
from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from orchestration.report import charts, colors
from orchestration.words import countries

CREDIT = (
    "Source: OpenRouter (openrouter.ai/rankings), as of 2026-10-11T00:27:00Z. Licensed under "
    "CC BY 4.0. tokenshare, vintage 20261128T094839Z-bb6917c4."
)
TITLE = "Weekly share of <all> tokens, as known then"
ROWS = [
    {"period_start": date(2026, 1, day), "name": "A (CN)", "value": 0.4, "low": 0.4, "high": 0.5}
    for day in (5, 12, 19)
]


def finished(spec: charts.Spec, element: str = "chart-labs") -> charts.Spec:
    drawn = charts.drawn({element: (TITLE, spec)})
    return charts.on_page(drawn, CREDIT, "20261128T094839Z-bb6917c4")[element]


def texts(svg: bytes) -> list[str]:
    """The texts of a picture; one in several lines is one."""
    found = []
    for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"):
        found.append(" ".join("".join(part.itertext()) for part in [*element] or [element]))
    return found


def test_a_picture_has_title_source_license_and_vintage() -> None:
    strokes = colors.lab_strokes([("A (CN)", "CN")])
    spec = finished(charts.lines(ROWS, strokes, "Line chart", "Share"))
    said = texts(charts.picture_svg(spec))
    assert TITLE in said
    assert CREDIT in said
    assert charts.picture_svg(spec) == charts.picture_svg(spec)


def test_on_the_page_the_credit_is_below_the_chart_in_lines_that_fit() -> None:
    strokes = colors.lab_strokes([("A (CN)", "CN")])
    title = finished(charts.lines(ROWS, strokes, "Line chart", "Share"))["title"]
    assert " ".join(title["text"]) == CREDIT
    assert title["orient"] == "bottom"
    assert max(map(len, title["text"])) <= 50  # 290 pixels, less than a phone's width


def test_the_file_of_a_picture_says_what_it_shows_and_of_which_vintage() -> None:
    meta = finished(charts.lines(ROWS, {}, "Line chart", "Share"))["usermeta"]
    assert meta["file"] == (
        "tokenshare-weekly-share-of-all-tokens-as-known-then-20261128T094839Z-bb6917c4"
    )
    assert meta["stem"] == "labs"
    assert meta["title"] == TITLE


def test_the_preview_holds_the_credit() -> None:
    made = [charts.preview_png(ROWS, {"A (CN)": "#d1495b"}, "T", ["S"], c) for c in (CREDIT, "")]
    assert made[0] != made[1]


def tooltips(spec: charts.Spec) -> list[list[str]]:
    return [
        [tip["title"] for tip in layer["encoding"]["tooltip"]]
        for layer in spec["layer"]
        if "tooltip" in layer["encoding"]
    ]


@pytest.mark.parametrize("dash", [False, True])
def test_a_tooltip_names_what_is_measured_and_every_line(dash: bool) -> None:
    rows = [{**row, "measure": "tokens"} for row in ROWS]
    spec = charts.band_lines(
        rows, {"A (CN)": "#d1495b", 'B’s "q"': "#2e6fb7"}, "Line chart", title="Share", dash=dash
    )
    more = ", tokens" if dash else ""
    (said,) = tooltips(spec)
    assert said == ["title", "Week of", f"A (CN){more}", f'B’s "q"{more}']
    (hover,) = (x for x in spec["layer"] if "tooltip" in x["encoding"])
    assert {"calculate": '"Share"', "as": "heading"} in hover["transform"]
    assert hover["mark"]["type"] == "rule"  # without y it is as high as the chart


def test_an_origin_has_one_color_whatever_else_is_drawn() -> None:
    """Nothing but a country has the color of a country, and no two countries share one."""
    others = {*colors.BANDS.values(), *colors.LICENSES.values(), *colors.UNITS.values()}
    others |= {colors.GAIN, colors.LOSS}
    unknown = colors.COLORS["unidentified"]
    taken = [colors.color_of(code) for code in countries()]
    assert all(re.fullmatch("#[0-9a-f]{6}", color) for color in taken)
    assert len(set(taken)) == len(countries())
    assert not others & {*taken, *colors.COLORS.values()} - {unknown}
    assert colors.color_of("CN") == "#d1495b"
    assert colors.color_of("no such country") not in {*others, *taken}


def test_labs_have_shades_of_their_country_and_differ_in_color_or_dashes() -> None:
    labs = [("a", "US"), ("b", "CN"), ("c", "US"), ("d", "FR"), ("e", "CN"), ("f", "KR"),
            *((f"cn{i}", "CN") for i in range(12))]  # fmt: skip
    strokes = colors.lab_strokes(labs)
    assert list(strokes)[:4] == ["a", "c", "b", "e"]
    assert {name for name, _ in labs} == set(strokes)
    assert len({json.dumps(stroke) for stroke in strokes.values()}) == len(labs)
    by_country: dict[str, set[str]] = {}
    for name, origin in labs:
        by_country.setdefault(origin, set()).add(strokes[name][0])
    for origin, used in by_country.items():
        assert colors.color_of(origin) in used
        assert not used & set().union(*(by_country[o] for o in by_country if o != origin))


def test_a_chart_without_rows_is_not_drawn() -> None:
    week = date(2026, 1, 5)
    rows = [{"period_start": week + timedelta(7), "name": "a", "name_order": 0, "share": 0.5}]
    specs = {
        "x": ("X", charts.stacked_area([], {}, "d")),
        "y": ("Y", charts.stacked_area(rows, {"a": "#000"}, "d")),
    }
    assert list(charts.drawn(specs)) == ["y"]
