"""Write the results of the gate: `gate/index.html` for people, `gate/results.json` for programs."""

from collections.abc import Sequence
from pathlib import Path

from orchestration.configuration.limits import limits
from orchestration.files import to_json
from orchestration.gate.run import RuleResult
from orchestration.pages import environment


def write_results(
    folder: Path, results: Sequence[RuleResult], name: str, withheld: Sequence[str]
) -> None:
    """Write both files to `folder`/gate. `name` is that of the candidate or vintage.

    `withheld` has a sentence for each source that is withheld, with the reason.
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
