"""The gate's results for people and machines: `gate/index.html` and `gate/results.json`."""

from collections.abc import Sequence
from pathlib import Path

from orchestration.configuration.limits import limits
from orchestration.files import to_json
from orchestration.gate.run import RuleResult
from orchestration.pages import environment


def write_results(
    folder: Path, results: Sequence[RuleResult], name: str, withheld: Sequence[str]
) -> None:
    """Write both files below `folder`/gate; `name` is the candidate or vintage.

    `withheld` says which sources it does not have as they were landed, and why.
    """
    target = folder / "gate"
    target.mkdir(exist_ok=True)
    document = {
        "results": [r.entry() for r in results],
        "limits": limits().document(),
        "withheld": list(withheld),
    }
    (target / "results.json").write_bytes(to_json(document))
    page = (
        environment()
        .get_template("gate.html.j2")
        .render(name=name, results=results, withheld=withheld)
    )
    (target / "index.html").write_text(page, encoding="utf-8")
