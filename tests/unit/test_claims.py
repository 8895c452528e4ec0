"""Rule sets and claims as files: what is wrong is said with file, id, field, value, expected."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orchestration.claims import show
from orchestration.configuration.claims import (
    CLAIMS_DIR,
    RULE_SETS_FILE,
    Group,
    RuleSets,
    read_claims,
    rule_sets_and_claims,
)
from orchestration.configuration.files import read
from orchestration.configuration.raw import load_configuration, rows
from orchestration.errors import TokenshareError
from orchestration.registry.registry import SEEDS_DIR
from orchestration.settings import PROJECT_ROOT

RULE_SETS: dict[str, Any] = {
    "groups": {"CN": {"origins": ["CN"]}, "US": {"origins": ["US"]}},
    "rule_sets": [{"rule_set": "all_rows", "description": "Every row."}],
}
CLAIM: dict[str, Any] = {
    "claim_id": "cn_47",
    "statement": "Chinese models had 47 %.",
    "published_by": "somebody",
    "metric": "share",
    "group": "CN",
    "window": {"kind": "iso_week", "start": "2026-01-12"},
    "published_value": 47,
    "unit": "percent",
    "tolerance": 0.5,
}


def rule_sets_from(folder: Path, document: object) -> RuleSets:
    path = folder / "rule_sets.yml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return read(path, RuleSets)


def claims_from(folder: Path, document: object) -> Any:
    (folder / "c.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return read_claims(folder, RuleSets.model_validate(RULE_SETS))


def with_rule_set(**fields: object) -> dict[str, Any]:
    return {
        **RULE_SETS,
        "rule_sets": [
            *RULE_SETS["rule_sets"],
            {"rule_set": "theirs", "description": "As they do.", **fields},
        ],
    }


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"universe": "top_9"}, "theirs: universe = 'top_9': Input should be 'all'"),
        ({"universe": "top_n", "top_n": 9}, "theirs: top_n and top_of are required with"),
        ({"top_n": 9, "top_of": "rows"}, "top_n and top_of are required with universe top_n"),
        (
            {"universe": "top_n", "top_n": 0, "top_of": "rows"},
            "theirs: top_n = 0: Input should be greater than or equal to 1",
        ),
        ({"universe": "labs"}, "labs are required with universe labs"),
        ({"labs": ["google"]}, "labs are required with universe labs"),
        ({"lens": "serving_hq"}, "theirs: lens = 'serving_hq': Input should be 'author_hq' or"),
        ({"windows": ["week"]}, "theirs: windows.0 = 'week': Input should be 'day'"),
        ({"windows": []}, "theirs: windows = []:"),
        ({"groups": {"US": {"origins": ["USA"]}}}, "theirs: groups.US.origins.0 = 'USA':"),
        (
            {"groups": {"US": {"country": ["US"]}}},
            "theirs: groups.US.country = ['US']: is not a key",
        ),
        ({"only_own_groups": True}, "only_own_groups needs groups"),
        ({"rule_set": "all_rows"}, "rule_set all_rows is defined more than once"),
        ({"rule_set": "Top 9"}, "Top 9: rule_set = 'Top 9': String should match pattern"),
    ],
)
def test_a_wrong_rule_set_is_named(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(TokenshareError) as raised:
        rule_sets_from(tmp_path, with_rule_set(**fields))
    assert said in str(raised.value)
    assert re.search(r"rule_sets\.yml:\d+: ", str(raised.value))


def test_the_default_rule_set_must_be_there(tmp_path: Path) -> None:
    only_theirs = {**RULE_SETS, "rule_sets": [{"rule_set": "theirs", "description": "x"}]}
    with pytest.raises(TokenshareError, match="all_rows, the default of claims, is missing"):
        rule_sets_from(tmp_path, only_theirs)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"metric": "shares"}, "cn_47: metric = 'shares': Input should be 'share'"),
        (
            {"group": "China"},
            "cn_47: group = 'China': expected a group of rule set all_rows",
        ),
        ({"rule_set": "top_9"}, "cn_47: rule_set = 'top_9': expected one of all_rows"),
        ({"group": None}, "cn_47: metric share needs group"),
        ({"tolerance": None}, "metric share needs tolerance"),
        ({"tolerance": -1}, "cn_47: tolerance = -1: Input should be greater than or equal to 0"),
        ({"published_value": None}, "metric share needs published_value"),
        ({"published_value": "much"}, "cn_47: published_value = 'much': Input should be a valid"),
        ({"window": None}, "metric share needs window"),
        ({"unit": "trillion_tokens"}, "unit = 'trillion_tokens': expected one of percent"),
        ({"over": "US"}, "metric share does not allow `over`"),
        ({"metric": "lead", "unit": "trillion_tokens"}, "metric lead needs over"),
        ({"metric": "first_lead_date", "unit": "date", "over": "US"}, "needs published_date"),
        ({"metric": "none", "unit": "none"}, "metric none needs measurable: false and a reason"),
        ({"measurable": False}, "a reason is required with measurable: false"),
        ({"reason": "why"}, "a reason is required with measurable: false"),
        ({"asked_by": "me"}, "cn_47: asked_by = 'me': Input should be 'publisher' or 'us'"),
        (
            {"asked_by": "us"},
            "asked_by us does not allow published_by: nobody published the question",
        ),
        ({"comparison": "at_least", "tolerance": None}, "metric share needs tolerance"),
        ({"comparison": "below"}, "comparison below does not allow a tolerance: the bounds decide"),
        (
            {"comparison": "above", "tolerance": None, "tolerance_above": 1},
            "tolerance_above needs tolerance",
        ),
        (
            {
                "metric": "tokens",
                "unit": "trillion_tokens",
                "window": {"kind": "span_max_of_weeks", "start": "2026-01-05", "end": "2026-02-01"},
            },
            "window span_max_of_weeks is allowed for a share only, not for metric tokens",
        ),
        (
            {"metric": "price_quality", "over": "US"},
            "the rule of claim_90_80; expected comparison at_least and published_value 80",
        ),
        ({"url": "example.org"}, "cn_47: url = 'example.org': String should match pattern"),
        ({"published_on": "July"}, "cn_47: published_on = 'July':"),
        ({"lens": "author_hq"}, "cn_47: lens = 'author_hq': is not a key"),
        ({"source": "somewhere"}, "cn_47: source = 'somewhere': expected a source: openrouter_"),
        ({"claim_id": "CN 47"}, "CN 47: claim_id = 'CN 47': String should match pattern"),
        ({"window": {"kind": "iso_week", "start": "2026-01-13"}}, "starts on a Monday; 2026-01-13"),
        ({"window": {"kind": "month_sum", "start": "2026-01-13"}}, "a month starts on the first"),
        ({"window": {"kind": "year", "start": "2026-02-01"}}, "a year starts on January 1"),
        (
            {"window": {"kind": "span", "start": "2026-01-01"}},
            "end is required with the kinds that begin with span",
        ),
        (
            {"window": {"kind": "span", "start": "2026-01-02", "end": "2026-01-01"}},
            "end 2026-01-01 is before start 2026-01-02",
        ),
        (
            {"window": {"kind": "day", "start": "2026-01-02", "end": "2026-01-02"}},
            "other kinds imply it",
        ),
        ({"window": {"kind": "day", "start": "2026-02-30"}}, "cn_47: window.start = '2026-02-30'"),
    ],
)
def test_a_wrong_claim_is_named(tmp_path: Path, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(TokenshareError) as raised:
        claims_from(tmp_path, {"claims": [{**CLAIM, **fields}]})
    assert said in str(raised.value)


def test_every_problem_of_a_file_is_said_at_once(tmp_path: Path) -> None:
    entries = [{**CLAIM, "metric": "x"}, {**CLAIM, "claim_id": "second", "unit": "y"}]
    with pytest.raises(TokenshareError) as raised:
        claims_from(tmp_path, {"claims": entries})
    assert "cn_47: metric = 'x'" in str(raised.value)
    assert "second: unit = 'y'" in str(raised.value)


def test_what_figures_share_stands_once_and_may_be_overridden(tmp_path: Path) -> None:
    shared = {"published_by": "a paper", "window": CLAIM["window"]}
    entry = {k: v for k, v in CLAIM.items() if k not in shared}
    first, second = claims_from(
        tmp_path,
        {**shared, "claims": [entry, {**entry, "claim_id": "other", "published_by": "another"}]},
    )
    assert (first.published_by, second.published_by) == ("a paper", "another")
    assert first.window == second.window


def test_a_question_of_our_own_is_nobody_else_s(tmp_path: Path) -> None:
    ours = {k: v for k, v in CLAIM.items() if k != "published_by"} | {"asked_by": "us"}
    (claim,) = claims_from(tmp_path, {"claims": [ours]})
    assert (claim.asked_by, claim.published_by, claim.published_on, claim.url) == (
        "us", "tokenshare", None, None,
    )  # fmt: skip
    assert claim.statement_id == "c"


def test_two_claims_of_one_name_are_refused_across_files(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(yaml.safe_dump({"claims": [CLAIM]}), encoding="utf-8")
    with pytest.raises(
        TokenshareError, match=r"c\.yml: cn_47: claim_id: another claim has the same id"
    ):
        claims_from(tmp_path, {"claims": [CLAIM]})


def test_an_unknown_word_above_the_claims_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenshareError, match=r"c\.yml:1: author = 'me': is not a key here"):
        claims_from(tmp_path, {"author": "me", "claims": [CLAIM]})


def test_a_rule_set_reads_a_shared_group_in_its_own_way() -> None:
    document = with_rule_set(groups={"US": {"labs": ["google"]}})
    rule_sets = RuleSets.model_validate(document)
    ours, theirs = rule_sets.rule_sets
    assert rule_sets.groups_of(ours)["US"] == Group(origins=("US",))
    assert rule_sets.groups_of(theirs)["US"] == Group(labs=("google",))
    assert rule_sets.groups_of(theirs)["CN"] == Group(origins=("CN",))


def test_terms_of_groups() -> None:
    """A group of a license alone takes every row of it; an exclusion is a term of its own."""
    assert list(Group().terms()) == [("any", "", False)]
    assert list(Group(licenses=("open_weight",)).terms()) == [
        ("license", "open_weight", False),
        ("any", "", False),
    ]
    excluding = Group.model_validate({"origins": ["US"], "excludes": {"authors": ["gryphe"]}})
    assert list(excluding.terms()) == [("origin", "US", False), ("author", "gryphe", True)]


def test_what_ships_is_valid_and_what_the_issue_asks_for() -> None:
    rule_sets, claims = rule_sets_and_claims()
    names = {r.rule_set for r in rule_sets.rule_sets}
    assert names >= {"all_rows", "identified_only", "top_9", "top_10", "us_with_ca", "model_season"}
    assert len(claims) >= 15
    assert {c.published_by for c in claims if c.asked_by == "us"} == {"tokenshare"}
    assert "tokenshare" not in {c.published_by for c in claims if c.asked_by == "publisher"}
    assert {c.comparison for c in claims} == {"equals", "at_least", "above", "below"}
    assert {c.metric for c in claims} >= {
        "share", "tokens", "lead", "first_lead_date", "license_share", "price_quality", "none",
    }  # fmt: skip
    assert sum(not c.measurable for c in claims) >= 3
    assert {p.suffix for p in CLAIMS_DIR.iterdir()} == {".yml", ".md"}
    assert RULE_SETS_FILE.exists()


def test_the_working_database_gets_every_entry() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema raw")
        load_configuration(connection)
        for name, expected in rows(*rule_sets_and_claims()).items():
            ((count,),) = connection.execute(f"select count(*) from raw.{name}").fetchall()
            assert count == len(expected), name
        labs = connection.execute(
            "select value from raw.rule_set_groups where rule_set = 'three_us_labs' "
            "and group_name = 'US' order by 1"
        ).fetchall()
        week = connection.execute(
            "select window_kind, window_start::varchar, window_end, is_measurable from raw.claims "
            "where claim_id = 'cn_tokens_2026_02_09'"
        ).fetchall()
    assert labs == [("anthropic",), ("google",), ("openai",)]
    assert week == [("iso_week", "2026-02-09", None, True)]


SHOWN: dict[str, Any] = {
    "value_unit": "trillion_tokens", "comparison": "equals",
    "published_value": 1.18, "published_date": None,
    "measured_value": -1.0536, "measured_low": -1.975, "measured_high": -0.133,
    "measured_date": None, "measured_date_low": None, "measured_date_high": None,
}  # fmt: skip


def test_figures_in_words() -> None:
    """The published figure as it was published; the measured one rounded, with its bounds."""
    assert show.published(SHOWN) == "1.18 T"
    assert show.measured(SHOWN) == ("−1.05 T", "−1.98", "−0.13")
    assert show.measured_text(SHOWN) == "−1.05 T (−1.98 to −0.13)"
    percent = {**SHOWN, "value_unit": "percent", "measured_value": 51.25, "measured_high": None}
    assert show.measured(percent) == ("51.2 %", "−2.0", "…")
    above = {**percent, "comparison": "above", "published_value": 50.0}
    assert show.published(above) == "> 50 %"
    assert show.published({**above, "comparison": "at_least"}) == "≥ 50 %"
    assert show.published({**above, "comparison": "below"}) == "< 50 %"
    nothing = {**SHOWN, "published_value": None, "measured_value": None}
    assert (show.published(nothing), show.measured_text(nothing)) == ("–", "–")
    dated = {
        **SHOWN, "value_unit": "date", "published_value": None, "published_date": "2026-02-09",
        "measured_value": None, "measured_low": None, "measured_high": None,
        "measured_date": "2026-03-23", "measured_date_low": "2026-02-16",
        "verdict": "not_reproduced",
    }  # fmt: skip
    assert show.published(dated) == "2026-02-09"
    assert show.measured_text(dated) == "2026-03-23 (2026-02-16 to never)"
    # A day that has not come is an answer; that no day can be measured is none.
    never = {**dated, "measured_date": None, "measured_date_low": None}
    assert show.measured_text(never) == "never (never to never)"
    assert show.measured_text({**never, "verdict": "not_measurable"}) == "–"


def test_a_question_of_our_own_is_shown_without_a_publisher() -> None:
    row = {
        **SHOWN, "claim_id": "c", "statement_id": "st", "statement": "Were they ahead?",
        "asked_by": "us", "published_by": "tokenshare", "published_on": None, "url": None,
        "note": "Our subtraction.", "metric": "lead", "group_name": "CN", "over_group": "US",
        "rule_set": "all_rows", "rules_are_stated": False, "universe": "all", "lens": "author_hq",
        "registry_view": "then", "window": "ISO week of 2026-02-09", "window_is_stated": False,
        "difference": -2.2336, "tolerance": 0.02, "tolerance_above": 0.02,
        "verdict": "reproduced_under_other_rules", "rules": "1) top_9", "rules_searched": 212,
        "rules_matched": 4, "chance_of_match": 0.344, "statement_figures": 3,
        "statement_figures_matched": 2, "reason": None,
    }  # fmt: skip
    ours = dict(show.details(row))
    assert (ours["question"], ours["asked"]) == ("Were they ahead?", "1.18 T")
    assert not {"published by", "published", "url", "statement"} & set(ours)
    assert ours["chance"] == "34 % of figures within 25 % of this one would have matched"
    assert ours["together"] == "no rule set reproduces all 3 figures of st; the best reproduces 2"
    assert ours["window"] == "ISO week of 2026-02-09 (our reading)"
    theirs = {**row, "asked_by": "publisher", "published_by": "A paper", "tolerance_above": 1.0}
    theirs["statement_figures_matched"] = 3
    shown = dict(show.details(theirs))
    assert (shown["published by"], shown["url"]) == ("A paper, undated", "no copy found")
    assert shown["together"] == "one rule set reproduces all 3 figures of st"
    assert shown["difference"] == "-2.234 T, tolerance 0.02 below and 1 above"
    assert show.tally([row, theirs, {**row, "verdict": "not_decidable"}]) == (
        "2 only under other rules, 1 not decidable"
    )


HISTORY = (
    PROJECT_ROOT.parent / "shared" / "data" / "openrouter" / "rankings-daily" / "history"
    / "2026-10-11T00-27-00Z.csv.gz"
)  # fmt: skip
CHINESE_SHARE = """
    select 100.0 * sum(total_tokens) filter (where headquarters = 'CN') / sum(total_tokens)
    from read_csv($history) as usage
    inner join read_csv($authors, all_varchar = true) as authors
        on lower(ltrim(split_part(model_permaslug, '/', 1), '~')) = authors.author
    inner join read_csv($labs, all_varchar = true) as labs using (lab_id)
    where date between cast($monday as date) and cast($monday as date) + 6
        and lab_id in (select unnest($universe))
"""


def test_the_weeks_of_september_2026_are_those_of_the_data() -> None:
    """Shares that somebody else published come out of the same data under the rule that they state,
    here in a few lines of SQL."""
    if not HISTORY.exists():
        pytest.skip(f"{HISTORY} is not there")
    rule_sets, claims = rule_sets_and_claims()
    (rule_set,) = [r for r in rule_sets.rule_sets if r.rule_set == "cache_register"]
    of_september = [c for c in claims if c.statement_id == "cache_register_september_2026"]
    weeks = {c.window.start: c for c in of_september if c.window}
    assert sorted(weeks) == [date(2026, 8, 31) + timedelta(weeks=n) for n in range(5)]
    for monday, claim in weeks.items():
        with duckdb.connect() as connection:
            (measured,) = connection.execute(
                CHINESE_SHARE,
                {
                    "history": str(HISTORY),
                    "authors": str(SEEDS_DIR / "authors.csv"),
                    "labs": str(SEEDS_DIR / "labs.csv"),
                    "monday": str(monday),
                    "universe": list(rule_set.labs),
                },
            ).fetchone() or (None,)
        assert measured == pytest.approx(claim.published_value, abs=claim.tolerance)
