"""Apache Superset, as it comes from PyPI, over a published vintage: in its DuckDB file and in a
PostgreSQL that `tokenshare serve-to` loaded.

A person connects a database, picks a view, reads what its columns mean, and makes a chart. The
tests do the same through the REST API that Superset's own pages use, and compare each chart with
the SQL of docs/bi.md. `PICTURES=docs/images make test-bi` keeps the picture of the chart.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
import httpx
import pytest
from playwright.sync_api import Page, Route, sync_playwright

from orchestration.contracts.odcs import tables
from orchestration.postgres import serve
from orchestration.publication.views import views
from orchestration.publication.vintage import Vintage
from orchestration.settings import Settings
from orchestration.terminal import settings_of
from tests.bi_questions import CHARTS, Chart, cells, questions
from tests.integration.test_postgres_instance import free_port, running, wait_for
from tests.integration.test_report import CHROMIUM, FLAGS
from tests.postgres import postgres_server

pytestmark = pytest.mark.bi

Shipped = tuple[Settings, Vintage]
BIN = Path(sys.prefix) / "superset" / "bin"
USER, PASSWORD = "reader", secrets.token_urlsafe(24)
PLACES = ("duckdb", "postgresql")
CONFIG = """
import os
SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = os.environ["SUPERSET_DATABASE"]
TALISMAN_ENABLED = False  # it asks browsers for https, and this server is on the loopback
"""


class Superset:
    """A running Superset, and its REST API with the session of a person who is logged in."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=120)
        login = {"username": USER, "password": PASSWORD, "provider": "db", "refresh": False}
        token = self.call("POST", "security/login", login)["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"
        self.client.headers["X-CSRFToken"] = self.call("GET", "security/csrf_token/")["result"]
        self.client.headers["Referer"] = url

    def call(self, method: str, path: str, content: Any = None, **query: Any) -> Any:
        """What the API answers; it must not be an error."""
        asked = {"q": json.dumps(query)} if query else None
        answer = self.client.request(method, f"/api/v1/{path}", json=content, params=asked)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text[:2000]}"
        return answer.json()

    def dataset(self, database: int, schema: str, table: str) -> int:
        """The id of the dataset of a view, which is made if it is not there."""
        found = self.call("POST", "dataset/get_or_create/", {
            "database_id": database, "schema": schema, "table_name": table})  # fmt: skip
        return int(found["result"]["table_id"])

    def rows(self, dataset: int, chart: Chart) -> list[tuple[Any, ...]]:
        """The rows of a chart."""
        query = {
            "columns": list(chart.columns),
            "metrics": [metric(name) for name in chart.sums],
            "filters": [{"col": c, "op": op, "val": v} for c, op, v in chart.filters],
            "row_limit": 10_000,
        }
        answer = self.call("POST", "chart/data", {
            "datasource": {"id": dataset, "type": "table"}, "queries": [query],
            "result_format": "json", "result_type": "full", "force": True})  # fmt: skip
        (result,) = answer["result"]
        assert not result["error"]
        return [tuple(shown(name, row[name]) for name in (*chart.columns, *chart.sums))
                for row in result["data"]]  # fmt: skip


def shown(name: str, value: Any) -> Any:
    """A date comes as milliseconds since 1970, as its charts take it."""
    if name == "period_start" and not isinstance(value, str):
        return datetime.fromtimestamp(value / 1000, UTC)
    return value


def metric(name: str) -> dict[str, Any]:
    """The sum of a column, or of an expression, under its own name."""
    if " " in name:
        return {"expressionType": "SQL", "sqlExpression": f"sum({name})", "label": name}
    return {"expressionType": "SIMPLE", "column": {"column_name": name}, "aggregate": "SUM",
            "label": name}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("superset")


