"""Which color means what, on every chart of every page. No other module names a color of data.

A country has one color everywhere, whatever else a chart draws; nothing but a country has it. The
labs of a country have shades of its color.
"""

import colorsys
from collections.abc import Sequence

from orchestration.words import countries

# These can be told apart with any color vision, in print and on a dark page. Unknown is gray.
COLORS = {
    "CN": "#d1495b",
    "US": "#2e6fb7",
    "other countries": "#e0a030",
    "unidentified": "#a7adb3",
    # Countries that have labs in the registry.
    "FR": "#12a5c4",
    "KR": "#8a6d3b",
    "CA": "#e07bb0",
    "IL": "#5f8f1f",
    "JP": "#b08cf0",
    "GB": "#6b2f5c",
    "DE": "#c9b458",
    "AE": "#0f6b5c",
}
BANDS = {
    "free": "#cfe8d5", "under_0.5": "#8fcfb0", "0.5_to_2": "#4aa7a1", "2_to_10": "#2c7d96",
    "10_and_over": "#3c3a83", "unpriced": "#a7adb3",
}  # fmt: skip
LICENSES = {"open_weight": "#2a9d6f", "closed": "#7a5ea8", "unknown": "#a7adb3"}
UNITS = {"models": "#2a9d6f", "labs": "#7a5ea8", "origins": "#18909c"}
# Steps of a waterfall chart.
GAIN, LOSS = "#2a9d6f", "#b5651d"

# Neighbors differ in lightness too, and in dashes.
_SHADES = {
    "CN": ["#d1495b", "#a02a55", "#f0968c", "#b8574a", "#e46fa0"],
    "US": ["#2e6fb7", "#74b3ea", "#4b4fb5", "#1f8fb0", "#93a5dd"],
    "unidentified": ["#a7adb3", "#7d858c"],
}
_DASHES = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3]]


def color_of(origin: str) -> str:
    """The color of an origin or group. It does not depend on what else a chart draws."""
    return COLORS.get(origin) or _made(origin)


def _made(origin: str) -> str:
    """A color for a country that has none in COLORS, from its place in the list of all countries:
    between yellow and green, or between violet and pink, because red and blue are taken."""
    codes = sorted(countries())
    at = codes.index(origin) if origin in codes else len(codes)
    turn = (at * 0.618034) % 1  # neighbors in the list are far from each other
    hue = 0.16 + turn * 0.5 if turn < 0.5 else 0.78 + (turn - 0.5) * 0.24
    lightness = 0.34 + 0.24 * ((at * 0.754878) % 1)
    red, green, blue = (round(255 * x) for x in colorsys.hls_to_rgb(hue, lightness, 0.5))
    return f"#{red:02x}{green:02x}{blue:02x}"


def lab_strokes(labs: Sequence[tuple[str, str]]) -> dict[str, tuple[str, list[int]]]:
    """The color and dash pattern of each lab's line. `labs` are (name, origin) in order of rank.

    In the result the labs of a country are together, in the order of the first lab of each country.
    """
    families: dict[str, list[str]] = {}
    for name, origin in labs:
        families.setdefault(origin, []).append(name)
    strokes = {}
    for origin, names in families.items():
        shades = _SHADES.get(origin) or [color_of(origin)]
        for i, name in enumerate(names):
            strokes[name] = (shades[i % len(shades)], _DASHES[i % len(_DASHES)])
    return strokes
