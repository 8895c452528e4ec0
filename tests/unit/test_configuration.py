"""How one file of `configuration/` is read: what is wrong is named with line, key and value."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import RootModel

from orchestration.configuration.files import Strict, read
from orchestration.errors import TokenshareError


class Part(Strict):
    size: int
    since: date | None = None


class Entry(Strict):
    id: str
    part: Part


class Entries(RootModel[tuple[Entry, ...]]):
    pass


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "- id: a\n  part: {size: 1}\n- id: b\n  part:\n    size: 1\n    sinse: 2026-01-01\n",
            "6: b: part.sinse = datetime.date(2026, 1, 1): is not a key here; did you mean since? "
            "Expected: size, since",
        ),
        ("- id: a\n  part:\n    size: big\n", "3: a: part.size = 'big': Input should be a valid"),
        ("- id: a\n", "1: a: part: is missing"),
        ("- part: {size: 1}\n", "1: no. 1: id: is missing"),
        ("- id: a\n  part: {size: 1}\n- text\n", "3: 1 = 'text': expected a mapping"),
        ("id: a\n", "1: expected a list"),
        (
            "- id: a\n  id: b\n  part: {size: 1}\n",
            " cannot be read: the key 'id' is written more than once",
        ),
        ("- id: a\n  part: {size: 1, since: 2026-02-30}\n", " cannot be read: day is out of range"),
        ("- [", " cannot be read: "),
    ],
)
def test_a_problem_is_named_with_its_line_entry_key_and_value(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "f.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TokenshareError) as wrong:
        read(path, Entries)
    assert str(wrong.value).startswith(f"{path}:{said}")


def test_an_empty_file_is_an_empty_list(tmp_path: Path) -> None:
    path = tmp_path / "f.yml"
    path.write_text("# none\n", encoding="utf-8")
    assert read(path, Entries).root == ()
    with pytest.raises(TokenshareError, match="No such file"):
        read(tmp_path / "other.yml", Entries)
