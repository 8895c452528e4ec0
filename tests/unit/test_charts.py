"""Charts that keep their meaning when they leave the page: colors, and the credit inside."""

import json
import re
from datetime import date

import vl_convert

from orchestration.report import charts

CREDIT = (
    "Source: OpenRouter (openrouter.ai/rankings), as of 2026-10-11T00:27:00Z. Licensed under "
    "CC BY 4.0. tokenshare, vintage 20261128T094839Z-bb6917c4."
)
ROWS = [
    {"period_start": date(2026, 1, day), "name": "A (CN)", "value": 0.4, "low": 0.4, "high": 0.5}
    for day in (5, 12, 19)
]


def test_a_saved_chart_names_source_license_and_vintage_in_lines_that_fit() -> None:
    strokes = charts.lab_strokes([("A (CN)", "CN")])
    spec = charts.with_credit(charts.lines(ROWS, strokes, "Line chart", "Share"), CREDIT)
    svg = vl_convert.vegalite_to_svg(
        json.dumps({**spec, "width": 350}, default=str), config=charts.CONFIG
    )
    drawn = re.findall(r"<(?:text|tspan)[^>]*>([^<]+)<", svg)
    credit = drawn[next(i for i, text in enumerate(drawn) if text.startswith("Source: Open")) :]
    assert " ".join(credit) == CREDIT
    assert max(map(len, credit)) <= 50  # 290 pixels, less than a phone's width


def test_the_preview_holds_the_credit() -> None:
    made = [charts.preview_png(ROWS, {"A (CN)": "#d1495b"}, "T", ["S"], c) for c in (CREDIT, "")]
    assert made[0] != made[1]


def test_a_country_s_color_is_nothing_else_s() -> None:
    others = {*charts.BANDS.values(), *charts.LICENSES.values(), *charts.UNITS.values()}
    unknown = charts.COLORS["unidentified"]
    taken = {charts.color_of(o, ["KR", "FR", "CA"]) for o in ("KR", "FR", "CA")}
    assert len(taken) == 3
    assert not (others | taken) & set(charts.COLORS.values()) - {unknown}


def test_labs_have_shades_of_their_country_and_differ_in_color_or_dashes() -> None:
    labs = [("a", "US"), ("b", "CN"), ("c", "US"), ("d", "FR"), ("e", "CN"), ("f", "KR"),
            *((f"cn{i}", "CN") for i in range(12))]  # fmt: skip
    strokes = charts.lab_strokes(labs)
    assert list(strokes)[:4] == ["a", "c", "b", "e"]
    assert {name for name, _ in labs} == set(strokes)
    assert len({json.dumps(stroke) for stroke in strokes.values()}) == len(labs)
    origins = dict(labs)
    by_country = {
        country: {strokes[n][0] for n in strokes if origins[n] in names}
        for country, names in {"CN": ["CN"], "US": ["US"], "others": ["FR", "KR"]}.items()
    }
    assert charts.COLORS["CN"] in by_country["CN"]
    assert charts.COLORS["US"] in by_country["US"]
    assert charts.COLORS["other countries"] in by_country["others"]
    assert not by_country["CN"] & by_country["US"]
    assert not (by_country["CN"] | by_country["US"]) & by_country["others"]
