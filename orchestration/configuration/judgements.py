"""Contradictions with second opinions that were looked into, with the reason why they stay.

An entry of `configuration/registry_judgements.yml` says what both sides said, and is outdated once
either of them says something else.
"""

from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestration.errors import TokenshareError


class Judgement(BaseModel):
    """A contradiction that was looked into: the source says `expect`, the registry `value`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    source: str
    key: str
    field: Literal["headquarters", "license", "base_lab", "weights_since"]
    expect: str
    value: str
    reason: str
    evidence: str
    checked_on: date

    @property
    def about(self) -> tuple[str, str, str]:
        return self.source, self.key, self.field


def read_judgements(path: Path) -> list[Judgement]:
    """Every judgement of the file; none where there is no file.

    Raises TokenshareError naming file, entry, field, value and what was expected.
    """
    import yaml

    if not path.exists():
        return []
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TokenshareError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(entries, list):
        raise TokenshareError(f"{path}: holds a {type(entries).__name__}; expected a list")
    judged = []
    for number, entry in enumerate(entries, start=1):
        try:
            judged.append(Judgement.model_validate(entry))
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(map(str, problem["loc"])) or "entry"
            raise TokenshareError(
                f"{path}: judgement {number}: {field}: value {problem['input']!r}; "
                f"expected: {problem['msg']}"
            ) from error
    about = [j.about for j in judged]
    if twice := next((a for a in about if about.count(a) > 1), None):
        raise TokenshareError(f"{path}: {' '.join(twice)} is judged twice; expected one entry")
    return judged


def outdated(judgements: list[Judgement], compared: list[dict[str, Any]]) -> list[str]:
    """A sentence per judgement that is no longer about what the two sides say."""
    said = {(o["opinion_source"], o["subject"], o["field"]): o for o in compared}
    problems = []
    for judgement in judgements:
        opinion = said.get(judgement.about)
        theirs = opinion["value"] if opinion else None
        ours = opinion["registry_says"] if opinion else None
        if theirs != judgement.expect:
            problems.append(
                f"{judgement.id}: {judgement.source} says {theirs or 'nothing'} on "
                f"{judgement.key} {judgement.field}; expected {judgement.expect}"
            )
        elif ours != judgement.value:
            problems.append(
                f"{judgement.id}: the registry says {ours or 'nothing'} on "
                f"{judgement.key} {judgement.field}; expected {judgement.value}"
            )
    return problems
