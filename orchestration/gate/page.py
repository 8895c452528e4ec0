"""The gate's results for people and machines: `gate/index.html` and `gate/results.json`."""

from collections.abc import Sequence
from pathlib import Path

from orchestration.files import to_json
from orchestration.gate.limits import limits
from orchestration.gate.run import RuleResult
from orchestration.pages import environment


def write_results(folder: Path, results: Sequence[RuleResult], name: str) -> None:
    """Write both files below `folder`/gate; `name` is the candidate or vintage."""
    target = folder / "gate"
    target.mkdir(exist_ok=True)
    document = {"results": [v.entry() for v in results], "limits": limits().document()}
    (target / "results.json").write_bytes(to_json(document))
    page = environment().get_template("gate.html.j2").render(name=name, results=results)
    (target / "index.html").write_text(page, encoding="utf-8")
