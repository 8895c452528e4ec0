"""Decide what a vintage leaves out, so that one source does not stop the others.

If the gate refuses a candidate only because of sources other than the primary one, the new dumps
of these sources are left out, and they stay as they are in the previous vintage. If that does not
help, or if the previous vintage does not have the source, all dumps of the source are left out.
Then the tables are built again, and the gate checks them again.

If the tables cannot be built at all, it is unknown which source is at fault. Then the new dumps of
all sources but the primary one are left out once. If that does not help, the run fails.
"""

from collections.abc import Collection, Iterable, Sequence

from orchestration.errors import GateRefusedError, TransformError, resource_problem
from orchestration.gate.run import blockers
from orchestration.landing.store import DumpRecord
from orchestration.publication.manifest import FailedRule, Withheld, WithheldDump
from orchestration.settings import PRIMARY_SOURCE

NOT_BUILT = "NOT_BUILT"


def left_out(withheld: Iterable[Withheld]) -> set[tuple[str, str]]:
    """The source and sha256 of every dump that is left out."""
    return {(w.source, dump.sha256) for w in withheld for dump in w.dumps}


def absent_sources(withheld: Iterable[Withheld]) -> set[str]:
    """The sources of which nothing is published."""
    return {w.source for w in withheld if w.is_absent}


def withhold(
    refused: GateRefusedError,
    withheld: Sequence[Withheld],
    records: Sequence[DumpRecord],
    known: Collection[str],
) -> tuple[Withheld, ...]:
    """What to withhold after a refusal, including `withheld`; empty if withholding cannot help.

    `records` are all landed dumps, `known` the hashes of the dumps in the previous vintage.
    Withholding cannot help if a failed blocker names no source or the primary one, or if there is
    nothing more to leave out.
    """
    failed = blockers(refused.results)
    if not failed or any(not r.sources or PRIMARY_SOURCE in r.sources for r in failed):
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
    """What to withhold if the tables cannot be built, including `withheld`; empty if there is
    nothing more to leave out.

    `records` are all landed dumps, `known` the hashes of the dumps in the previous vintage.
    """
    if resource_problem(str(error)) is not None:
        return ()
    found = {w.source: w for w in withheld}
    why = FailedRule(
        rule=NOT_BUILT,
        title="the tables can be built from what was landed",
        rows=str(error).splitlines(),
    )
    for source in sorted({r.source for r in records} - {PRIMARY_SOURCE} - set(found)):
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
