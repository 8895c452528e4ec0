"""A few of the mutated request logs of `make fuzz-logs`."""

from pathlib import Path

from tests.fuzz_logs import fuzz


def test_mutated_logs_are_landed_or_refused_and_leak_nothing(tmp_path: Path) -> None:
    counted, wrong = fuzz(range(200), tmp_path)
    assert not wrong
    landed = sum(n for what, n in counted.items() if what.endswith("landed"))
    assert 20 < landed < 180, counted
