"""Small parts of the pages: amounts of any size in words, and the bars of a waterfall."""

from decimal import Decimal
from itertools import pairwise

import pytest

from orchestration.report.waterfall import bars
from orchestration.words import amount, dollars


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"), (999_999, "999,999"), (1_000_000, "1.0 million"), (32_738_386, "32.7 million"),
        (1_000_000_000, "1.0 billion"), (6_510_000_000_000, "6.51 trillion"),
    ],
)  # fmt: skip
def test_an_amount_says_something_at_any_size(value: int, said: str) -> None:
    assert amount(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"), (Decimal(0), "0.00"), (Decimal("0.000225"), "under 0.01"),
        (Decimal("0.006"), "0.01"), (Decimal("26.134"), "26.13"), (Decimal(5_400), "5.4 thousand"),
    ],
)  # fmt: skip
def test_dollars_are_to_the_cent_if_they_are_few(value: Decimal | None, said: str) -> None:
    assert dollars(value) == said


def test_a_waterfall_goes_from_one_share_to_the_other() -> None:
    """Eight steps, gains first, and one for all others."""
    changes = [(f"m{i}", 0.1 - 0.03 * i) for i in range(10)]
    made = bars(changes, 0.2, 0.2 + sum(delta for _, delta in changes), "models")
    assert [b["label"] for b in made] == [
        "Earlier", *(f"m{i}" for i in range(8)), "2 other models", "Later"
    ]  # fmt: skip
    assert [b["kind"] for b in made[1:-1]] == ["gain"] * 4 + ["loss"] * 5
    for before, after in pairwise(made[:-1]):
        assert after["start"] == before["stop"]
    assert made[-2]["stop"] == pytest.approx(made[-1]["stop"])
    assert [b["position"] for b in made] == list(range(11))
    assert len(bars(changes[:8], 0.2, 0.2, "models")) == 10
