"""What each section of the report holds: answers of queries as facts, tables and charts.

No prose (the templates have it) and no arithmetic beyond differences of published shares.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from orchestration.report import charts
from orchestration.report.words import (
    as_known,
    bounded,
    country,
    money,
    month,
    number,
    percent,
    points,
    spaced,
    tokens,
    week,
)

Row = dict[str, Any]
Ask = Callable[[str], list[Row]]

# In the order of the page: anchor and title.
SECTIONS = (
    ("headline", "Who leads"),
    ("claims", "What the press said"),
    ("origin", "Share by origin"),
    ("crossover", "When the lead changed"),
    ("change", "What changed the shares"),
    ("labs", "Labs"),
    ("license", "Open weights"),
    ("concentration", "Concentration"),
    ("price", "Price"),
    ("spend", "Spend"),
    ("quality", "Price against quality"),
    ("uses", "Uses"),
    ("revisions", "Revisions"),
    ("coverage", "What this rests on"),
    ("method", "Method"),
    ("cite", "Citation"),
)
# A week with fewer days says more about the edge of the window than about usage.
_MIN_DAYS_CHARTED = 4
_ROWS_SHOWN = 15
_LABS_IN_WATERFALL = 8
VERDICTS = {
    "reproduced": "Reproduced",
    "more_than_claimed": "More than claimed",
    "reproduced_under_other_rules": "Only under other rules",
    "not_reproduced": "Not reproduced",
    "not_decidable": "Not decidable",
    "not_measurable": "Not measurable",
}
# What makes up the unidentified tokens, in the words of the page.
UNIDENTIFIED = {
    "tail": "the tail, which the source does not name",
    "stealth": "stealth models, not revealed yet",
    "router": "routers",
    "unmapped": "authors without a registry row",
    "no_country": "labs without a stated country",
}
_KINDS = {"no_country": "attributed, no country stated"}
_UNIT_SIGN = {"percent": " %", "trillion_tokens": " T"}
_SHARE_METRICS = ("share", "license_share", "price_quality", "price_gap", "first_lead_date")


@dataclass(frozen=True)
class Table:
    """A table as the page shows it: the first rows, the rest on demand.

    A column is a heading and a class (`text` stands left, `wrap` may break); the first cell of
    a row is its heading.
    """

    caption: str
    columns: list[tuple[str, str]]
    rows: list[list[Any]]
    shown: int = _ROWS_SHOWN

    @property
    def first(self) -> list[list[Any]]:
        return self.rows[: self.shown]

    @property
    def rest(self) -> list[list[Any]]:
        return self.rows[self.shown :]


def _starred(text: str, row: Row) -> str:
    return text if row["is_complete"] else f"{text} *"


def _round(value: Any, digits: int = 4) -> float | None:
    return None if value is None else round(float(value), digits)


def _grouped(rows: Iterable[Row], *keys: str) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        key = tuple(row[k] for k in keys)
        groups.setdefault(key if len(keys) > 1 else key[0], []).append(row)
    return groups


class Report:
    """Everything on the page, from one source's tables. `specs` are the charts by element id.

    `registry` is how the run read the registry: its `view` and `as_of`, as in the manifest. The
    share tables hold that view; what is quoted from them says so in the words of `said`.
    """

    def __init__(self, ask: Ask, registry: Mapping[str, str]) -> None:
        self._ask = ask
        self.view = registry["view"]
        self.said_of = as_known(registry["as_of"])
        self.said = self.said_of[self.view]
        self.specs: dict[str, charts.Spec] = {}
        self._headline()
        self._claims()
        self._origin()
        self._crossover()
        self._change()
        self._labs()
        self._license()
        self._concentration()
        self._price()
        self._spend()
        self._quality()
        self._uses()
        self._revisions()
        self._coverage()
        self.specs = {k: spec for k, spec in self.specs.items() if spec["data"]["values"]}

    def _headline(self) -> None:
        moments = {m: {r["origin"]: r for r in rows}
                   for m, rows in _grouped(self._ask("leaders"), "moment").items()}  # fmt: skip
        latest = dict(moments.get("latest", {}))
        self.unidentified = latest.pop("unidentified", None)
        ranked = sorted(latest.values(), key=lambda r: (-r[f"share_{self.view}"], r["origin"]))
        weekly = self._ask("origin_weekly")
        self._weekly = weekly
        present = sorted({r["origin"] for r in weekly} - {"unidentified"})
        # Without a complete week China and the United States still are who people ask about.
        asked = [o for o in ("CN", "US") if o in present]
        self.pair = [r["origin"] for r in ranked[:2]] or asked or present[:2]
        self.pair_colors = {_title(o): charts.color_of(o, self.pair) for o in self.pair}
        self.leader = ranked[0] if ranked else None
        self.rival = ranked[1] if len(ranked) > 1 else None
        self.leads = _leads(self.leader, self.rival) if self.leader and self.rival else {}
        self.year_earlier = moments.get("year_earlier", {})
        kinds = self._ask("identification")
        self.unidentified_kinds = [
            {"name": UNIDENTIFIED[r["kind"]], "share": r["week_share"]}
            for r in sorted(kinds, key=lambda r: -r["week_tokens"])
            if r["kind"] in UNIDENTIFIED and r["week_tokens"]
        ]
        self.kinds_table = Table(
            f"All tokens by what is known of their model, {self.said}: ever, and in the latest "
            "complete week. Only those attributed to a lab with a stated country are identified.",
            [("Identification", ""), ("Share", ""), ("Tokens", ""), ("Share of the week", "")],
            [
                [_KINDS.get(r["kind"], r["kind"]), percent(r["share"]),
                 f"{int(r['tokens']):,}", percent(r["week_share"])]
                for r in kinds
            ],
        )  # fmt: skip
        shown = [*self.pair, "unidentified"]
        labels = {"latest": "Latest", "year_earlier": "52 weeks earlier", "first": "First"}
        cells = []
        for moment, label in labels.items():
            found = moments.get(moment, {})
            restated = any(len(readings(r)) > 1 for o, r in found.items() if o in shown)
            for view in ("then", "now") if restated else ("both",) if found else ():
                any_row = next(iter(found.values()))
                cells.append(
                    [
                        Markup('{}: <span class="day">{}</span>').format(
                            label, any_row["period_start"]
                        ),
                        self.said_of[view],
                        *(
                            self._with_bounds(
                                {"origin": o, **_in(found[o], view)} if o in found else None
                            )
                            for o in shown
                        ),
                        tokens(any_row["total_tokens"]),
                    ]
                )
        self.headline_table = Table(
            "Complete ISO weeks; share of all tokens with its bounds.",
            [("Week of", ""), ("Read", "text"), *((_title(o), "") for o in shown),
             ("All tokens", "")],
            cells,
        )  # fmt: skip

    @staticmethod
    def _with_bounds(row: Row | None) -> Any:
        if row is None:
            return "–"
        if row["origin"] == "unidentified":
            return percent(row["share"])
        return Markup('{} <span class="soft">({})</span>').format(
            percent(row["share"]), bounded(row["share_low"], row["share_high"])
        )

    def preview_text(self) -> tuple[str, list[str]]:
        """Title and lines under it of the preview picture."""
        if self.leader is None:
            return "Who gets used?", ["No complete week yet"]
        first = [self.leader, *([self.rival] if self.rival else [])]
        title, *others = (
            f"{_title(r['origin'])} "
            + ", ".join(f"{percent(x)} {said}" for said, x in self.shares_said(r))
            for r in first
        )
        bounds = [
            f"Bounds {self.said_of[view]}: "
            + ", ".join(
                f"{_title(r['origin'])} {bounded(x['share_low'], x['share_high'])}"
                for r in first
                for x in [_in(r, view)]
            )
            + "."
            for view in _either(first)
        ]
        about = f"Share of all tokens in the week {week(self.leader['period_start'])}."
        return title, [" ".join([*(f"{o}." for o in others), about]), *bounds]

    def shares_said(self, row: Row) -> list[tuple[str, float]]:
        """The shares of an origin with how they are read; one where the views agree on it."""
        then, now = row["share_then"], row["share_now"]
        if then == now:
            return [(self.said_of["both"], then)]
        return [(self.said_of["then"], then), (self.said_of["now"], now)]

    def _claims(self) -> None:
        rows = self._ask("claims")
        self.claims = [r for r in rows if r["asked_by"] == "publisher"]
        questions = [r for r in rows if r["asked_by"] == "us"]
        counts = [
            (name, label, sum(r["verdict"] == name for r in self.claims))
            for name, label in VERDICTS.items()
        ]
        self.verdict_counts = [(name, label, count) for name, label, count in counts if count]
        self.claims_first = [r for r in self.claims if r["metric"] in _SHARE_METRICS][:5]
        self.claims_table = Table(
            "Published statements, newest first. T: trillion tokens.",
            [("Verdict", ""), ("Statement", "wrap"), ("Published", "wide"),
             ("Measured, with bounds", "wide")],
            [_claim_cells(r) for r in self.claims],
        )  # fmt: skip
        self.questions_table = Table(
            "Questions of our own, which nobody published. T: trillion tokens.",
            [("Verdict", ""), ("Question", "wrap"), ("Asked", "wide"),
             ("Measured, with bounds", "wide")],
            [_claim_cells(r) for r in questions],
        )  # fmt: skip

    def _origin(self) -> None:
        weeks = _grouped(self._weekly, "period_start")
        named = [*self.pair, "other countries", "unidentified"]
        colors = {_title(o): charts.color_of(o, self.pair) for o in named}
        areas, self.bounds_rows, cells = [], [], []
        for start, rows in weeks.items():
            by = {r["origin"]: r for r in rows}
            others = sum(
                r["share"] for r in rows if r["origin"] not in (*self.pair, "unidentified")
            )
            unknown = by["unidentified"]["share"] if "unidentified" in by else 0.0
            shares = [*(by[o]["share"] if o in by else 0.0 for o in self.pair), others, unknown]
            cells.append(
                [
                    _starred(str(start), rows[0]),
                    str(rows[0]["days_present"]),
                    *(self._with_bounds(by.get(o)) for o in self.pair),
                    percent(others), percent(unknown), tokens(rows[0]["total_tokens"]),
                ]
            )  # fmt: skip
            if rows[0]["days_present"] < _MIN_DAYS_CHARTED:
                continue
            areas += [
                {"period_start": start, "name": _title(o), "name_order": i, "share": _round(s)}
                for i, (o, s) in enumerate(zip(named, shares, strict=True))
            ]
            self.bounds_rows += [
                {"period_start": start, "name": _title(o), **_band(by[o], "share")}
                for o in self.pair
                if o in by
            ]
        if areas:
            self.specs["chart-origin"] = charts.stacked_area(
                areas, colors,
                "Stacked area chart: weekly share of tokens by origin, with unidentified on top",
            )  # fmt: skip
            self.specs["chart-bounds"] = charts.band_lines(
                self.bounds_rows, self.pair_colors,
                f"Line chart: weekly shares of {' and '.join(self.pair_colors)} with the band of "
                "what is unidentified",
                title="Share of all tokens",
            )  # fmt: skip
        self.origin_table = Table(
            "Share of all tokens with bounds, latest week first. * incomplete week.",
            [("Week of", ""), ("Days", ""), *((_title(o), "") for o in self.pair),
             ("Other countries", ""), ("Unidentified", ""), ("Tokens", "")],
            cells[::-1],
        )  # fmt: skip

    def _crossover(self) -> None:
        rows = self._ask("crossover")
        pair = set(self.pair)
        self.crossovers = [r for r in rows if {r["origin"], r["rival_origin"]} == pair]
        leader = self.pair[0] if self.pair else None
        fields = ("first_lead", "last_change", "leads_since", "first_identified_lead",
                  "robust_since")  # fmt: skip
        self.crossover = {
            r["registry_view"]: r
            for r in self.crossovers
            if r["grain"] == "weekly" and r["origin"] == leader
        }
        of_both = [[r[f] for f in (*fields, "trend_change")] for r in self.crossover.values()]
        if len(of_both) == 2 and of_both[0] == of_both[1]:
            self.crossover = {"both": self.crossover["then"]}
        self.crossover_table = Table(
            "First day of the period; – where it never happened or does not hold now. "
            "Interval: that of the day on which the trend crossed, not of the last change of lead; "
            "nominal 95 %, read as about 90 %.",
            [("Who over whom", ""), ("Periods", "text"), ("Read", "text"), ("First lead", ""),
             ("Last change of lead", ""), ("Leads since", ""), ("First beyond doubt", ""),
             ("Beyond doubt since", ""), ("Trend crossed (interval)", ""), ("Led", "")],
            [
                [
                    f"{_title(r['origin'])} over {_title(r['rival_origin'])}",
                    r["grain"],
                    self.said_of[r["registry_view"]],
                    *(r[f] or "–" for f in fields),
                    _interval(r),
                    f"{r['periods_led']} of {r['periods_compared']}",
                ]
                for r in (*self.crossovers, *(r for r in rows if r not in self.crossovers))
            ],
            shown=max(len(self.crossovers), 1),
        )  # fmt: skip
        leads = []
        for start, by in _grouped(self._weekly, "period_start").items():
            found = {r["origin"]: r for r in by}
            if by[0]["days_present"] < _MIN_DAYS_CHARTED or not pair or not pair <= set(found):
                continue
            if len(self.pair) == 2:
                a, b = (found[o] for o in self.pair)
                leads.append(
                    {
                        "period_start": start,
                        "name": "lead",
                        "value": _round(a["share"] - b["share"]),
                        "low": _round(a["share_low"] - b["share_high"]),
                        "high": _round(a["share_high"] - b["share_low"]),
                    }
                )
        if leads:
            a_name, b_name = (country(o) for o in self.pair)
            self.specs["chart-lead"] = charts.band_lines(
                leads, {"lead": "#7a5ea8"},
                f"Line chart: weekly share of {a_name} minus that of {b_name}, with bounds; above "
                f"zero {a_name} leads",
                title=f"Lead of {a_name}, share points", rule=0.0,
            )  # fmt: skip

    def _change(self) -> None:
        rows = self._ask("change")
        self.change = rows[0] if rows else None
        self.waterfalls = []
        for origin in self.pair:
            labs = [r for r in rows if r["origin"] == origin]
            if not labs:
                continue
            element = f"chart-change-{origin.lower()}"
            start = sum(r["share_from"] for r in labs)
            stop = sum(r["share_to"] for r in labs)
            self.specs[element] = charts.waterfall(
                _steps(labs, start, stop), charts.color_of(origin, self.pair),
                f"Waterfall chart: how the share of {country(origin)} went from {percent(start)} "
                f"to {percent(stop)}, lab by lab",
            )  # fmt: skip
            self.waterfalls.append({"id": element, "origin": origin, "from": start, "to": stop})
        ordered = sorted(rows, key=lambda r: (-abs(r["delta_share"]), r["origin"], r["lab_id"]))
        terms = [("Change", ""), ("Entering models", ""), ("Leaving models", ""),
                 ("Within lab", ""), ("Between labs", "")]  # fmt: skip
        self.change_table = Table(
            "Share points; the four terms add up to the change.",
            [("Lab", ""), ("Origin", "text"), ("From", ""), ("To", ""), *terms],
            [
                [r["lab_name"], r["origin"], percent(r["share_from"]), percent(r["share_to"]),
                 *_terms(r)]
                for r in ordered
            ],
        )  # fmt: skip
        months = [r for r in self._ask("change_monthly") if r["origin"] in self.pair]
        self.change_months_table = Table(
            "Month on month, share points, latest first; the four terms add up to the change.",
            [("Month", ""), ("Origin", "text"), ("Share", ""), *terms],
            [
                [month(r["period_start_to"]), r["origin"], percent(r["share_to"]), *_terms(r)]
                for r in months
            ],
        )

    def _labs(self) -> None:
        latest = self._ask("labs_latest")
        names = [r["lab_name"] for r in latest[:8]]
        weeks = self._ask("labs_weekly")
        self.labs = latest
        self.labs_table = Table(
            "Latest complete week; share of all tokens with its bounds.",
            [("Lab", ""), ("Origin", "text"), ("Share", ""), ("Tokens", "")],
            [
                [_ranked(r, "lab_name"), r["origin"], self._with_bounds(r),
                 tokens(r["tokens"])]
                for r in latest
            ],
        )  # fmt: skip
        self.labs_weekly_table = Table(
            "Share of all tokens by week, latest first. * incomplete week.",
            [("Week of", ""), *((n, "") for n in names)],
            [
                [_starred(str(start), rows[0]),
                 *(percent({r["lab_name"]: r["share"] for r in rows}.get(n)) for n in names)]
                for start, rows in reversed(_grouped(weeks, "period_start").items())
            ],
        )  # fmt: skip
        named = {r["lab_name"]: f"{r['lab_name']} ({r['origin']})" for r in latest[:8]}
        charted = [
            {"period_start": r["period_start"], "name": named[r["lab_name"]],
             "value": _round(r["share"])}
            for r in weeks
            if r["days_present"] >= _MIN_DAYS_CHARTED
        ]  # fmt: skip
        if charted:
            self.specs["chart-labs"] = charts.lines(
                charted,
                charts.lab_strokes([(named[r["lab_name"]], r["origin"]) for r in latest[:8]]),
                "Line chart: weekly shares of the labs that lead the latest complete week",
                "Share of all tokens",
            )  # fmt: skip

    def _license(self) -> None:
        rows = self._ask("license_monthly")
        order = list(charts.LICENSES)
        self.license_latest = {
            r["license"]: r
            for r in rows
            if r["period_start"] == max(x["period_start"] for x in rows if x["is_complete"])
        } if any(r["is_complete"] for r in rows) else {}  # fmt: skip
        if rows:
            self.specs["chart-license"] = charts.stacked_bars(
                [
                    {"period_start": r["period_start"], "name": spaced(r["license"]),
                     "name_order": order.index(r["license"]), "share": _round(r["share"])}
                    for r in rows
                ],
                {spaced(k): v for k, v in charts.LICENSES.items()},
                "Stacked bar chart: monthly share of tokens of models with open and closed weights",
            )  # fmt: skip
        self.license_table = Table(
            "Share of all tokens with bounds, latest month first. * incomplete month.",
            [("Month", ""), ("Open weight", ""), ("Closed", ""), ("Unknown", "")],
            [
                [
                    _starred(month(start), found[0]),
                    *(
                        self._with_bounds(by.get(k) and {**by[k], "origin": k})
                        for k in ("open_weight", "closed")
                    ),
                    percent(by["unknown"]["share"] if "unknown" in by else 0),
                ]
                for start, found in reversed(_grouped(rows, "period_start").items())
                for by in [{r["license"]: r for r in found}]
            ],
        )

    def _concentration(self) -> None:
        rows = self._ask("concentration")
        names = {"model": "models", "lab": "labs", "origin": "origins"}
        charted = [
            {"period_start": r["period_start"], "name": names[r["unit"]],
             **_band(r, "effective_number", 2)}
            for r in rows
            if r["days_present"] >= _MIN_DAYS_CHARTED and r["unit"] in names
        ]  # fmt: skip
        if charted:
            self.specs["chart-concentration"] = charts.band_lines(
                charted, charts.UNITS,
                "Line chart: effective number of models, labs and origins by week, with bounds",
                title="Effective number (logarithmic)", form="~g", tip_form=".1f", scale="log",
            )  # fmt: skip
        complete = [r for r in rows if r["is_complete"]]
        last = max((r["period_start"] for r in complete), default=None)
        self.concentration = {r["unit"]: r for r in complete if r["period_start"] == last}
        self.concentration_table = Table(
            "By ISO week, latest first, with bounds. * incomplete week.",
            [("Week of", ""), ("Of", "text"), ("Named", ""), ("HHI", ""), ("Effective number", ""),
             ("Share of the five largest", "")],
            [
                [
                    _starred(str(r["period_start"]), r), names.get(r["unit"], r["unit"]),
                    str(r["units"]),
                    _with_ends(r, "hhi", 3),
                    _with_ends(r, "effective_number", 1),
                    f"{percent(r['top_5_share'])} "
                    f"({bounded(r['top_5_share_low'], r['top_5_share_high'])})",
                ]
                for r in sorted(
                    rows, key=lambda r: (-r["period_start"].toordinal(), r["unit"])
                )
            ],
        )  # fmt: skip

    def _price(self) -> None:
        bands = self._ask("price_bands")
        found = list(dict.fromkeys(b["price_band"] for b in sorted(
            bands, key=lambda b: (b["band_order"] is None, b["band_order"]))))  # fmt: skip
        if bands:
            self.specs["chart-price"] = charts.stacked_bars(
                [
                    {"period_start": b["period_start"], "name": spaced(b["price_band"]),
                     "name_order": b["band_order"], "share": _round(b["share"])}
                    for b in bands
                ],
                {spaced(k): v for k, v in charts.BANDS.items()},
                "Stacked bar chart: monthly share of tokens by list price band",
                "US dollars per million tokens",
            )  # fmt: skip
        self.bands_table = Table(
            "Share of all tokens, latest month first. * incomplete month.",
            [("Month", ""), *((spaced(b), "") for b in found)],
            [
                [_starred(month(start), rows[0]),
                 *(percent({r["price_band"]: r["share"] for r in rows}.get(b, 0)) for b in found)]
                for start, rows in reversed(_grouped(bands, "period_start").items())
            ],
        )  # fmt: skip
        prices = [r for r in self._ask("price_by_origin") if r["origin"] in self.pair]
        if prices:
            self.specs["chart-price-origin"] = charts.band_lines(
                [
                    {"period_start": r["period_start"], "name": _title(r["origin"]),
                     **_band(r, "usd_per_million_tokens", 4)}
                    for r in prices
                    if r["usd_per_million_tokens_low"]
                ],
                self.pair_colors,
                "Line chart: token-weighted list price by origin and month, with its band",
                title="US dollars per million tokens (log.)", form="~g", tip_form=".2f",
                grain="month", scale="log",
            )  # fmt: skip
        self.price_latest = _latest_complete(prices)
        index = [r for r in self._ask("price_index") if r["origin"] in self.pair]
        self.index_latest = _latest_complete(index)
        labels = {"index": "same models (index)", "average_price_index": "what was used (average)"}
        charted = [
            {"period_start": r["period_start"], "name": _title(r["origin"]), "measure": label,
             "value": _round(r[field], 1), "low": _round(low, 1), "high": _round(high, 1)}
            for field, label in labels.items()
            for r in index
            for low, high in [
                (r["index_all_prompt"], r["index_all_completion"]) if field == "index"
                else (None, None)
            ]
            if r[field]
        ]  # fmt: skip
        if charted:
            self.specs["chart-index"] = charts.band_lines(
                charted, self.pair_colors,
                "Line chart: chained price index of the same models, and index of the average "
                "price of what was used, by origin and month",
                title="Index, first month of the chain = 100", form=",.0f", tip_form=".1f",
                grain="month", dash=True,
            )  # fmt: skip
        self.index_table = Table(
            "First month of each chain = 100, latest month first. * incomplete month.",
            [("Month", ""), ("Origin", "text"), ("Same models", ""), ("All prompt", ""),
             ("All completion", ""), ("Average price", ""), ("Mix", ""), ("Matched models", ""),
             ("Their share of tokens", ""), ("100 in", "")],
            [
                [
                    _starred(month(r["period_start"]), r), r["origin"],
                    *(number(r[f], 1) for f in ("index", "index_all_prompt", "index_all_completion",
                                             "average_price_index", "mix_index")),
                    str(r["matched_models"]), percent(r["matched_token_share_to"]),
                    month(r["base_period"]),
                ]
                for r in sorted(index, key=lambda r: (-r["period_start"].toordinal(), r["origin"]))
            ],
        )  # fmt: skip
        self.price_labs_table = Table(
            "US dollars per million tokens at list prices, 3:1, latest complete month; from all "
            "prompt to all completion.",
            [("Lab", ""), ("Origin", "text"), ("Average", ""), ("Band", ""), ("Without free", ""),
             ("Tokens priced", "")],
            [
                [
                    r["lab_name"], r["origin"], number(r["usd_per_million_tokens"]),
                    _price_band(r),
                    number(r["paid_usd_per_million_tokens"]), percent(r["priced_token_share"]),
                ]
                for r in self._ask("price_by_lab")
            ],
        )  # fmt: skip

    def _spend(self) -> None:
        rows = [r for r in self._ask("spend") if r["origin"] in self.pair]
        charted = [
            {"period_start": r["period_start"], "name": _title(r["origin"]), "measure": label,
             "value": _round(r[field]), "low": _round(r[low]), "high": _round(r[high])}
            for field, low, high, label in (
                ("token_share", "token_share", "token_share", "share of tokens"),
                ("share", "same_split_low", "same_split_high", "share of list dollars"),
            )
            for r in rows
        ]  # fmt: skip
        if charted:
            self.specs["chart-spend"] = charts.band_lines(
                charted, self.pair_colors,
                "Line chart: share of tokens beside share of list dollars by origin and month",
                title="Share", grain="month", dash=True,
            )  # fmt: skip
        self.spend_latest = _latest_complete(rows)
        self.spend_table = Table(
            f"Latest month first, {self.said}. Band: if all models share one split into prompt and "
            "completion and completions cost more than prompts. "
            "Sharp bounds: every model its own split, unidentified tokens anyone’s. "
            "* incomplete month.",
            [("Month", ""), ("Origin", "text"), ("Share of tokens", ""), ("Share of dollars", ""),
             ("Band", ""), ("Sharp bounds", ""), ("List dollars", ""), ("From all prompt", ""),
             ("To all completion", ""), ("Tokens priced", "")],
            [
                [
                    _starred(month(r["period_start"]), r), r["origin"], percent(r["token_share"]),
                    percent(r["share"]), bounded(r["same_split_low"], r["same_split_high"]),
                    bounded(r["share_low"], r["share_high"]), money(r["list_spend_usd"]),
                    money(r["list_spend_low_usd"]), money(r["list_spend_high_usd"]),
                    percent(r["priced_token_share"]),
                ]
                for r in sorted(rows, key=lambda r: (-r["period_start"].toordinal(), r["origin"]))
            ],
        )  # fmt: skip
        labs = self._ask("spend_by_lab")
        # Who has most tokens and who has most dollars, if they are not the same.
        self.spend_leaders = [max(labs, key=lambda r: r["token_share"]), labs[0]] if labs else []
        self.spend_labs_table = Table(
            "Latest complete month, by list dollars; share with sharp bounds.",
            [("Lab", ""), ("Origin", "text"), ("List dollars", ""), ("Band", ""),
             ("Share of dollars", ""), ("Share of tokens", "")],
            [
                [
                    r["lab_name"], r["origin"], money(r["list_spend_usd"]),
                    f"{money(r['list_spend_low_usd'])} to {money(r['list_spend_high_usd'])}",
                    self._with_bounds(r), percent(r["token_share"]),
                ]
                for r in labs
            ],
        )  # fmt: skip

    def _quality(self) -> None:
        rows = self._ask("quality")
        self.quality = rows
        challengers = [r for r in rows if r["origin"] == "CN"]
        self.quality_latest = challengers[0] if challengers else None
        self.quality_months = [r["period_start"] for r in challengers if r["claim_90_80"]]
        self.quality_judged = len(challengers)
        self.quality_table = Table(
            "Cheapest model of the origin with at least 90 % of the rival’s best index. "
            "US dollars per million tokens, 3:1.",
            [("Month", ""), ("Origin", "text"), ("Rival’s best: index, dollars", "text"),
             ("Cheapest at 90 %: index, dollars", "text"),
             ("Cheaper by (all prompt to all completion)", ""), ("80 % cheaper?", "text"),
             ("Rival’s own at 90 %, cheaper by", "text"), ("Prices, index of", "text")],
            [
                [
                    _starred(month(r["period_start"]), r), r["origin"],
                    _judged(r["rival_best_model"], r["rival_best_quality_index"],
                            r["rival_best_usd_per_million_tokens"]),
                    _judged(r["cheapest_model"], r["cheapest_quality_index"],
                            r["cheapest_usd_per_million_tokens"]),
                    "–" if r["price_ratio"] is None else
                    f"{_cheaper(r['price_ratio'])} ({_cheaper(r['price_ratio_all_prompt'])} to "
                    f"{_cheaper(r['price_ratio_all_completion'])})",
                    "yes" if r["claim_90_80"] else "no",
                    f"{_short(r['home_cheapest_model'])}, {_cheaper(r['home_price_ratio'])}"
                    if r["home_cheapest_model"] else "–",
                    f"{r['priced_on'] or '–'}, {r['index_read_on'] or '–'}",
                ]
                for r in rows
            ],
        )  # fmt: skip
        points_ = [r for r in self._ask("quality_scatter") if r["usd_per_million_tokens"]]
        self.scatter = points_[0] if points_ else None
        self.scatter_table = Table(
            "The ten best models of each origin with an index and a paid list price.",
            [("Model", ""), ("Origin", "text"), ("Index", ""), ("US dollars", ""),
             ("Tokens in the month", "")],
            [
                [r["model"], r["origin"], number(r["quality_index"], 1),
                 number(r["usd_per_million_tokens"]), tokens(r["tokens"])]
                for r in points_
            ],
        )  # fmt: skip
        if points_:
            origins = sorted({r["origin"] for r in points_})
            prices = sorted(float(r["usd_per_million_tokens"]) for r in points_)
            labeled = {
                r["rival_best_model"] for r in rows if r["period_start"] == rows[0]["period_start"]
            } | {r["cheapest_model"] for r in rows if r["period_start"] == rows[0]["period_start"]}
            self.specs["chart-quality"] = charts.scatter(
                [
                    {"name": _title(r["origin"]), "model": r["model"],
                     "quality_index": _round(r["quality_index"], 1),
                     "usd": _round(r["usd_per_million_tokens"], 3),
                     "label": _short(r["model"]) if r["model"] in labeled else "",
                     "middle": prices[len(prices) // 2]}
                    for r in points_
                ],
                {_title(o): charts.color_of(o, origins) for o in origins},
                "Scatter chart: quality index against list price of the ten best models of each "
                "origin",
            )  # fmt: skip

    def _uses(self) -> None:
        uses = self._ask("uses")
        self.uses = uses
        self.not_measurable = [r for r in uses if not r["is_measurable"]]
        self.uses_measured = [r for r in uses if r["measured_windows"]]
        self.uses_table = Table(
            "What a source has a label for. Shares: of classified tokens, newest window.",
            [("Use", ""), ("Label exists", "text"), ("Evidence", "text"), ("Windows here", ""),
             ("Share of tokens", ""), ("What it does not say", "wrap")],
            [
                [
                    r["use_name"], "yes" if r["is_measurable"] else "no", r["label_evidence"],
                    str(r["measured_windows"]), percent(r["newest_token_share"]),
                    r["why_not"] or r["limits"] or "–",
                ]
                for r in uses
            ],
            shown=20,
        )  # fmt: skip
        apps = self._ask("apps")
        self.apps_table = Table(
            "Apps that identify themselves; share of the listed apps’ tokens, not of OpenRouter. "
            f"Window {apps[0]['window_start']} to {apps[0]['window_end']}." if apps else "",
            [("App", ""), ("Tokens", ""), ("Share of listed", ""), ("Tokens per request", "")],
            [
                [_ranked(r, "app_name"), tokens(r["total_tokens"]),
                 percent(r["share_of_listed"]), number(r["tokens_per_request"], 0)]
                for r in apps
            ],
        )  # fmt: skip
        tasks = self._ask("tasks")
        self.tasks_table = Table(
            "Shares of what the source could classify. "
            f"Window {tasks[0]['window_start']} to {tasks[0]['window_end']}." if tasks else "",
            [("Task", ""), ("Use", "text"), ("Share of tokens", ""), ("Share of requests", ""),
             ("Tokens of listed models", "")],
            [
                [r["display_name"] or r["tag"], r["use"] or "–", percent(r["token_share"]),
                 percent(r["usage_share"]), percent(r["listed_token_share"])]
                for r in tasks
            ],
        )  # fmt: skip
        by_origin = self._ask("tasks_by_origin")
        self.tasks_origin_table = Table(
            "Of all classified tokens, between these bounds.",
            [("Use", ""), ("Origin", "text"), ("Between", "")],
            [
                [spaced(r["use"]), r["origin"], bounded(r["share_low"], r["share_high"])]
                for r in by_origin
            ],
        )

    def _revisions(self) -> None:
        revisions = self._ask("revisions")
        self.revisions = revisions
        self.revisions_table = Table(
            "Rows of usage_daily that differ from the vintage before.",
            [("Why", ""), ("Rows", ""), ("First day", ""), ("Last day", ""), ("Tokens moved", ""),
             ("Largest change of an origin’s day", "")],
            [
                [spaced(r["reason"]), f"{r['rows']:,}", str(r["first_day"]), str(r["last_day"]),
                 tokens(r["tokens"]), points(r["largest_share_change"])]
                for r in revisions
            ],
        )  # fmt: skip
        restated = self._ask("restated")
        self.restated = max(
            (r for r in restated if r["origin"] != "unidentified"),
            key=lambda r: (abs(r["share_now"] - r["share_then"]), r["period_start"]),
            default=None,
        )
        self.restated_table = Table(
            "Months that differ, latest first; share with bounds. * incomplete month.",
            [("Month", ""), ("Origin", "text"),
             *((self.said_of[view].capitalize(), "") for view in ("then", "now")),
             ("Difference", ""), ("Because", "wrap")],
            [
                [
                    _starred(month(r["period_start"]), r), r["origin"],
                    *(
                        self._with_bounds(
                            {"origin": r["origin"], "share": r[f"share_{at}"],
                             "share_low": r[f"share_{at}"], "share_high": r[f"share_high_{at}"]}
                        )
                        for at in ("then", "now")
                    ),
                    points(r["share_now"] - r["share_then"]), r["because"],
                ]
                for r in restated
                if r["origin"] != "unidentified"
            ],
        )  # fmt: skip

    def _coverage(self) -> None:
        self.coverage = self._ask("coverage")[0]
        self.unmapped_table = Table(
            "Authors without a registry row, heaviest first; they count as unidentified.",
            [("Author", ""), ("Share of all tokens", "")],
            [[r["author"], percent(r["share"], 3)] for r in self._ask("unmapped")],
        )
        months = self._ask("coverage_monthly")
        # Months of the price section that rest on prices nobody has seen for days
        self.stale_months = [r for r in months if (r["stale_share_of_priced"] or 0) >= 0.01]
        self.coverage_table = Table(
            "Latest month first. Named: rows other than the tail; the next ones as shares of what "
            "is named or attributed; on stale prices: of the priced tokens, those whose price was "
            "last seen days before. * incomplete month.",
            [("Month", ""), ("All tokens", ""), ("Named", ""), ("Attributed", ""), ("Placed", ""),
             ("Licensed", ""), ("Priced", ""), ("On stale prices", "")],
            [
                [
                    _starred(month(r["period_start"]), r), tokens(r["total_tokens"]),
                    *(percent(r[f]) for f in ("named_share", "attributed_share", "located_share",
                                              "licensed_share", "priced_attributed_share",
                                              "stale_share_of_priced")),
                ]
                for r in months
            ],
        )  # fmt: skip
        self.conflicts_table = Table(
            "Price lists that were read but not used where they disagree.",
            [("List", ""), ("Disagreements", ""), ("Models", ""), ("Median ratio to ours", ""),
             ("Last read", "")],
            [
                [spaced(r["other_source"]), f"{r['disagreements']:,}", f"{r['models']:,}",
                 number(r["median_ratio"]), str(r["last_read_on"])]
                for r in self._ask("price_conflicts")
            ],
        )  # fmt: skip


def _in(row: Row, view: str) -> Row:
    """Share and bounds of an origin in one view of the registry; `both` where the views agree."""
    view = "then" if view == "both" else view
    share, high = row[f"share_{view}"], row[f"share_high_{view}"]
    return {"share": share, "share_low": share, "share_high": high}


def readings(row: Row) -> dict[str, Row]:
    """Share and bounds by view of the registry: `then` and `now`, or `both` where they agree."""
    return {view: _in(row, view) for view in _either([row])}


def _either(rows: Iterable[Row]) -> tuple[str, ...]:
    return ("both",) if all(_in(r, "then") == _in(r, "now") for r in rows) else ("then", "now")


def _leads(leader: Row, rival: Row) -> dict[str, Row]:
    """By view of the registry: the lead with its bounds, and the origin that surely has it."""
    leads = {}
    for view in _either([leader, rival]):
        mine, other = _in(leader, view), _in(rival, view)
        low = mine["share_low"] - other["share_high"]
        high = mine["share_high"] - other["share_low"]
        holder = leader["origin"] if low > 0 else rival["origin"] if high < 0 else None
        leads[view] = {"share": mine["share"] - other["share"], "low": low, "high": high,
                       "holder": holder}  # fmt: skip
    return leads


def _title(origin: str) -> str:
    """The name of an origin or group where it stands alone."""
    name = country(origin).removeprefix("the ")
    return name[:1].upper() + name[1:]


def _ranked(row: Row, name: str) -> str:
    return f"{row['rank']}. {row[name]}" if row["rank"] else str(row[name])


def _band(row: Row, field: str, digits: int = 4) -> Row:
    return {
        "value": _round(row[field], digits),
        "low": _round(row[f"{field}_low"], digits),
        "high": _round(row[f"{field}_high"], digits),
    }


def _with_ends(row: Row, field: str, digits: int) -> str:
    value, low, high = (number(row[f], digits) for f in (field, f"{field}_low", f"{field}_high"))
    return f"{value} ({low} to {high})"


def _terms(row: Row) -> list[str]:
    return [points(row[f]) for f in
            ("delta_share", "entrants", "leavers", "within_lab", "between_lab")]  # fmt: skip


def _interval(row: Row) -> str:
    if not row["trend_change"]:
        return "–"
    return f"{row['trend_change']} ({row['interval_low'] or '…'} to {row['interval_high'] or '…'})"


def _price_band(row: Row) -> str:
    low, high = (row[f"usd_per_million_tokens_{end}"] for end in ("low", "high"))
    return f"{number(low)} to {number(high)}"


def _judged(model: str | None, index: Any, price: Any) -> Any:
    if model is None:
        return "none"
    return Markup('{} <span class="soft">{}, {}</span>').format(
        _short(model), number(index, 1), number(price)
    )


def _cheaper(ratio: Any) -> str:
    if ratio is None:
        return "–"
    return percent(1 - float(ratio)) if ratio <= 1 else f"{percent(float(ratio) - 1)} dearer"


def _short(model: str) -> str:
    """A model without its lab and its date."""
    name = model.partition("/")[2] or model
    head, _, tail = name.rpartition("-")
    return head if head and tail.isdigit() and len(tail) == 8 else name


def _latest_complete(rows: list[Row]) -> dict[str, Row]:
    complete = [r for r in rows if r["is_complete"]]
    last = max((r["period_start"] for r in complete), default=None)
    return {r["origin"]: r for r in complete if r["period_start"] == last}


def _steps(labs: list[Row], start: float, stop: float) -> list[Row]:
    """Bars of a waterfall: both shares, the labs that changed most, the rest as one."""
    large = [r for r in labs if r["size_order"] <= _LABS_IN_WATERFALL]
    rest = [r for r in labs if r["size_order"] > _LABS_IN_WATERFALL]
    moves = sorted(((r["lab_name"], r["delta_share"]) for r in large), key=lambda m: -m[1])
    if rest:
        moves.append((f"{len(rest)} other labs", sum(r["delta_share"] for r in rest)))
    bars = [_bar("Earlier", 0, 0.0, start, "share", percent(start))]
    level = start
    for label, delta in moves:
        kind = "gain" if delta >= 0 else "loss"
        bars.append(_bar(label, len(bars), level, level + delta, kind, points(delta)))
        level += delta
    return [*bars, _bar("Later", len(bars), 0.0, stop, "share", percent(stop))]


def _bar(label: str, position: int, start: float, stop: float, kind: str, text: str) -> Row:
    return {
        "label": label, "position": position, "start": _round(start), "stop": _round(stop),
        "edge": _round(max(start, stop)), "kind": kind, "text": text,
    }  # fmt: skip


def _claim_cells(claim: Row) -> list[Any]:
    """A row of the tables of claims: verdict, statement with its source and rules, figures."""
    is_ours = claim["asked_by"] == "us"
    by = (
        "Asked by us"
        if is_ours
        else f"{claim['published_by']}, {claim['published_on'] or 'undated'}"
    )
    link = Markup('<a href="{}">{}</a>').format(claim["url"], by) if claim["url"] else escape(by)
    said = [claim["reason"], claim["note"] if is_ours else None]
    notes = [Markup('<br><span class="soft">{}</span>').format(text) for text in said if text]
    folded = [text for text in (None if is_ours else claim["note"], claim["rules"]) if text]
    summary = "How it is read"
    if claim["rules"] and claim["rules_searched"]:
        summary = f"Matched by, {claim['rules_matched']} of {claim['rules_searched']} searched"
        if claim["chance_of_match"] is not None:
            summary += f"; so would {100 * claim['chance_of_match']:.0f} % of random figures"
    if folded:
        notes.append(
            Markup("<details><summary>{}</summary>{}</details>").format(
                summary, Markup("<br>").join(folded)
            )
        )
    figures = ""
    if claim["verdict"] != "not_measurable":
        figures = Markup('<span class="narrow">{} {}, measured {}.</span>').format(
            "Asked" if is_ours else "Published", claim_published(claim), claim_measured(claim)
        )
    counted = ""
    if claim["metric"] != "none":
        counted = (
            f" Counted: {claim['window']}{'' if claim['window_is_stated'] else ' (our reading)'}; "
            f"{spaced(claim['rule_set'])}, {spaced(claim['lens'])}, "
            f"as known {'on each day' if claim['registry_view'] == 'then' else 'now'}."
        )
    return [
        Markup('<span id="claim-{}" class="verdict {}">{}</span>').format(
            claim["claim_id"], claim["verdict"], VERDICTS[claim["verdict"]]
        ),
        Markup('{}<br>{}<span class="soft">{}.{}</span>{}').format(
            claim["statement"], figures, link, counted, Markup("").join(notes)
        ),
        claim_published(claim),
        claim_measured(claim),
    ]


def claim_published(claim: Row) -> str:
    """The published figure of a claim, `–` where it states none."""
    if claim["published_date"] is not None:
        return str(claim["published_date"])
    if claim["published_value"] is None:
        return "–"
    sign = {"above": "> ", "at_least": "≥ ", "below": "< "}.get(claim["comparison"], "")
    return f"{sign}{claim['published_value']:g}{_UNIT_SIGN.get(claim['unit'], '')}"


def claim_measured(claim: Row) -> Any:
    """The measured figure of a claim with its bounds, `–` where there is none."""
    if claim["unit"] == "date":
        ends = [claim["measured_date_low"] or "never", claim["measured_date_high"] or "never"]
        value = claim["measured_date"] or (
            "never" if claim["verdict"] != "not_measurable" else None
        )
        text = str(value) if value else None
    else:
        digits = {"percent": 1}.get(claim["unit"], 2)
        value = claim["measured_value"]
        text = None if value is None else f"{value:.{digits}f}{_UNIT_SIGN.get(claim['unit'], '')}"
        ends = [
            "…" if claim[f] is None else f"{claim[f]:.{digits}f}"
            for f in ("measured_low", "measured_high")
        ]
    if text is None:
        return "–"
    text = text.replace("-", "−") if claim["unit"] != "date" else text
    ends = [e.replace("-", "−") if claim["unit"] != "date" else str(e) for e in ends]
    return Markup('{} <span class="soft">({} to {})</span>').format(text, *ends)
