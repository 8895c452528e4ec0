"""`configuration/corrections.yml`: its form; applied and mended ones are tested in test_dbt.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestration.configuration.corrections import PATH, read_corrections
from orchestration.errors import TransformError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A file with the shipped first correction, changed; `None` takes a field away."""

    def apply(*changes: dict[str, Any]) -> Path:
        first = yaml.safe_load(PATH.read_text(encoding="utf-8"))[0]
        path = tmp_path / "corrections.yml"
        entries = [{k: v for k, v in {**first, **c}.items() if v != "absent"} for c in changes]
        path.write_text(yaml.safe_dump(entries), encoding="utf-8")
        return path

    return apply


def test_the_shipped_ones_are_sorted_and_say_why() -> None:
    rows = read_corrections().to_pylist()
    assert [r["id"] for r in rows] == sorted(r["id"] for r in rows)
    assert all(r["evidence"].startswith("https://") for r in rows)
    assert all(r["value"] != r["expect"] for r in rows)
    assert {"openrouter_catalogue", "models_dev"} <= {r["source"] for r in rows}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ([{"reason": "absent"}], "too many or too few fields: reason"),
        ([{"resaon": "typo"}], "too many or too few fields: resaon"),
        ([{"expect": 0.1}], "expect is 0.1, expected a quoted text"),
        ([{"valid_from": "2026-01-01x"}], "valid_from is '2026-01-01x', expected a date"),
        ([{"source": "hearsay"}], "source is 'hearsay', expected one of"),
        ([{"reason": ""}], "reason is ''"),
        ([{"valid_to": yaml.safe_load("2020-01-01")}], "is not before valid_to"),
        ([{}, {}], "speak of the same"),
        ([{}, {"id": "again"}], "speak of the same"),
    ],
)
def test_a_malformed_correction_is_named(
    write: Write, changes: list[dict[str, Any]], says: str
) -> None:
    with pytest.raises(TransformError, match=says) as raised:
        read_corrections(write(*changes))
    assert yaml.safe_load(PATH.read_text(encoding="utf-8"))[0]["id"] in str(raised.value)


def test_one_subject_may_be_corrected_on_other_days(write: Write) -> None:
    later = {"valid_from": yaml.safe_load("2030-01-01"), "valid_to": None, "id": "later"}
    assert read_corrections(write({}, later)).num_rows == 2


@pytest.mark.parametrize("text", ["a: b", "- [", "- only text"])
def test_a_file_that_is_no_list_of_corrections_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "corrections.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TransformError, match=r"corrections\.yml"):
        read_corrections(path)


def test_an_empty_file_corrects_nothing(tmp_path: Path) -> None:
    path = tmp_path / "corrections.yml"
    path.write_text("# none\n", encoding="utf-8")
    assert read_corrections(path).num_rows == 0
