"""check, explain and diff on a registry whose numbers can be checked on paper."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.diff.registry import diff
from orchestration.errors import RegistryFindingsError, TokenshareError, TransformError
from orchestration.landing.store import land
from orchestration.registry import audit, faults
from orchestration.registry.attribution import render
from orchestration.registry.check import check
from orchestration.registry.draft import draft
from orchestration.registry.explain import explain
from orchestration.registry.registry import WORKING, Version, find_version
from orchestration.settings import Settings
from orchestration.words import countries
from tests import builders, registries

TODAY = date(2026, 12, 1)


@pytest.fixture
def seeds(tmp_path: Path) -> Version:
    """The registry of tests/registries.py."""
    return Version("seeds", registries.write_registry(tmp_path / "seeds"), is_vintage=False)


@pytest.fixture
def published(settings: Settings) -> Settings:
    """An installation whose latest vintage has the usage of tests/registries.py."""
    registries.publish_usage(settings)
    return settings


# -- explain


@pytest.mark.parametrize(
    "asked",
    [
        "alpha/one-20260101", "ALPHA/One-20260101", "~alpha/one-20260101", " alpha/one-20260101 ",
        "alpha/one-20260101:free", "~Alpha/ONE-20260101:free", "alpha/one",
    ],
)  # fmt: skip
def test_a_slug_is_found_however_it_is_written(
    asked: str, published: Settings, seeds: Version
) -> None:
    answer = explain(asked, published, TODAY, seeds)
    assert answer["slug"] == "alpha/one-20260101"
    assert ("alpha/one is the undated name of" in str(answer["notices"])) == (asked == "alpha/one")


def test_explain_has_every_answer_over_time(published: Settings, seeds: Version) -> None:
    answer = explain("alpha/one-20260101", published, TODAY, seeds)
    now = answer["today"]
    assert (now["identification"], now["lab_id"], now["headquarters"]) == ("attributed", "aa", "CN")
    assert [
        (p["first_day"], p["last_day"], p["license"])
        for p in answer["periods"]
        if p["registry_view"] == "now"
    ] == [
        (date(2026, 1, 31), date(2026, 1, 31), "closed"),
        (date(2026, 2, 1), TODAY, "open_weight"),
    ]
    assert [
        (p["valid_from"], p["valid_to"], p["prompt"], p["completion"]) for p in answer["prices"]
    ] == [
        (date(2026, 1, 1), date(2026, 2, 1), Decimal("1.5"), Decimal(6)),
        (date(2026, 2, 1), None, Decimal(1), Decimal(6)),
    ]
    (usage,) = answer["usage"]
    assert usage["tokens"] == 1100
    assert usage["share_of_window"] == pytest.approx(0.55)
    assert (usage["best_month"], usage["days"]) == (date(2026, 1, 1), 2)
    assert usage["best_month_share"] == pytest.approx(0.6)
    assert {name: len(rows) for name, rows in answer["rows"].items()} == {
        "models": 2, "authors": 1, "labs": 1, "routers": 0, "unattributed_authors": 0,
    }  # fmt: skip


def test_a_revealed_stealth_model_has_two_answers(published: Settings, seeds: Version) -> None:
    answer = explain("openrouter/ghost", published, TODAY, seeds)
    said = [
        (p["registry_view"], p["first_day"], p["identification"], p["lab_id"])
        for p in answer["periods"]
    ]
    assert said == [
        ("now", date(2026, 1, 31), "attributed", "bb"),
        ("then", date(2026, 1, 31), "stealth", None),
        ("then", date(2026, 2, 10), "attributed", "bb"),
    ]
    assert [s["revealed_as"] for s in answer["stealth"]] == ["beta/tune"]


def test_the_lenses_are_told_apart(published: Settings, seeds: Version) -> None:
    now = explain("beta/tune", published, TODAY, seeds)["today"]
    assert (now["headquarters"], now["base_headquarters"]) == ("US", "CN")


def test_explain_shows_the_second_opinions_of_model_and_lab(
    published: Settings, seeds: Version
) -> None:
    answer = explain("alpha/one-20260101", published, TODAY, seeds)
    assert {
        (o["subject"], o["opinion_source"], o["registry_says"], o["verdict"])
        for o in answer["second_opinions"]
    } == {
        ("aa", "epoch_ai", "CN", "agrees"),
        # It was closed on 2026-01-15 and open on 2026-03-01.
        ("alpha/one-20260101", "models_dev", "closed", "agrees"),
        ("alpha/one-20260101", "third_party_labels", "open_weight", "contradicts"),
    }


@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("alpha/won", "alpha/one-20260101"),
        ("alfa/one", "alpha/one-20260101"),
        ("one", "alpha/one-20260101"),
        ("tune-beta", "beta/tune"),
        ("alpha/two", "alpha/two-20260101, alpha/two-20260201"),
    ],
)
def test_an_unknown_slug_is_answered_with_near_ones(
    asked: str, near: str, published: Settings, seeds: Version
) -> None:
    with pytest.raises(TokenshareError) as refused:
        explain(asked, published, TODAY, seeds)
    assert near in str(refused.value)
    assert repr(asked) in str(refused.value)


def test_an_unknown_slug_that_is_near_to_none(published: Settings, seeds: Version) -> None:
    with pytest.raises(TokenshareError, match=r"expected author/model$"):
        explain("qqqqq/zzzzz", published, TODAY, seeds)


def test_explain_without_a_vintage_says_so(settings: Settings, seeds: Version) -> None:
    answer = explain("beta/tune", settings, TODAY, seeds)
    assert answer["today"]["lab_id"] == "bb"
    assert answer["usage"] == []
    assert any("nothing is published yet" in n for n in answer["notices"])


# -- check


def slugs(listed: list[dict[str, Any]]) -> dict[str, int]:
    return {row["base_slug"]: row["tokens"] for row in listed}


def test_check_weighs_what_is_missing(published: Settings, seeds: Version) -> None:
    found = check(published, TODAY, 180, version=seeds)
    (gamma,) = found["unmapped"]
    assert (gamma["base_slug"], gamma["tokens"]) == ("gamma/x", 50)
    assert gamma["share_of_window"] == pytest.approx(0.025)
    assert gamma["best_day_share"] == pytest.approx(0.05)
    assert gamma["best_month_share"] == pytest.approx(0.05)
    assert slugs(found["models_without_row"]) == {"gamma/x": 50}
    # As known now the ghost is closed; neither the tail nor a router has a license to know.
    assert slugs(found["unknown_license"]) == {"gamma/x": 50}
    assert found["headquarters_unknown"] == found["base_lineage_unknown"] == []
    assert "1 unmapped slugs above 0.1% of a month" in found["failures"]


def test_check_names_what_has_a_lab_but_no_country(published: Settings, tmp_path: Path) -> None:
    labs = registries.LABS.replace("Gamma Lab,,FR", "Gamma Lab,,")
    folder = registries.write_registry(
        tmp_path / "r", labs=labs, authors=registries.AUTHORS + registries.GAMMA
    )
    found = check(published, TODAY, 180, version=Version("r", folder, is_vintage=False))
    assert found["unmapped"] == []
    assert slugs(found["headquarters_unknown"]) == {"gamma/x": 50}
    assert slugs(found["base_lineage_unknown"]) == {"gamma/x": 50}


def test_the_heaviest_come_first(published: Settings, tmp_path: Path) -> None:
    text = registries.AUTHORS.replace("beta,bb", "delta,bb")
    models = "\n".join(r for r in registries.MODELS.splitlines() if "beta/tune" not in r) + "\n"
    folder = registries.write_registry(tmp_path / "r", authors=text, models=models)
    found = check(published, TODAY, 180, version=Version("r", folder, is_vintage=False))
    assert list(slugs(found["unmapped"]).items()) == [("beta/tune", 500), ("gamma/x", 50)]
    assert found["unmapped"][0]["best_month"] == date(2026, 2, 1)


def test_an_author_that_is_left_unmapped_on_purpose_fails_nothing(
    published: Settings, tmp_path: Path
) -> None:
    folder = registries.write_registry(
        tmp_path / "r",
        unattributed_authors="author,reason,checked_on,note\ngamma,no_evidence,2026-11-01,\n",
    )
    found = check(published, TODAY, 180, version=Version("r", folder, is_vintage=False))
    assert found["unmapped"][0]["left_unmapped_because"] == "no_evidence"
    assert not any("unmapped" in failure for failure in found["failures"])


@pytest.mark.parametrize(("max_age_days", "stale"), [(30, False), (29, True)])
def test_evidence_grows_old(
    max_age_days: int, stale: bool, published: Settings, seeds: Version
) -> None:
    found = check(published, TODAY, max_age_days, version=seeds)  # checked on 2026-11-01
    assert len(found["stale"]) == (11 if stale else 0)
    assert any("older than" in f for f in found["failures"]) == stale


JUDGED = """
- {id: one, source: epoch_ai, key: bb, field: headquarters, expect: GB, value: US, reason: r,
   evidence: e, checked_on: 2026-11-01}
