"""Names of models that the registry does not know."""

from dataclasses import dataclass

from orchestration.report.own.part import Part
from orchestration.report.section import Column, Section, Table, value
from orchestration.words import amount, percent, spaced


@dataclass(frozen=True, kw_only=True)
class Names(Section):
    table: Table


def section(part: Part) -> Names:
    return Names(
        table=Table(
            f"Names of models in {part.source} that the registry does not know, all days, most "
            "tokens first.",
            [
                Column("Name", value("model_name"), "wrap"),
                Column("Found by", value("match_kind", spaced), "text"),
                Column("Share of your tokens", value("share", percent)),
                Column("Tokens", value("tokens", amount)),
                Column("Requests", value("requests", "{:,}".format)),
            ],
            part.ask("own_names"),
        )
    )