@pytest.fixture(scope="module")
def postgres() -> Iterator[Callable[[str], str]]:
    """The address of a database of a PostgreSQL, by its name: one for the marts, and one in which
    Superset keeps what people make. (In SQLite, no two of its datasets may have one name.)"""
    with postgres_server() as (server, host):
        server.psql("create database superset")
        yield lambda name: f"postgresql://postgres@/{name}?host={quote(host)}"


@pytest.fixture(scope="module")
def superset(home: Path, postgres: Callable[[str], str]) -> Iterator[Superset]:
    """The real server, and one user."""
    assert BIN.is_dir(), f"{BIN} is missing; `make test-bi` installs it"
    (home / "superset_config.py").write_text(CONFIG, encoding="utf-8")
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("TOKENSHARE_")},
        "SUPERSET_HOME": str(home),
        "SUPERSET_DATABASE": postgres("superset"),
        "SUPERSET_CONFIG_PATH": str(home / "superset_config.py"),
        "SUPERSET_SECRET_KEY": secrets.token_urlsafe(42),
        "FLASK_APP": "superset.app:create_app()",
        "SCARF_ANALYTICS": "false",
        "PYTHONUTF8": "1",
    }
    person = ["--username", USER, "--firstname", "A", "--lastname", "Reader", "--email", "a@b.c"]
    for step in (
        ["db", "upgrade"],
        ["fab", "create-admin", *person, "--password", PASSWORD],
        ["init"],
    ):
        done = subprocess.run(
            [BIN / "superset", *step],
            env=environment, capture_output=True, encoding="utf-8", check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"superset {step[0]}: {done.stderr[-4000:]}"
    port = free_port()
    command = [
        str(BIN / "gunicorn"), "--bind", f"127.0.0.1:{port}", "--threads", "4", "--timeout", "120",
        "superset.app:create_app()",
    ]  # fmt: skip

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health").is_success
        except httpx.TransportError:
            return False

    with running(command, environment, home / "gunicorn.log"):
        wait_for(answers, "an answer of Superset")
        yield Superset(f"http://127.0.0.1:{port}")


@pytest.fixture(scope="module")
def databases(
    superset: Superset, postgres: Callable[[str], str], shipped: Shipped
) -> dict[str, tuple[int, str]]:
    """Id and schema of the same vintage in Superset, by where it is."""
    settings, vintage = shipped
    marts = postgres("postgres")
    serve(vintage.path, settings_of(settings.data_dir, serve_to=marts))
    # What a person writes under Advanced, Other, Engine parameters.
    read_only = {"engine_params": {"connect_args": {"read_only": True}}}
    wanted = {
        "duckdb": (f"duckdb:///{vintage.path / 'tokenshare.duckdb'}", "tokenshare.main", read_only),
        "postgresql": (marts, "tokenshare", {}),
    }
    found = {}
    for place, (address, schema, extra) in wanted.items():
        made = superset.call("POST", "database/", {
            "database_name": f"tokenshare in {place}", "sqlalchemy_uri": address,
            "expose_in_sqllab": True, "extra": json.dumps(extra)})  # fmt: skip
        found[place] = (made["id"], schema)
    return found


@pytest.fixture(scope="module")
def expected(shipped: Shipped) -> list[list[tuple[Any, ...]]]:
    path = shipped[1].path / "tokenshare.duckdb"
    with duckdb.connect(str(path), read_only=True) as database:
        return [database.execute(sql).fetchall() for sql in questions()]


@pytest.mark.parametrize("place", PLACES)
def test_superset_lists_the_tables_and_the_views(
    place: str, superset: Superset, databases: dict[str, tuple[int, str]]
) -> None:
    database, schema = databases[place]
    assert schema in superset.call("GET", f"database/{database}/schemas/")["result"]
    found = superset.call("GET", f"database/{database}/tables/", schema_name=schema)["result"]
    listed = [entry["value"] for entry in found]
    assert {*tables("published"), *(view.name for view in views())} <= set(listed)


@pytest.mark.parametrize("place", PLACES)
def test_every_column_of_a_view_is_described(
    place: str, superset: Superset, databases: dict[str, tuple[int, str]], shipped: Shipped
) -> None:
    with duckdb.connect(str(shipped[1].path / "tokenshare.duckdb"), read_only=True) as database:
        comments = database.execute(
            "select table_name, column_name, comment from duckdb_columns() "
            "where table_name like 'bi\\_%' escape '\\'"
        ).fetchall()
    for view in views():
        dataset = superset.dataset(*databases[place], view.name)
        shown = superset.call("GET", f"dataset/{dataset}")["result"]
        assert {c["column_name"]: c["description"] for c in shown["columns"]} == {
            column: comment for table, column, comment in comments if table == view.name
        }
        temporal = {c["column_name"] for c in shown["columns"] if c["is_dttm"]}
        assert ({"period_start"} <= temporal) == view.name.startswith("bi_share")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("number", range(len(CHARTS)))
def test_a_chart_shows_what_the_question_asks(
    number: int, place: str, superset: Superset, databases: dict[str, tuple[int, str]],
    expected: list[list[tuple[Any, ...]]],
) -> None:  # fmt: skip
    chart = CHARTS[number]
    dataset = superset.dataset(*databases[place], chart.table)
    assert cells(superset.rows(dataset, chart)) == cells(expected[number]) != []


def only_here(route: Route) -> None:
    """Superset's pages may ask for nothing outside of this machine."""
    if route.request.url.startswith(("http://127.0.0.1:", "data:", "blob:")):
        route.continue_()
    else:
        route.abort()


@pytest.fixture
def page(superset: Superset) -> Iterator[Page]:
    """A real browser in which the person is logged in."""
    assert CHROMIUM, "see `make browser`"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 760})
        page.route("**/*", only_here)
        page.goto(f"{superset.url}/login/")
        page.fill("input#username", USER)
        page.fill("input#password", PASSWORD)
        page.press("input#password", "Enter")
        page.wait_for_url("**/superset/welcome/", timeout=60_000)
        yield page
        browser.close()


