"""`dbt-docs.html`: how each table is made, in one file that needs no network."""

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from orchestration.contracts.odcs import tables
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.transformation import docs
from orchestration.transformation.docs import DOCS_NAME, docs_page
from tests.conftest import vintage_of
from tests.integration.test_report import CHROMIUM, FLAGS

MAKE = """
import sys
from pathlib import Path
from orchestration.settings import Settings
from orchestration.transformation.docs import docs_page
Path(sys.argv[2]).write_bytes(docs_page(Settings(data_dir=Path(sys.argv[1]))))
"""


def test_another_process_in_another_folder_makes_the_same_bytes_and_none_is_of_this_machine(
    small_base: Settings, tmp_path: Path
) -> None:
    """Under another seed of Python's hashes, on which dbt's order of lists depends."""
    vintage = vintage_of(small_base)
    content = (vintage.path / DOCS_NAME).read_bytes()
    (entry,) = [e for e in vintage.manifest["outputs"] if e["path"] == DOCS_NAME]
    assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    for seed in ("1", "2"):
        page = tmp_path / f"{seed}.html"
        subprocess.run(
            [sys.executable, "-c", MAKE, tmp_path / f"{seed} folder", page],
            check=True, cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed, "DBT_ENV_CUSTOM_ENV_OWN": "made-up"},
        )  # fmt: skip
        assert page.read_bytes() == content, seed
    for own in (PROJECT_ROOT, tmp_path, small_base.data_dir, Path.home(), "made-up"):
        assert str(own).encode() not in content, own
    assert not re.search(rb'"(?:created_at|invocation_id|generated_at|user_id)":', content)
    assert not (small_base.dbt_target_dir / "docs").exists()


def test_a_change_of_a_contract_makes_another_page(
    small_base: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept in the process for the same code only."""
    page = docs_page(small_base)
    assert docs_page(small_base) is page
    monkeypatch.setattr(docs, "CONTRACTS_DIR", PROJECT_ROOT / "configuration")
    assert docs_page(small_base) is not page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"),
    reason="needs Chromium: `apt-get install chromium`, or `make test` as root",
)
def test_it_opens_offline_and_says_what_each_published_table_is(
    browser: Browser, small_base: Settings
) -> None:
    path = vintage_of(small_base).path / DOCS_NAME
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked: set[str] = set()
    errors: list[str] = []
    page.on("request", lambda request: asked.add(request.url.partition(":")[0]))
    page.on("pageerror", lambda error: errors.append(str(error)))
    made_by_dbt = {t.model: t for t in tables("published").values() if t.made_by_dbt}
    for model in ("claims", "share_by_origin", "usage_daily"):
        table = made_by_dbt[model]
        page.goto(f"{path.as_uri()}#!/model/model.tokenshare.{model}")
        page.get_by_role("heading", name=model).first.wait_for()
        text = page.locator("body").inner_text()
        assert "This model is not currently documented" not in text
        for one in (t for t in tables("published").values() if t.model == model):
            assert one.description.split(". ")[0].split("`")[0] in text
        lines = [line.split() for line in page.locator("tr").all_inner_texts() if "\t" in line]
        columns = [(name, kind) for name, kind, *_ in lines[1:]]
        assert columns[: len(table.fields)] == [(f.name, f.sql_type) for f in table.fields]
        source = next((PROJECT_ROOT / "dbt_project" / "models").rglob(f"{model}.sql"))
        assert "".join(source.read_text(encoding="utf-8").split())[:200] in "".join(text.split())
    # Its template asks for pictures beside the page, by names that it fills in afterward.
    assert asked <= {"file", "data"}
    assert errors == []
    context.close()
