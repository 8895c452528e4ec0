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
        ([{"expect": 0.1}], "expect = 0.1: Input should be a valid string"),
        ([{"source": "hearsay"}], "source = 'hearsay': Input should be 'openrouter_catalogue', "),
        ([{"valid_to": yaml.safe_load("2020-01-01")}], "is not before valid_to"),
        ([{}, {}], "correct the same value on the same days"),
        ([{}, {"id": "again"}], "correct the same value on the same days"),
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
