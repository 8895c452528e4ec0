"""Contradictions with second opinions that a human has examined, with the reason for keeping ours.

An entry of `configuration/registry_judgements.yml` quotes both sides. It is outdated as soon as
either of them states something else.
"""

from datetime import date
from typing import Literal

from pydantic import RootModel, model_validator

from orchestration.configuration.files import Strict, Text


class Judgement(Strict):
    """An examined contradiction: the source states `expect`, the registry states `value`."""

    id: Text
    source: Text
    key: Text
    field: Literal["headquarters", "license", "base_lab", "weights_since"]
    expect: Text
    value: Text
    reason: Text
    evidence: Text
    checked_on: date

    @property
    def about(self) -> tuple[str, str, str]:
        return self.source, self.key, self.field


class Judgements(RootModel[tuple[Judgement, ...]]):
    """The file: a list of judgements."""

    @model_validator(mode="after")
    def _judge_once(self) -> "Judgements":
        about = [j.about for j in self.root]
        if twice := next((a for a in about if about.count(a) > 1), None):
            raise ValueError(f"{' '.join(twice)} is judged more than once; expected one entry")
        return self
