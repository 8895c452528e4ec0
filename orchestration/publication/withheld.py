"""What a vintage leaves out, so that one source does not stop the others.

If the gate refuses a candidate only for sources other than the primary one, what is new of them is
left out: the source stays as the vintage before has it. If that does not help, or if there is
nothing to go back to, all of the source is left out. The tables are then built again, and the gate
judges what will be published.

If the tables cannot even be built, nobody knows whose fault it is. Then what is new of all sources
but the primary one is left out, and if that does not help, nothing is.
"""

from collections.abc import Collection, Iterable, Sequence

from orchestration.errors import GateRefusedError, TransformError, resource_problem
from orchestration.gate.run import blockers
from orchestration.landing.store import DumpRecord
from orchestration.publication.manifest import FailedRule, Withheld, WithheldDump
from orchestration.settings import DEFAULT_SOURCE

NOT_BUILT = "NOT_BUILT"


def left_out(withheld: Iterable[Withheld]) -> set[tuple[str, str]]:
    """Source and sha256 of every dump that is left out."""
    return {(w.source, dump.sha256) for w in withheld for dump in w.dumps}


def absent_sources(withheld: Iterable[Withheld]) -> set[str]:
    """Sources of which nothing is published."""
    return {w.source for w in withheld if w.is_absent}


def withhold(
    refused: GateRefusedError,
    withheld: Sequence[Withheld],
    records: Sequence[DumpRecord],
    known: Collection[str],
) -> tuple[Withheld, ...]:
    """What to withhold after this refusal, `withheld` included; empty if the refusal stays.

    `records` are all landed dumps, `known` the hashes of those in the vintage before. The refusal
    stays if a failed blocker judges no source or the primary one, or if nothing is left that could
    be left out.
    """
    failed = blockers(refused.results)
    if not failed or any(not r.sources or DEFAULT_SOURCE in r.sources for r in failed):
        return ()
    found = {w.source: w for w in withheld}
    for source in sorted({source for result in failed for source in result.sources}):
        before = found.get(source)
        if before is not None and before.is_absent:
            return ()
        own = [r for r in records if r.source == source]
        new = [r for r in own if r.sha256 not in known]
        is_absent = before is not None or len(new) in (0, len(own))
        rules = {r.rule: r for r in before.rules} if before else {}
        for result in failed:
            if source in result.sources:
                rows = list(result.sources[source])
                rules[result.rule] = FailedRule(rule=result.rule, title=result.title, rows=rows)
        found[source] = Withheld(
            source=source,
            is_absent=is_absent,
            rules=list(rules.values()),
            dumps=[_dump(r) for r in (own if is_absent else new)],
        )
    return tuple(found[source] for source in sorted(found))


def withhold_new(
    error: TransformError,
    withheld: Sequence[Withheld],
    records: Sequence[DumpRecord],
    known: Collection[str],
) -> tuple[Withheld, ...]:
    """What to withhold if the tables cannot be built, `withheld` included; empty if nothing more.

    `records` are all landed dumps, `known` the hashes of those in the vintage before.
    """
    if resource_problem(str(error)) is not None:
        return ()
    found = {w.source: w for w in withheld}
    why = FailedRule(
        rule=NOT_BUILT,
        title="the tables can be built from what was landed",
        rows=str(error).splitlines(),
    )
    for source in sorted({r.source for r in records} - {DEFAULT_SOURCE} - set(found)):
        own = [r for r in records if r.source == source]
        if new := [r for r in own if r.sha256 not in known]:
            found[source] = Withheld(
                source=source,
                is_absent=len(new) == len(own),
                rules=[why],
                dumps=[_dump(r) for r in new],
            )
    if len(found) == len(withheld):
        return ()
    return tuple(found[source] for source in sorted(found))


def _dump(record: DumpRecord) -> WithheldDump:
    return WithheldDump(
        sha256=record.sha256,
        sidecar_sha256=record.sidecar()["sidecar_sha256"],
        path=f"landing/{record.path}",
    )
