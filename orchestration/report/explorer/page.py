"""Make the explorer: its data as columns of whole numbers, and the page around them.

The queries make every number (`queries/*.sql`); the page selects, filters and draws. It opens from
the file system, where a page may not read other files, so the data are in it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
from markupsafe import Markup

from orchestration.pages import environment, safe_json
from orchestration.report import charts
from orchestration.report.colors import BANDS, COLORS, LICENSES, color_of
from orchestration.request_logs import REQUEST_LOGS
from orchestration.settings import PRIMARY_SOURCE, Settings
from orchestration.sources import SOURCES
from orchestration.tables import open_tables, rows
from orchestration.words import as_known, countries, country

PAGE_NAME = "explorer.html"
# The same with a company's own request logs; only in a vintage that has some.
OWN_PAGE_NAME = "own-explorer.html"
QUERIES_DIR = Path(__file__).parent / "queries"
# The largest whole number that JavaScript reads exactly from JSON; a larger one is text.
_MOST_EXACT = 2**53 - 1

Row = dict[str, Any]


class Choice(NamedTuple):
    """What a reader may choose: its name in the address, and its label."""

    name: str
    label: str


WHATS = (
    Choice("origin", "Origin (country)"),
    Choice("lab", "Lab"),
    Choice("license", "License"),
    Choice("price_band", "Price band"),
    Choice("model", "Model"),
)
LENSES = (
    Choice("author_hq", "Headquarters of the lab"),
    Choice("base_lineage", "Lab that trained the base model"),
    Choice("serving_hq", "Company that served the tokens"),
)
GRAINS = (
    Choice("weekly", "ISO weeks"),
    Choice("monthly", "Calendar months"),
    Choice("daily", "Days (the newest 91)"),
)
_NAMES = {
    "license": {"open_weight": "Open weights", "closed": "Closed", "unknown": "Unknown license"},
    "price_band": {
        "free": "Free", "under_0.5": "Under $0.50", "0.5_to_2": "$0.50 to under $2",
        "2_to_10": "$2 to under $10", "10_and_over": "$10 and over", "unpriced": "Unpriced",
    },
}  # fmt: skip
_REST = {"unidentified": "Unidentified", "other_models": "Other models"}
# A country has the color that it has in the report; what is not a country never has one of those.
_COLORS = {**{code: color_of(code) for code in countries()}, **COLORS, **BANDS, **LICENSES}


def query_text(name: str) -> str:
    """The text of a query of the explorer."""
    return (QUERIES_DIR / f"{name}.sql").read_text(encoding="utf-8")


def _exact(number: int) -> int | str:
    return number if number <= _MOST_EXACT else str(number)


def _label(what: str, member: str, name: str) -> str:
    """What a member is called on the page."""
    if member in _REST:
        return _REST[member]
    if what == "origin":
        named = country(member).removeprefix("the ")
        return named[:1].upper() + named[1:]
    return _NAMES.get(what, {}).get(member, name)


def _periods(found: Sequence[Row]) -> dict[str, dict[str, list[Any]]]:
    """The periods of each source and grain, as columns."""
    made: dict[str, dict[str, list[Any]]] = {}
    for row in found:
        columns = made.setdefault(
            f"{row['source']}|{row['grain']}",
            {"start": [], "days": [], "complete": [], "total": []},
        )
        columns["start"].append(row["period_start"].isoformat())
        columns["days"].append(row["days_present"])
        columns["complete"].append(int(row["is_complete"]))
        columns["total"].append(_exact(row["total_tokens"]))
    return made


def make_data(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Everything that can be chosen, as columns of whole numbers. The rows of a set are in the
    order of its periods; `n` says how many each period has. Shares are in millionths."""
    periods = _periods(rows(connection, query_text("periods")))
    members: dict[str, dict[str, str]] = {choice.name: {} for choice in WHATS}
    places: dict[str, dict[str, int]] = {choice.name: {} for choice in WHATS}
    at = {
        key: {start: i for i, start in enumerate(columns["start"])}
        for key, columns in periods.items()
    }
    sets: dict[tuple[str, ...], dict[str, Any]] = {}
    for query in ("shares", "models"):
        for row in rows(connection, query_text(query)):
            key = tuple(row[k] for k in ("source", "grain", "lens", "view", "what"))
            held = f"{row['source']}|{row['grain']}"
            place = at.get(held, {}).get(row["period_start"].isoformat())
            if place is None:
                continue  # a day that is not among the newest
            what, member = row["what"], row["member"]
            number = places[what].setdefault(member, len(places[what]))
            members[what][member] = _label(what, member, row["name"])
            one = sets.setdefault(
                key,
                {
                    **dict(zip(("source", "grain", "lens", "view", "what"), key, strict=True)),
                    "n": [0] * len(periods[held]["start"]),
                    "m": [], "t": [], "s": [], "l": [], "h": [], "r": [],
                },
            )  # fmt: skip
            one["n"][place] += 1
            one["m"].append(number)
            one["t"].append(_exact(row["tokens"]))
            one["s"].append(row["share_millionths"])
            one["l"].append(row["low_millionths"])
            one["h"].append(row["high_millionths"])
            one["r"].append(row["rank"] or 0)
    for one in sets.values():
        if one["l"] == one["s"]:
            one["l"] = None  # the share itself is the lower bound
    return {
        "periods": periods,
        "members": {
            what: {"id": list(named), "name": list(named.values())}
            for what, named in members.items()
        },
        "sets": [sets[key] for key in sorted(sets)],
    }