def test_a_chart_is_drawn_in_a_real_browser(
    superset: Superset, databases: dict[str, tuple[int, str]], page: Page, tmp_path: Path
) -> None:
    dataset = superset.dataset(*databases["duckdb"], "bi_share_by_origin_weekly")
    form = {
        "datasource": f"{dataset}__table",
        "viz_type": "echarts_timeseries_line",
        "x_axis": "period_start",
        "metrics": [metric("share")],
        "groupby": ["origin_name"],
        "limit": 6,
        "timeseries_limit_metric": metric("tokens"),
        "order_desc": True,
        "row_limit": 10_000,
        "y_axis_format": ".0%",
        "x_axis_title": "Source: OpenRouter (openrouter.ai/rankings), as of 2026-10-11, CC BY 4.0",
        "x_axis_title_margin": 30,
        "show_legend": True,
        "adhoc_filters": [
            {"expressionType": "SIMPLE", "clause": "WHERE", "subject": "is_complete",
             "operator": "IS TRUE", "operatorId": "IS_TRUE"},
        ],
    }  # fmt: skip
    chart = superset.call("POST", "chart/", {
        "slice_name": "Weekly share of tokens",
        "viz_type": form["viz_type"], "datasource_id": dataset, "datasource_type": "table",
        "params": json.dumps(form)})  # fmt: skip
    page.goto(f"{superset.url}/explore/?slice_id={chart['id']}")
    page.wait_for_selector("[data-test=slice-container] canvas", timeout=120_000)
    page.wait_for_timeout(3000)  # its lines grow
    assert not page.locator("[role=alert]:visible").all_inner_texts()
    picture = Path(os.environ.get("PICTURES") or tmp_path) / "superset.png"
    page.screenshot(path=picture)
    assert picture.stat().st_size < 300_000
