"""What the sections of a source's part share, computed once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from orchestration.report.section import Cell, Column, Row, Table, grouped, share_with_bounds, value
from orchestration.words import amount, percent, points, week

MARKET = "OpenRouter"
YOURS = "Yours"


@dataclass(frozen=True)
class Part:
    """One source of request logs: the input of every section of its part.

    `ask` returns the rows of a query that are of this source. `latest` is the row of the period
    that leads the part, `periods` are all of them in order; both are rows of `own_periods`.
    """

    source: str
    ask: Callable[[str], list[Row]]
    said: str
    periods: Sequence[Row]
    latest: Row
    # The two origins with the largest share in the latest period, on either side.
    pair: Sequence[str]
    # What the manifest says about the dumps of the source.
    inputs: Sequence[Row]

    def shares(self, share_of: str) -> list[Row]:
        """The shares of the latest period by `origin`, `lab`, `license`, and so on."""
        return [r for r in self.of_latest("own_shares") if r["share_of"] == share_of]

    def of_latest(self, query: str) -> list[Row]:
        """The rows of a query that are of the latest period."""
        return [r for r in self.ask(query) if r["period_start"] == self.latest["period_start"]]

    def element(self, name: str) -> str:
        """The id of an element of this part."""
        return f"{self.source}-{name}"

    @property
    def has_market(self) -> bool:
        """Whether the rankings have the latest period."""
        return self.latest["market_days_present"] is not None

    @property
    def has_small_cells(self) -> bool:
        """Whether small cells are suppressed; the manifest then says nothing of the dumps' rows."""
        return any(i["rows_ingested"] is None for i in self.inputs)

    @property
    def is_weekly(self) -> bool:
        return bool(self.latest["grain"] == "weekly")

    @property
    def window(self) -> str:
        """The latest period inside a sentence."""
        return self.window_of(self.latest["period_start"])

    def window_of(self, start: date) -> str:
        return f"the week {week(start)}" if self.is_weekly else f"the day {start}"

    @property
    def about(self) -> str:
        """What a table of the latest period is about, as its caption says."""
        return f"{self.source}, {self.window}, {self.said}"

    def beside(
        self, rows: Sequence[Row], heading: str, caption: str, more: Sequence[Column] = ()
    ) -> Table:
        """A table of shares of the latest period, yours beside those of the rankings. The name of a
        row is its `title`."""
        market = [
            Column(MARKET, share_of("market_share")),
            Column("Difference", value("difference", points)),
        ]
        measured = "share of all tokens with its bounds"
        return Table(
            f"{caption} {self.about}: {measured}"
            + ("; difference in points." if self.has_market else "."),
            [
                Column(heading, value("title")),
                *more,
                Column(YOURS, share_of("share")),
                *(market if self.has_market else []),
                Column("Your tokens", value("tokens", amount)),
            ],
            rows,
        )


def share_of(name: str) -> Cell:
    """The share `name` with its bounds; what is not identified has none of its own."""

    def cell(row: Row) -> Any:
        if row["is_unknown"]:
            return percent(row[name])
        # A lab without a stated country has bounds.
        return "–" if row[name] is None else share_with_bounds({**row, "origin": None}, name)

    return cell


def make_part(
    source: str, ask: Callable[[str], list[Row]], said: str, inputs: Sequence[Row]
) -> Part:
    """Make the part of a source. `ask` returns the rows of a query for all sources."""

    def mine(query: str) -> list[Row]:
        return grouped(ask(query), "source").get(source, [])

    periods = mine("own_periods")
    (latest,) = [r for r in periods if r["place"] == 1]
    origins = [
        r
        for r in mine("own_shares")
        if r["share_of"] == "origin"
        and r["period_start"] == latest["period_start"]
        and not r["is_unknown"]
    ]
    largest = sorted(origins, key=lambda r: (-max(r["share"], r["market_share"] or 0), r["name"]))
    return Part(
        source=source,
        ask=mine,
        said=said,
        periods=periods,
        latest=latest,
        pair=[r["name"] for r in largest[:2]],
        inputs=[i for i in inputs if i["source"] == source],
    )