- {id: two, source: third_party_labels, key: alpha/one-20260101, field: license, expect: closed,
   value: open_weight, reason: r, evidence: e, checked_on: 2026-11-01}
"""


def test_contradictions_are_new_until_they_are_judged(published: Settings, seeds: Version) -> None:
    found = check(published, TODAY, 180, version=seeds)
    assert [(o["subject"], o["judgement"]) for o in found["contradictions"]] == [
        ("bb", None),
        ("alpha/one-20260101", None),
    ]
    assert found["opinions"] == {"agrees": 2, "contradicts": 2, "silent": 1}
    assert "2 contradictions without a judgement" in found["failures"]
    seeds.judgements.write_text(JUDGED, encoding="utf-8")
    found = check(published, TODAY, 180, version=seeds)
    assert [o["judgement"] for o in found["contradictions"]] == ["one", "two"]
    assert not any("contradictions" in f for f in found["failures"])
    assert found["outdated_judgements"] == []


@pytest.mark.parametrize(
    ("seed", "old", "new", "said"),
    [
        ("second_opinions", "US,epoch", "US,epoch", None),
        ("second_opinions", "lab,bb,headquarters,GB",
         "lab,bb,headquarters,DE", "epoch_ai states DE"),
        ("second_opinions", "lab,bb,headquarters,GB",
         "lab,cc,headquarters,GB", "states nothing for bb"),
        ("second_opinions", "lab,bb,headquarters,GB",
         "lab,bb,headquarters,US", "epoch_ai states US"),
        ("labs", "Beta Lab,,US", "Beta Lab,,FR", "the registry states FR for bb headquarters"),
    ],
)  # fmt: skip
def test_a_judgement_fails_once_either_side_says_something_else(
    seed: str, old: str, new: str, said: str | None, published: Settings, seeds: Version
) -> None:
    seeds.judgements.write_text(JUDGED, encoding="utf-8")
    path = seeds.folder / f"{seed}.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    outdated = check(published, TODAY, 180, version=seeds)["outdated_judgements"]
    if said is None:
        assert outdated == []
    else:
        assert len(outdated) == 1
        assert outdated[0].startswith("one: ")
        assert said in outdated[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {id: x}", ":1: x: source: is missing"),
        (
            JUDGED.replace("field: license", "field: licence"),
            "two: field = 'licence': Input should be",
        ),
        (JUDGED + JUDGED, "epoch_ai bb headquarters is judged more than once"),
    ],
)
def test_a_wrong_judgement_is_named(
    text: str, said: str, published: Settings, seeds: Version
) -> None:
    seeds.judgements.write_text(text, encoding="utf-8")
    with pytest.raises(TokenshareError) as refused:
        check(published, TODAY, 180, version=seeds)
    assert str(refused.value).startswith(f"{seeds.judgements}:")
    assert said in str(refused.value)


def test_check_of_a_source_that_was_never_used(published: Settings, seeds: Version) -> None:
    with pytest.raises(TokenshareError, match="'mine' has no rows; expected openrouter_rankings"):
        check(published, TODAY, 180, "mine", seeds)


# -- bad rows


def test_the_shipped_registry_has_no_bad_row() -> None:
    assert faults.find(WORKING) == []


def test_a_registry_without_bad_rows_has_no_faults(seeds: Version) -> None:
    assert faults.find(seeds) == []


@pytest.mark.parametrize(
    ("seed", "old", "new", "said"),
    [
        ("labs", "Alpha; A,CN", "Alpha; A,China",
         "line 2: headquarters: value 'China'; expected a code of ISO 3166-1 alpha-2 such as CN, "
         "or nothing; nearest is CN (China)"),
        ("labs", "Beta Lab,,US", "Beta Lab,,UK", "nearest is GB (the United Kingdom)"),
        ("labs", "Beta Lab,,US", "Beta Lab,,us", "nearest is US (the United States)"),
        ("labs", "Beta Lab,,US", "Beta Lab,,XX", "value 'XX'; expected a code of ISO 3166-1"),
        ("labs", "cc,Gamma Lab", "cc,", "line 4: lab_name: is empty; expected a value"),
        ("labs", "2026-11-01", "2026-11-31", "line 2: checked_on: value '2026-11-31'; expected a "),
        ("labs", "high", "hgih", "line 2: confidence: value 'hgih'; expected high or medium or "
         "low or contested; nearest is high"),
        ("labs", "bb,Beta", "aa,Beta",
         "line 2: valid_to: is empty; expected a day, because line 3 has 'aa' from always on"),
        ("labs", "lab_name,", "name,", "line 1: has no column lab_name; expected lab_id,lab_name"),
        ("labs", "Alpha; A", "Alpha, A", "line 2: has 13 fields; expected 12, as the first line"),
        ("authors", "alpha,aa", "Alpha,aa", "line 2: author: value 'Alpha'; expected lower case; "),
        ("authors", "beta,bb", "beta,bbb", "line 3: lab_id: value 'bbb'; expected a lab_id of "
         "labs.csv; nearest is bb"),
        ("authors", "alpha,aa", "alpha,bb,,,,https://x.y/z,Beta Lab,2026-11-01,high,\nalpha,aa",
         "line 2: valid_to: is empty; expected a day, because line 3 has 'alpha' from always on"),
        ("models", "MIT,2026-02-01", "MIT,2026-01-31",
         "line 3: valid_from: value '2026-01-31'; expected 2026-02-01 or later, the end of line 2"),
        ("models", "closed,,,2026-02-01", "closed,,2026-02-01,2026-02-01",
         "line 2: valid_to: value '2026-02-01'; expected a day after valid_from, 2026-02-01"),
        ("models", "aa,closed", "aa,close",
         "line 2: license: value 'close'; expected open_weight or closed or unknown; nearest is"),
        ("models", ",bb,beta/tune", ",bb,beta/tone", "line 6: revealed_as: value 'beta/tone'; "
         "expected another base_slug of models.csv; nearest is beta/tune"),
        ("models", "2026-02-09,2026-02-10", "2026-02-10,2026-02-10",
         "line 6: known_from: value '2026-02-10'; expected a day after the reveal of 2026-02-10"),
        ("models", "beta/tune,2026-02-09", "beta/tune,",
         "line 6: revealed_on: is empty; expected the day of the reveal"),
        ("models", "beta/tune,bb", "beto/tune,bb", "line 4: base_slug: value 'beto/tune'; expected "
         "an author of authors.csv before the slash"),
        ("models", "alpha/one,aa", "alpha/one,ab",
         "line 4: base_lab_id: value 'ab'; expected a lab_id of labs.csv"),
        ("models", "beta/tune,bb", "beta/tune,aa",
         "line 4: lab_id: value 'aa'; expected bb, the lab of beta"),
        ("routers", "openrouter/auto,https",
         "openrouter/auto,http://x.y/z,A router,2026-11-01,\nopenrouter/auto,https",
         "line 3: base_slug: value 'openrouter/auto'; expected a value that line 2 does not have"),
        ("labs", "example.org/page", "models.dev", "line 2: evidence_url: value "
         "'https://models.dev'; expected a page, a file at a commit or a dated state, not a front"),
        ("labs", "example.org/page", "github.com/a/b", "not a front page"),
        ("labs", "example.org/page", "openrouter.ai/api/v1/models", "not a front page"),
        ("labs", "https://example.org/page", "seen it", "line 2: evidence_url: value 'seen it'"),
        ("labs", "Alpha Lab CN; ", "Alpha Lab; ", "line 2: states: value 'Alpha Lab; Beta Lab US"),
        ("labs", registries.STATES, "", "line 2: states: is empty; expected a value"),
        ("labs", "Gamma Lab FR", "CN" * 80, "line 2: states: value"),
        ("authors", "Alpha Lab CN; ", "", "expected words that name the lab, as Alpha Lab or"),
        ("models", registries.STATES, "It is a fine model; rapid",
         "line 2: states: value 'It is a fine model; rapid'; expected words that name the license, "
         "the lab or the day, as closed or api or no weights does"),
        ("routers", registries.STATES, "A model", "expected words that name a router, as router"),
    ],
)  # fmt: skip
def test_a_bad_row_is_named_with_line_column_and_what_is_near(
    seed: str, old: str, new: str, said: str, seeds: Version
) -> None:
    path = seeds.folder / f"{seed}.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RegistryFindingsError) as refused:
        faults.refuse(seeds)
    assert str(refused.value).startswith("the registry has bad rows:\n")
    assert any(
        line.startswith(f"{path}: ") and said in line for line in str(refused.value).splitlines()
    ), refused.value


def test_check_refuses_a_bad_row(settings: Settings, seeds: Version) -> None:
    path = seeds.folder / "labs.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("A,CN", "A,China"), encoding="utf-8")
    with pytest.raises(RegistryFindingsError, match="nearest is CN"):
        check(settings, TODAY, 180, version=seeds)


def test_a_provider_has_one_country_a_day(seeds: Version) -> None:
    evidence = "https://example.org/page,The provider,2026-11-01,high,"
    (seeds.folder / "providers.csv").write_text(
        "provider_slug,provider_name,headquarters,valid_from,valid_to,known_from,evidence_url,"
        "states,checked_on,confidence,note\n"
        f"moon,The provider,SG,,,2026-05-22,{evidence}\n"
        f"moon,The provider,CN,2026-01-01,,2026-05-22,{evidence}\n",
        encoding="utf-8",
    )
    said = "line 2: valid_to: is empty; expected a day, because line 3 has 'moon' from 2026-01-01"
    assert any(said in fault for fault in faults.find(seeds)), faults.find(seeds)


def test_an_author_is_not_both_known_and_left_unmapped(tmp_path: Path) -> None:
    folder = registries.write_registry(
        tmp_path / "r",
        unattributed_authors="author,reason,checked_on,note\nbeta,no_evidence,2026-11-01,\n",
    )
    assert faults.find(Version("r", folder, is_vintage=False)) == [
        f"{folder / 'unattributed_authors.csv'}: line 2: author: value 'beta'; expected an author "
        "without a row in authors.csv"
    ]


def test_every_country_has_a_name() -> None:
    assert len(countries()) == 249
    assert {"UK", "EU", "XK"}.isdisjoint(countries())
    assert all(name and not name.endswith(" ") for name in countries().values())


# -- drafts


@pytest.fixture
def landed(published: Settings, tmp_path: Path) -> Settings:
    """A landed catalogue with a model of an unknown author, and a provider list."""
    catalogue = json.loads(builders.catalogue({"newlab/fresh-1": ("0.000001", "0.000002")}))
    catalogue["data"][0] |= {
        "canonical_slug": "newlab/fresh-1-20260301", "name": "New Lab: Fresh 1",
        "hugging_face_id": "newlab/Fresh-1", "description": "=a model\nof two lines",
        "created": 1772323200,
    }  # fmt: skip
    path = builders.write(
        tmp_path, "2026-03-02T00-00-00Z.models.json", json.dumps(catalogue).encode()
    )
    land(path, published)
    content = builders.providers({"newlab": "CH", "other": "US"})
    land(builders.write(tmp_path, "2026-03-02T00-00-00Z.providers.json", content), published)
    return published


def test_a_draft_has_what_the_sources_state_with_their_addresses(
    landed: Settings, seeds: Version
) -> None:
    drafts = draft(landed, TODAY, seeds)
    assert drafts.slugs == ("gamma/x", "newlab/fresh-1-20260301")
    assert drafts.authors == ("gamma", "newlab")
    stated = {
        (f.slug, f.field, f.source): (f.value, f.address) for f in drafts.facts if f.field != "name"
    }
    page = "https://openrouter.ai/newlab/fresh-1-20260301"
    assert stated == {
        ("gamma/x", "use", "openrouter_rankings"): (
            "50 tokens, 2026-01-31 to 2026-01-31", "vintage 20260301T000000Z-00000000, usage_daily"
        ),
        ("gamma/x", "license", "models_dev"): ("closed", "https://example.org"),
        ("newlab/fresh-1-20260301", "Hugging Face repository", "openrouter_models"):
            ("newlab/Fresh-1", page),
        ("newlab/fresh-1-20260301", "description", "openrouter_models"):
            ("=a model\\nof two lines", page),
        ("newlab/fresh-1-20260301", "created", "openrouter_models"): ("2026-03-01", page),
        ("newlab", "headquarters", "openrouter_providers"):
            ("CH", "https://openrouter.ai/provider/newlab"),
    }  # fmt: skip
    (fresh,) = [
        row
        for row in faults.rows_of(drafts.folder / "models.csv")
        if row["base_slug"].startswith("newlab/")
    ]
    assert fresh["evidence_url"] == "https://huggingface.co/newlab/Fresh-1"
    assert (fresh["lab_id"], fresh["license"], fresh["confidence"]) == ("newlab", "", "")
    assert fresh["note"].startswith("DRAFT. name: New Lab: Fresh 1 (openrouter_models, 2026-03-02,")
    (_, lab) = faults.rows_of(drafts.folder / "labs.csv")
    assert (lab["lab_name"], lab["headquarters"]) == ("New Lab", "CH")


def test_a_draft_that_is_moved_as_it_is_is_refused(landed: Settings, seeds: Version) -> None:
    drafts = draft(landed, TODAY, seeds)
    for name in ("labs", "authors", "models"):
        path = seeds.folder / f"{name}.csv"
        lines = (drafts.folder / f"{name}.csv").read_text(encoding="utf-8").splitlines()[1:]
        with path.open("a", encoding="utf-8") as stream:
            stream.write("\n".join(lines) + "\n")
    said = faults.find(seeds)
    models = seeds.folder / "models.csv"
    for column in ("license", "states", "confidence"):
        assert f"{models}: line 7: {column}: is empty; expected a value" in said


def test_a_registry_with_rows_for_all_has_no_drafts(published: Settings, tmp_path: Path) -> None:
    models = registries.MODELS + f"gamma/x,cc,unknown,,,,,,,,,{registries.EVIDENCE}\n"
    folder = registries.write_registry(
        tmp_path / "r", models=models, authors=registries.AUTHORS + registries.GAMMA
    )
    drafts = draft(published, TODAY, Version("r", folder, is_vintage=False))
    assert (drafts.slugs, drafts.authors, drafts.facts) == ((), (), ())


# -- audits


def test_an_audit_draws_rows_by_their_tokens_and_the_same_seed_the_same(
    published: Settings, seeds: Version
) -> None:
    (first, *_) = drawn = audit.draw(published, TODAY, 4, 1, seeds)
    assert len(drawn) == 4
    assert drawn == audit.draw(published, TODAY, 4, 1, seeds)
    assert {
        "answer": "",
        "answered_by": "",
        "evidence_url": "https://example.org/page",
    }.items() <= (first.items())
    # alpha/one is closed on the first of its two days, with 600 of its 1100 tokens.
    weights = {
        (r["seed"], r["registry_row"]): r for r in audit.draw(published, TODAY, 99, 1, seeds)
    }
    closed = weights["models", "alpha/one-20260101||"]
    assert closed["tokens"] == 600
    assert closed["claim"] == "aa, closed, base by aa, valid always to 2026-02-01"
    assert weights["labs", "bb||"]["tokens"] == 600  # beta/tune and, as known now, the ghost
    assert weights["authors", "alpha||"]["claim"] == "lab aa"
    firsts = [audit.draw(published, TODAY, 1, seed, seeds)[0]["tokens"] for seed in range(30)]
    assert sum(firsts) / 30 > 650  # the mean of all rows is 600, weighed by tokens about 780


def test_answers_are_kept_and_counted(published: Settings, seeds: Version, tmp_path: Path) -> None:
    sample, counts = tmp_path / "sample.csv", tmp_path / "counts.csv"
    drawn = audit.draw(published, TODAY, 3, 7, seeds)
    answers = [("confirmed", "An"), ("wrong", "Bo"), ("confirmed", "An")]
    for row, (answer, who) in zip(drawn, answers, strict=True):
        row |= {"answer": answer, "answered_by": who, "answered_on": "2026-11-30"}
    audit.write_sample(sample, drawn)
    counts.write_text(",".join(audit.COUNT_COLUMNS) + "\n", encoding="utf-8")
    kept = audit.keep(sample, "mine", tmp_path / "kept", counts)
    assert kept == {
        "audit": "mine", "sampled_rows": 3, "confirmed": 2, "weak": 0, "wrong": 1,
        "audited_by": "An, Bo", "recorded_on": "2026-11-30", "note": "",
    }  # fmt: skip
    assert counts.read_text(encoding="utf-8").endswith('\nmine,3,2,0,1,"An, Bo",2026-11-30,\n')
    assert (tmp_path / "kept" / "mine.csv").read_bytes() == sample.read_bytes()
    with pytest.raises(TokenshareError, match="'mine' is not the name of a new audit"):
        audit.keep(sample, "mine", tmp_path / "kept", counts)
    sample.write_text(sample.read_text(encoding="utf-8").replace("wrong", "rong"), encoding="utf-8")
    with pytest.raises(TokenshareError, match=r"line 3: answer: value 'rong'.*nearest is wrong"):
        audit.keep(sample, "other", tmp_path / "kept", counts)


def test_kept_answers_are_the_counts_that_are_published() -> None:
    counts = {row["audit"]: row for row in faults.rows_of(audit.COUNTS)}
    for row in counts.values():
        assert int(row["sampled_rows"]) == sum(int(row[answer]) for answer in audit.ANSWERS)
    for path in audit.AUDITS_DIR.glob("*.csv"):
        counted = audit.count(path.stem, faults.rows_of(path))
        assert {k: str(v) for k, v in counted.items() if k != "note"}.items() <= (
            counts[path.stem].cells.items()
        )


# -- diff


def shares(found: dict[str, Any]) -> dict[tuple[str, str], float]:
    return {(s["cut"], s["value"]): round(s["points"], 6) for s in found["shares"]}


def write(folder: Path, **texts: str) -> str:
    return str(registries.write_registry(folder, **texts))


def test_a_new_author_moves_its_tokens(published: Settings, tmp_path: Path) -> None:
    a = write(tmp_path / "a")
    b = write(tmp_path / "b", authors=registries.AUTHORS + registries.GAMMA)
    found = diff(a, b, published, TODAY)
    assert [(r["table"], r["name"], r["change"]) for r in found["rows"]] == [
        ("authors", "gamma", "added")
    ]
    # 50 of 2000 tokens; of January they were 50 of 1000. Its base lab is not known.
    assert shares(found) == {("author_hq", "FR"): 2.5, ("author_hq", "unidentified"): -2.5}
    france = next(s for s in found["shares"] if s["value"] == "FR")
    assert (france["old_tokens"], france["new_tokens"]) == (0, 50)
    assert france["months"] == [{"month": date(2026, 1, 1), "points": pytest.approx(5.0)}]
    (slug,) = found["slugs"]
    assert (slug["base_slug"], slug["old_value"], slug["new_value"]) == (
        "gamma/x", "unidentified", "FR",
    )  # fmt: skip
    assert (slug["tokens"], slug["points"]) == (50, 2.5)
    back = diff(b, a, published, TODAY)
    assert shares(back) == {("author_hq", "FR"): -2.5, ("author_hq", "unidentified"): 2.5}
    assert [r["change"] for r in back["rows"]] == ["removed"]


def test_a_lab_that_moves_takes_both_lenses_along(published: Settings, tmp_path: Path) -> None:
    b = write(tmp_path / "b", labs=registries.LABS.replace("Alpha; A,CN", "Alpha; A,SG"))
    found = diff(write(tmp_path / "a"), b, published, TODAY)
    (change,) = found["rows"]
    assert (change["change"], change["columns"]) == ("changed", {"headquarters": ["CN", "SG"]})
    assert shares(found) == {
        ("author_hq", "CN"): -55.0, ("author_hq", "SG"): 55.0,
        # With the 500 tokens that were tuned on its model.
        ("base_lineage", "CN"): -80.0, ("base_lineage", "SG"): 80.0,
    }  # fmt: skip


def test_the_date_of_a_license_moves_only_the_days_between(
    published: Settings, tmp_path: Path
) -> None:
    models = registries.MODELS.replace("2026-02-01", "2026-01-31")
    found = diff(write(tmp_path / "a"), write(tmp_path / "b", models=models), published, TODAY)
    assert shares(found) == {("license", "closed"): -30.0, ("license", "open_weight"): 30.0}
    assert {m["month"] for s in found["shares"] for m in s["months"]} == {date(2026, 1, 1)}


@pytest.mark.parametrize(("view", "moved"), [("now", True), ("then", False)])
def test_what_is_learned_later_moves_only_the_view_of_now(
    view: Any, moved: bool, published: Settings, tmp_path: Path
) -> None:
    late = registries.GAMMA.replace(",cc,,,,", ",cc,,,2026-06-01,")
    b = write(tmp_path / "b", authors=registries.AUTHORS + late)
    assert bool(diff(write(tmp_path / "a"), b, published, TODAY, view)["shares"]) == moved


def test_the_same_registry_moves_nothing(published: Settings, tmp_path: Path) -> None:
    found = diff(write(tmp_path / "a"), write(tmp_path / "b"), published, TODAY)
    assert (found["rows"], found["shares"], found["slugs"]) == ([], [], [])


def test_a_vintage_is_compared_by_id_folder_or_as_the_latest(
    published: Settings, tmp_path: Path
) -> None:
    seeds = registries.write_registry(tmp_path / "a")
    (tables,) = published.vintages_dir.glob("*/tables")
    with pytest.raises(TokenshareError, match="has no table registry_labs, registry_authors"):
        find_version("latest", published)
    registries.publish_registry(seeds, tables)
    b = write(tmp_path / "b", authors=registries.AUTHORS + registries.GAMMA)
    for name in ("latest", tables.parent.name, str(tables.parent)):
        found = diff(name, b, published, TODAY)
        assert found["a"]["version"] == tables.parent.name
        assert [(r["table"], r["name"]) for r in found["rows"]] == [("authors", "gamma")]
        assert ("author_hq", "FR") in shares(found)
        assert any("does not have routers, unattr" in notice for notice in found["notices"])


def test_an_older_seed_without_later_columns_can_be_compared(
    published: Settings, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "labs.csv").write_text(
        "lab_id,lab_name,headquarters\naa,Alpha Lab,CN\n", encoding="utf-8"
    )
    (old / "authors.csv").write_text("author,lab_id\nalpha,aa\n", encoding="utf-8")
    found = diff(str(old), write(tmp_path / "b"), published, TODAY)
    assert shares(found)["author_hq", "US"] == 30.0  # 500 of beta, 100 of the ghost
    assert ("author_hq", "CN") not in shares(found)


def test_diff_without_a_vintage_compares_rows_only(settings: Settings, tmp_path: Path) -> None:
    b = write(tmp_path / "b", authors=registries.AUTHORS + registries.GAMMA)
    found = diff(write(tmp_path / "a"), b, settings, TODAY)
    assert len(found["rows"]) == 1
    assert found["shares"] == []
    assert any("no share points" in notice for notice in found["notices"])


@pytest.mark.parametrize("name", ["nonsense", "", "20260101T000000Z-00000000"])
def test_what_is_no_version_says_what_would_be(
    name: str, published: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TokenshareError, match="is not a version of the registry; expected"):
        find_version(name, published)


# -- reading


@pytest.mark.parametrize(
    ("seed", "old", "new", "said"),
    [
        ("models", "MIT,2026-02-01", "MIT,2026-02-31", "row 2: valid_from: value '2026-02-31'"),
        ("models", "aa,closed", "aa,shut", "row 1: license: value 'shut'; expected open_weight or"),
        ("labs", "cc,Gamma Lab", ",Gamma Lab", "row 3: lab_id: value None; expected a value"),
        ("authors", "high", "sure", "row 1: confidence: value 'sure'; expected high or medium"),
        ("authors", "author,lab_id", "author,lab", "line 1: has no column lab_id; expected author"),
    ],
)
def test_a_wrong_seed_names_file_row_field_and_value(
    seed: str, old: str, new: str, said: str, published: Settings, seeds: Version
) -> None:
    path = seeds.folder / f"{seed}.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(TokenshareError) as refused:
        explain("beta/tune", published, TODAY, seeds)
    assert str(refused.value).startswith(f"{path}: {said}")


def test_a_seed_that_is_no_csv_is_refused(published: Settings, seeds: Version) -> None:
    (seeds.folder / "labs.csv").write_bytes(b"lab_id,lab_name\n\xff\xfe,x\n")
    with pytest.raises(TokenshareError, match=r"labs\.csv: not readable"):
        explain("beta/tune", published, TODAY, seeds)


def test_a_model_that_needs_more_of_dbt_is_refused() -> None:
    with pytest.raises(TransformError, match="reads int_days; expected one of authors, labs"):
        render("{{ ref('int_days') }}", "registry")
    with pytest.raises(TransformError, match="cannot be rendered without dbt"):
        render("{{ nothing_of_the_kind() }}", "registry")
