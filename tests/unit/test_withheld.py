"""What is withheld after a refusal: the rule without any table."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from orchestration import pipeline
from orchestration.errors import GateRefusedError, TransformError
from orchestration.gate.run import RuleResult
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import DumpRecord, land, list_dumps
from orchestration.publication.manifest import Withheld
from orchestration.publication.withheld import withhold, withhold_new
from orchestration.settings import Settings
from tests import builders

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)
PRIMARY, OTHER = "openrouter_rankings", "openrouter_models"


def dump(source: str, sha256: str) -> DumpRecord:
    return DumpRecord(
        source=source, layout="json", sha256=sha256, bytes=1, rows=1, file="dump.json",
        original_name="a.json", url="", pulled_at=MOMENT, as_of=MOMENT, as_of_origin="meta",
        window_start=None, window_end=None, license="", citation="",
    )  # fmt: skip


RECORDS = [dump(PRIMARY, "p1"), dump(PRIMARY, "p2"), dump(OTHER, "o1"), dump(OTHER, "o2")]


def refusal(*failed: dict[str, list[str]]) -> GateRefusedError:
    """A refusal by blockers that failed for these sources, with a rule that passed."""
    results = [
        RuleResult("relations", f"R{n}", "blocker", False, "title", "", 1, ["row"], sources)
        for n, sources in enumerate(failed)
    ]
    passed = RuleResult("relations", "PASSED", "blocker", True, "title", "", 0)
    return GateRefusedError("no", (*results, passed))


def of(withheld: tuple[Withheld, ...]) -> list[tuple[str, bool, list[str]]]:
    return [(w.source, w.is_absent, [d.sha256 for d in w.dumps]) for w in withheld]


def test_first_what_is_new_then_all_then_nothing_more() -> None:
    refused = refusal({OTHER: ["a row"]})
    first = withhold(refused, (), RECORDS, {"p1", "o1"})
    assert of(first) == [(OTHER, False, ["o2"])]
    assert [(r.rule, r.rows) for r in first[0].rules] == [("R0", ["a row"])]
    second = withhold(refused, first, RECORDS, {"p1", "o1"})
    assert of(second) == [(OTHER, True, ["o1", "o2"])]
    assert withhold(refused, second, RECORDS, {"p1", "o1"}) == ()
    assert withhold(GateRefusedError("changed"), first, RECORDS, {"p1", "o1"}) == ()


@pytest.mark.parametrize("known", [{"p1"}, {"p1", "o1", "o2"}])
def test_without_anything_to_go_back_to_all_of_the_source_is_withheld(known: set[str]) -> None:
    assert of(withhold(refusal({OTHER: ["a"]}), (), RECORDS, known)) == [
        (OTHER, True, ["o1", "o2"])
    ]


def test_two_sources_are_withheld_each_for_its_own_rows() -> None:
    found = withhold(refusal({OTHER: ["a"], "x": ["b"]}, {"x": ["c"]}), (), RECORDS, {"o1"})
    assert of(found) == [(OTHER, False, ["o2"]), ("x", True, [])]
    assert [[r.rows for r in w.rules] for w in found] == [[["a"]], [["b"], ["c"]]]


@pytest.mark.parametrize(
    "failed",
    [
        [{PRIMARY: ["a"]}],
        [{OTHER: ["a"], PRIMARY: ["a"]}],
        [{OTHER: ["a"]}, {PRIMARY: ["a"]}],
        [{OTHER: ["a"]}, {}],
        [],
    ],
    ids=["primary", "in one rule", "in another", "no source named", "not by a rule"],
)
def test_what_is_not_the_fault_of_another_source_alone_stays_refused(
    failed: list[dict[str, list[str]]],
) -> None:
    assert withhold(refusal(*failed), (), RECORDS, {"o1"}) == ()


def test_if_nothing_can_be_built_what_is_new_of_others_is_withheld() -> None:
    error = TransformError("dbt: 1 of 9 nodes failed\n  model x: no")
    records = [*RECORDS, dump("z", "z1")]
    found = withhold_new(error, (), records, {"o1"})
    assert of(found) == [(OTHER, False, ["o2"]), ("z", True, ["z1"])]
    assert "NOT_BUILT: dbt: 1 of 9 nodes failed   model x: no" in found[0].describe()
    assert withhold_new(error, found, records, {"o1"}) == ()
    assert withhold_new(error, (), records, {"o1", "o2", "z1"}) == ()
    assert withhold_new(error, found[:1], records, {"o1"}) == found


def test_a_full_disk_is_no_fault_of_a_source() -> None:
    assert withhold_new(TransformError("dbt: IO Error: No space left"), (), RECORDS, set()) == ()


def test_a_step_that_fails_is_taken_once_more_without_what_is_new_of_other_sources(
    settings: Settings, drop: Callable[[str, bytes], Path]
) -> None:
    cut = land(drop("cut.json", builders.CUT_CATALOGUE), settings, as_of=MOMENT).record
    taken: list[list[str]] = []

    def step(withheld: Sequence[Withheld], fails: int) -> str:
        taken.append([d.sha256 for w in withheld for d in w.dumps])
        if len(taken) <= fails:
            raise TransformError(f"failure {len(taken)}")
        return "made"

    ingested = ingest_all(list_dumps(settings), settings)
    assert pipeline.build_or_withhold(partial(step, fails=1), ingested, settings) == "made"
    assert taken == [[], [cut.sha256]]
    taken.clear()
    with pytest.raises(TransformError, match="failure 1"):
        pipeline.build_or_withhold(partial(step, fails=2), ingested, settings)
