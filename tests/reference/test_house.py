"""The reference shares no code with what it checks."""

import ast
from pathlib import Path


def test_it_imports_nothing_of_the_project() -> None:
    """Only the standard library, pandas and itself: no models, no `orchestration`, no builders."""
    for module in Path(__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module if not node.level else "a relative import"]
            else:
                continue
            for name in names:
                assert not name.startswith(("orchestration", "dbt", "duckdb")), (
                    f"{module.name}: {name}"
                )
                assert not name.startswith("tests.") or name.startswith("tests.reference"), (
                    module.name
                )
