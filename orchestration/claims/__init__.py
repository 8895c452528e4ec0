"""The verdicts on the claims of a vintage, as text. The claims themselves are configuration."""

from enum import StrEnum
from typing import Literal


class Verdict(StrEnum):
    """In the order in which they are listed."""

    REPRODUCED = "reproduced"
    MORE_THAN_CLAIMED = "more_than_claimed"
    REPRODUCED_UNDER_OTHER_RULES = "reproduced_under_other_rules"
    NOT_REPRODUCED = "not_reproduced"
    NOT_DECIDABLE = "not_decidable"
    NOT_MEASURABLE = "not_measurable"


# Who asked: somebody who published the statement, or we ourselves.
AskedBy = Literal["publisher", "us"]
