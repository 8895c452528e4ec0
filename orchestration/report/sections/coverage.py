"""What the numbers rest on: rows, dumps, the gate's warnings, and how much is named and priced."""

from collections.abc import Sequence
from dataclasses import dataclass

from orchestration.gate.run import RuleResult
from orchestration.report.context import Context
from orchestration.report.section import Column, Row, Section, Table, starred, value
from orchestration.words import month, number, percent, spaced, tokens

_KINDS = {"no_country": "attributed, no country stated"}


@dataclass(frozen=True, kw_only=True)
class Coverage(Section):
    # Days, rows and tokens.
    counts: Row
    inputs: Sequence[Row]
    passed: int
    warnings: Sequence[RuleResult]
    quarantined: int
    quarantined_fields: int
    kinds: Table
    months: Table
    unmapped: Table
    conflicts: Table


def section(context: Context) -> Coverage:
    (counts,) = context.ask("coverage")
    return Coverage(
        counts=counts,
        inputs=context.inputs,
        passed=sum(v.passed for v in context.gate_results),
        warnings=[v for v in context.gate_results if v.outcome == "warn"],
        quarantined=context.quarantined,
        quarantined_fields=context.quarantined_fields,
        kinds=Table(
            f"All tokens by what is known about their model, {context.said}: ever, and in the "
            "latest complete week. Only tokens of a lab with a stated country are identified.",
            [
                Column("Identification", lambda r: _KINDS.get(r["kind"], r["kind"])),
                Column("Share", value("share", percent)),
                Column("Tokens", lambda r: f"{int(r['tokens']):,}"),
                Column("Share of the week", value("week_share", percent)),
            ],
            context.ask("identification"),
        ),
        months=Table(
            "Latest month first. Named: rows other than the tail; the next ones as shares of what "
            "is named or attributed; on stale prices: of the priced tokens, those whose price was "
            "last seen days before. * incomplete month.",
            [
                Column("Month", starred("period_start", month)),
                Column("All tokens", value("tokens", tokens)),
                Column("Named", value("named_share", percent)),
                Column("Attributed", value("attributed_share", percent)),
                Column("Placed", value("located_share", percent)),
                Column("Licensed", value("licensed_share", percent)),
                Column("Priced", value("priced_attributed_share", percent)),
                Column("On stale prices", value("stale_share_of_priced", percent)),
            ],
            context.ask("coverage_monthly"),
        ),
        unmapped=Table(
            "Authors without a registry row, largest first; they count as unidentified.",
            [
                Column("Author", value("author")),
                Column("Share of all tokens", value("share", percent, 3)),
            ],
            context.ask("unmapped"),
        ),
        conflicts=Table(
            "Price lists that were read and disagree with the price used.",
            [
                Column("List", value("other_source", spaced)),
                Column("Disagreements", value("disagreements", "{:,}".format)),
                Column("Models", value("models", "{:,}".format)),
                Column("Median ratio to ours", value("median_ratio", number)),
                Column("Last read", value("last_read_on", str)),
            ],
            context.ask("price_conflicts"),
        ),
    )
