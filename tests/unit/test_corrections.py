"""`configuration/corrections.yml`: its form; applied and mended ones are tested in test_dbt.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.configuration.corrections import CORRECTIONS_FILE, Corrections
from orchestration.configuration.files import read
from orchestration.errors import TokenshareError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file with the shipped first correction, changed; `None` takes a field away."""

    def apply(*changes: dict[str, Any]) -> Path:
        first = yaml.safe_load(CORRECTIONS_FILE.read_text(encoding="utf-8"))[0]
        path = tmp_path / "corrections.yml"
        entries = [{k: v for k, v in {**first, **c}.items() if v != "absent"} for c in changes]
        path.write_text(yaml.safe_dump(entries), encoding="utf-8")
        return path

    return apply


def test_the_shipped_ones_say_why() -> None:
    rows = read(CORRECTIONS_FILE, Corrections).model_dump()
    assert all(r["evidence"].startswith("https://") for r in rows)
    assert all(r["value"] != r["expect"] for r in rows)
    assert {"openrouter_catalogue", "models_dev"} <= {r["source"] for r in rows}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([{"reason": "absent"}], ": reason: is missing"),
        ([{"resaon": "typo"}], "resaon = 'typo': is not a key here; did you mean reason"),
        ([{"expect": 0.1}], "expect = 0.1: Input should be a valid string"),
        (
            [{"valid_from": "2026-01-01x"}],
            "valid_from = '2026-01-01x': Input should be a valid date",
        ),
        ([{"source": "hearsay"}], "source = 'hearsay': Input should be 'openrouter_catalogue', "),
        ([{"reason": ""}], "reason = '': "),
        ([{"valid_to": yaml.safe_load("2020-01-01")}], "is not before valid_to"),
        ([{}, {}], "are about the same value and days"),
        ([{}, {"id": "again"}], "are about the same value and days"),
    ],
)
def test_a_malformed_correction_is_named(
    write: Write, changes: list[dict[str, Any]], says: str
) -> None:
    with pytest.raises(TokenshareError, match=says) as raised:
        read(write(*changes), Corrections)
    first = yaml.safe_load(CORRECTIONS_FILE.read_text(encoding="utf-8"))[0]["id"]
    assert first in str(raised.value)


def test_one_subject_may_be_corrected_on_other_days(write: Write) -> None:
    later = {"valid_from": yaml.safe_load("2030-01-01"), "valid_to": None, "id": "later"}
    assert len(read(write({}, later), Corrections).root) == 2


@pytest.mark.parametrize("text", ["a: b", "- [", "- only text"])
def test_a_file_that_is_no_list_of_corrections_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "corrections.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TokenshareError, match=r"corrections\.yml"):
        read(path, Corrections)


def test_an_empty_file_corrects_nothing(tmp_path: Path) -> None:
    path = tmp_path / "corrections.yml"
    path.write_text("# none\n", encoding="utf-8")
    assert read(path, Corrections).root == ()
