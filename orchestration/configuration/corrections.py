"""`configuration/corrections.yml`: known errors of upstream sources.

Only the form is checked here. Staging models apply the corrections. `int_corrections` stops the run
if the source no longer has the value that a correction expects.
"""

from datetime import date
from typing import Literal

from pydantic import RootModel, model_validator

from orchestration.configuration.files import Strict, Text
from orchestration.settings import CONFIGURATION_DIR

CORRECTIONS_FILE = CONFIGURATION_DIR / "corrections.yml"


class Correction(Strict):
    """One wrong value, from the day `valid_from` to the day before `valid_to`.

    Numbers are written in quotes, because YAML would read them as floats and lose digits.
    """

    id: Text
    source: Literal["openrouter_catalogue", "models_dev", "genai_prices", "litellm"]
    key: Text
    field: Text
    expect: Text
    value: Text | None
    valid_from: date | None
    valid_to: date | None
    reason: Text
    evidence: Text
    checked_on: date

    @model_validator(mode="after")
    def _period_is_not_empty(self) -> "Correction":
        if self.valid_from and self.valid_to and self.valid_from >= self.valid_to:
            raise ValueError(f"valid_from {self.valid_from} is not before valid_to {self.valid_to}")
        return self

    def conflicts_with(self, other: "Correction") -> bool:
        """Do both correct the same value on the same day, or have the same id?"""
        same = (self.source, self.key, self.field) == (other.source, other.key, other.field)
        first = max(self.valid_from or date.min, other.valid_from or date.min)
        end = min(self.valid_to or date.max, other.valid_to or date.max)
        return self.id == other.id or (same and first < end)


class Corrections(RootModel[tuple[Correction, ...]]):
    """The file: a list of corrections."""

    @model_validator(mode="after")
    def _do_not_overlap(self) -> "Corrections":
        for n, one in enumerate(self.root):
            for other in self.root[:n]:
                if one.conflicts_with(other):
                    raise ValueError(
                        f"corrections {other.id} and {one.id} have the same id, or correct the "
                        "same value on the same days; expected one correction"
                    )
        return self