def _credits(
    sources: Sequence[str], inputs: Sequence[Row], vintage_id: str
) -> dict[str, dict[str, str]]:
    """The citation of each source's shares; that of the price lists too, for the price bands."""
    newest = {i["source"]: i["citation"] for i in sorted(inputs, key=lambda i: str(i["as_of"]))}
    prices = [
        newest[name]
        for name in sorted(newest)
        if name in SOURCES and SOURCES[name].kind == "prices"
    ]
    made = {}
    for source in sources:
        cited = [newest[source]] if source in newest else []
        made[source] = {
            "": " ".join([*cited, f"tokenshare, vintage {vintage_id}."]),
            "price_band": " ".join(
                dict.fromkeys([*cited, *prices, f"tokenshare, vintage {vintage_id}."])
            ),
        }
    return made


def _source_label(source: str) -> str:
    if source == PRIMARY_SOURCE:
        return "OpenRouter"
    return f"{REQUEST_LOGS[source].title} ({source})" if source in REQUEST_LOGS else source


def _of_sources(data: dict[str, Any], sources: Sequence[str]) -> dict[str, Any]:
    """The data of these sources alone, without a name that only others have."""
    kept = [one for one in data["sets"] if one["source"] in sources]
    members, sets = {}, []
    for what, named in data["members"].items():
        used = sorted({m for one in kept if one["what"] == what for m in one["m"]})
        at = {old: new for new, old in enumerate(used)}
        members[what] = {k: [named[k][m] for m in used] for k in ("id", "name")}
        sets += [{**one, "m": [at[m] for m in one["m"]]} for one in kept if one["what"] == what]
    sets.sort(key=lambda one: [one[k] for k in ("source", "grain", "lens", "view", "what")])
    periods = {k: v for k, v in data["periods"].items() if k.rpartition("|")[0] in sources}
    return {"periods": periods, "members": members, "sets": sets}


def render(
    tables_dir: Path,
    vintage_id: str,
    inputs: Sequence[Row],
    citations: Sequence[str],
    settings: Settings,
    registry: Mapping[str, str],
    withheld: Sequence[str],
) -> dict[str, str]:
    """The explorers of a vintage, each as one HTML file, by file name. The arguments are those of
    `build_report`.

    The page beside the report has public sources only, so that it can be passed on with it. If the
    vintage has a source that is not public, a second page has all sources.
    """
    with open_tables(tables_dir) as connection:
        data = make_data(connection)
    sources = sorted({one["source"] for one in data["sets"]})
    sources.sort(key=lambda source: source != PRIMARY_SOURCE)
    public = [source for source in sources if source in SOURCES]
    chosen = {PAGE_NAME: public or sources}
    if public != sources:
        chosen[OWN_PAGE_NAME] = sources

    def cited(names: Sequence[str]) -> list[str]:
        """The citations without those of own logs that are not on the page."""
        hidden = {
            i["citation"] for i in inputs if i["source"] not in SOURCES and i["source"] not in names
        }
        return [line for line in citations if line not in hidden]

    return {
        name: _page(
            _of_sources(data, names), names, vintage_id, inputs, cited(names), settings, registry,
            withheld,
        )
        for name, names in chosen.items()
    }  # fmt: skip


def _page(
    data: dict[str, Any],
    sources: Sequence[str],
    vintage_id: str,
    inputs: Sequence[Row],
    citations: Sequence[str],
    settings: Settings,
    registry: Mapping[str, str],
    withheld: Sequence[str],
) -> str:
    known = as_known(registry["as_of"])
    data |= {
        "vintage": vintage_id,
        "choices": {
            "source": [Choice(source, _source_label(source)) for source in sources],
            "what": WHATS,
            "lens": LENSES,
            "grain": GRAINS,
            "view": [
                *(Choice(view, label) for view, label in known.items()),
                Choice("published", known[registry["view"]]),
            ],
        },
        "credits": _credits(sources, inputs, vintage_id),
        "colors": _COLORS,
    }
    return (
        environment()
        .get_template("explorer.html.j2")
        .render(
            vintage_id=vintage_id,
            citations=citations,
            withheld=withheld,
            private=[source for source in sources if source not in SOURCES],
            grains=("daily", "weekly", "monthly"),
            data=safe_json(data),
            config=safe_json(charts.CONFIG),
            javascript=Markup(charts.javascript(settings.warehouse_dir)),  # noqa: S704  # our pinned library
        )
    )
