"""The gate's results for people and machines: `quality/index.html` and `quality/gate.json`."""

from collections.abc import Sequence
from pathlib import Path

from orchestration.files import to_json
from orchestration.gate.limits import limits
from orchestration.gate.run import Verdict
from orchestration.pages import environment


def write_quality(folder: Path, verdicts: Sequence[Verdict], name: str) -> None:
    """Write both files below `folder`/quality; `name` is the candidate or vintage."""
    target = folder / "quality"
    target.mkdir(exist_ok=True)
    document = {"verdicts": [v.entry() for v in verdicts], "thresholds": limits().document()}
    (target / "gate.json").write_bytes(to_json(document))
    page = environment().get_template("gate.html.j2").render(name=name, verdicts=verdicts)
    (target / "index.html").write_text(page, encoding="utf-8")
