"""The gate's results for people and machines: `quality/index.html` and `quality/gate.json`."""

from collections.abc import Sequence
from pathlib import Path

from orchestration.configuration.limits import limits
from orchestration.files import to_json
from orchestration.pages import environment
from orchestration.quality.gate import Verdict


def write_quality(folder: Path, verdicts: Sequence[Verdict], name: str) -> None:
    """Write both files below `folder`/quality; `name` is the candidate or vintage."""
    target = folder / "quality"
    target.mkdir(exist_ok=True)
    document = {"verdicts": [v.entry() for v in verdicts], "thresholds": limits().document()}
    (target / "gate.json").write_bytes(to_json(document))
    page = environment().get_template("quality.html.j2").render(name=name, verdicts=verdicts)
    (target / "index.html").write_text(page, encoding="utf-8")
