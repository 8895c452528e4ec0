"""Who served the tokens of the latest period, and in which country."""

from dataclasses import dataclass

from orchestration.report.own.part import YOURS, Part, share_of
from orchestration.report.section import Column, Row, Section, Table, title, value
from orchestration.words import amount, dollars, percent, spaced


@dataclass(frozen=True, kw_only=True)
class Serving(Section):
    # False if no provider is known.
    is_known: bool
    # Open weights of Chinese labs that providers of the United States served.
    abroad: Row
    countries: Table
    providers: Table
    weights: Table
    kinds: Table


def section(part: Part) -> Serving:
    countries = [{**r, "title": title(r["name"])} for r in part.shares("serving_headquarters")]
    weights = [
        {**r, "is_unknown": r["serving_headquarters"] == "unidentified"}
        for r in part.of_latest("own_chinese_weights")
    ]
    providers = part.of_latest("own_providers")
    return Serving(
        is_known=any(p["provider_id"] != "unidentified" for p in providers),
        abroad=next(r for r in weights if r["serving_headquarters"] == "US"),
        countries=Table(
            f"By the country of the provider’s headquarters, {part.about}; share of all tokens "
            "with its bounds (lens: serving_hq).",
            [
                Column("Country", value("title")),
                Column(YOURS, share_of("share")),
                Column("Your tokens", value("tokens", amount)),
            ],
            countries,
        ),
        providers=Table(
            f"By provider, {part.about}; share of all tokens, and of the provider’s tokens those "
            "of open weights of Chinese labs.",
            [
                Column("Provider", value("provider_name")),
                Column("Country", value("serving_headquarters"), "text"),
                Column("Share", value("share", percent)),
                Column("Requests", value("requests", "{:,}".format)),
                Column("Tokens", value("tokens", amount)),
                Column("Paid, US dollars", value("cost_usd", dollars)),
                Column("Chinese open weights", value("chinese_weights_share", percent)),
            ],
            providers,
        ),
        weights=Table(
            f"Open weights of Chinese labs by the country of who served them, {part.about}; share "
            "of all tokens with its bounds.",
            [
                Column("Country", value("serving_headquarters", title)),
                Column(YOURS, share_of("share")),
                Column("Requests", value("requests", "{:,}".format)),
                Column("Paid, US dollars", value("cost_usd", dollars)),
            ],
            weights,
        ),
        kinds=Table(
            f"By origin, license and serving country, {part.about}; share of all tokens.",
            [
                Column("Origin", value("origin", title)),
                Column("License", value("license", spaced), "text"),
                Column("Served by", value("serving_headquarters", title), "text"),
                Column("Share", value("share", percent)),
                Column("Requests", value("requests", "{:,}".format)),
                Column("Tokens", value("tokens", amount)),
                Column("Paid, US dollars", value("cost_usd", dollars)),
            ],
            part.of_latest("own_served"),
        ),
    )
