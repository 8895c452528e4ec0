"""The interval of a change of lead, on series whose answer is known."""

from datetime import date, timedelta

import numpy as np
import pytest

from orchestration.metrics import crossover
from orchestration.metrics.crossover import change_interval, drawn_positions, last_changes

FIRST = date(2025, 1, 1)


def days(count: int) -> list[date]:
    return [FIRST + timedelta(days=i) for i in range(count)]


def noisy(count: int, crossing: int, noise: float, seed: int = 1) -> np.ndarray:
    """A straight line that changes its sign at `crossing`, with noise that lasts for days."""
    shocks = np.random.default_rng(seed).normal(0, noise, count)
    lasting = np.zeros(count)
    for i in range(1, count):
        lasting[i] = 0.7 * lasting[i - 1] + shocks[i]
    return (np.arange(count) - crossing + 0.5) / 100 + lasting


def test_last_change_is_where_the_last_sign_began() -> None:
    trends = np.array([[-1.0, 1, -1, 1, 1], [1, 1, 1, 1, -1], [1, 2, 3, 4, 5], [-1, -1, 0, -1, -1]])
    assert last_changes(trends).tolist() == [3, 4, -1, -1]


def test_without_noise_the_interval_is_the_day_itself() -> None:
    found = change_interval(days(400), noisy(400, 200, 0))
    assert found.trend_change == days(400)[200]
    assert (found.low, found.high) == (days(400)[200],) * 2


def test_the_interval_grows_with_the_noise() -> None:
    calm, wild = (change_interval(days(400), noisy(400, 200, noise)) for noise in (0.05, 0.3))
    assert calm.low <= calm.trend_change <= calm.high
    assert wild.low <= wild.trend_change <= wild.high
    assert wild.high - wild.low > calm.high - calm.low


def test_intervals_cover_the_true_day_about_as_often_as_they_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crossover, "REPLICATIONS", 199)
    covered = 0
    for seed in range(40):
        found = change_interval(days(400), noisy(400, 200, 0.15, seed))
        covered += found.low <= days(400)[200] <= found.high
    # 95 % of 40 are 38; two standard deviations less are 35.
    assert covered >= 35


def test_the_ends_are_the_25th_and_the_975th_of_999_replications(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """2.5 % of 999 are 24.975 and 97.5 % are 974.025: the next whole ones."""
    found = []

    def heard(trends: np.ndarray) -> np.ndarray:
        found.append(last_changes(trends))
        return found[-1]

    monkeypatch.setattr(crossover, "last_changes", heard)
    interval = change_interval(days(400), noisy(400, 200, 0.3))
    _, replications = found
    ordered = sorted(replications.tolist())
    assert len(ordered) == 999
    assert (interval.low, interval.high) == (days(400)[ordered[24]], days(400)[ordered[974]])
    found_days = [str(d) for d in (interval.trend_change, interval.low, interval.high)]
    assert found_days == ["2025-08-02", "2025-07-23", "2025-08-15"]


def test_the_same_series_gives_the_same_interval() -> None:
    series = noisy(400, 200, 0.3)
    first, drawn = change_interval(days(400), series), drawn_positions(400, 9)
    drawn_positions.cache_clear()
    assert change_interval(days(400), series) == first
    drawn_positions.cache_clear()
    assert np.array_equal(drawn_positions(400, 9), drawn)


@pytest.mark.parametrize(
    ("series", "said"),
    [
        (noisy(100, 50, 0.1), "fewer than 362 days"),
        (noisy(400, -100, 0.05), "never changes its sign"),
        (noisy(400, 390, 0.001), "at an end of the series"),
    ],
    ids=["short", "no change", "at the end"],
)
def test_why_there_is_no_interval_is_said(series: np.ndarray, said: str) -> None:
    found = change_interval(days(len(series)), series)
    assert (found.trend_change, found.low, found.high) == (None, None, None)
    assert said in found.method


def test_the_method_names_what_is_needed_to_repeat_it() -> None:
    method = change_interval(days(400), noisy(400, 200, 0.1)).method
    for word in ("arch", "999 replications", "blocks of", "seed", "95 %", "91-day", "181-day"):
        assert word in method


def test_the_method_says_how_sure_and_of_what() -> None:
    method = change_interval(days(400), noisy(400, 200, 0.1)).method
    assert "about 90 %" in method
    assert "about trend_change, not about last_change" in method
