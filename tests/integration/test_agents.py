"""`tokenshare mcp`, asked over its real stdin and stdout by the client of the SDK."""

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import duckdb
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult, TextContent

from orchestration import pipeline
from orchestration.publication.retention import own_vintages
from orchestration.settings import Settings
from tests.conftest import vintage_of

Asked = Callable[[ClientSession], Awaitable[None]]
PROGRAM = str(Path(sys.executable).with_name("tokenshare"))
# What nobody may quote a figure without.
ALWAYS = ("vintage", "manifest_sha256", "universe", "lens", "registry_view", "bounds", "citation")


def session(settings: Settings, ask: Asked) -> str:
    """Start the server as an agent does, and ask it. Returns what it wrote to stderr."""
    log = settings.data_dir.parent / "stderr"

    async def talk() -> None:
        server = StdioServerParameters(
            command=PROGRAM, args=["mcp", "--data-dir", str(settings.data_dir)],
            env={k: v for k, v in os.environ.items() if k != "TOKENSHARE_DATA_DIR"},
        )  # fmt: skip
        with log.open("w", encoding="utf-8") as stderr:
            async with (
                stdio_client(server, errlog=stderr) as (read, write),
                ClientSession(read, write) as client,
            ):
                await client.initialize()
                await ask(client)

    anyio.run(talk)
    return log.read_text(encoding="utf-8")


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


async def answer(client: ClientSession, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured answer, which must be there; a client without structure reads the same."""
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    assert not result.is_error, text_of(result)
    assert isinstance(result.structured_content, dict)
    assert json.loads(text_of(result)) == result.structured_content
    for name in ALWAYS:
        assert result.structured_content[name], (tool, name)
    assert "CC BY 4.0" in result.structured_content["citation"][0]
    return result.structured_content


async def refusal(client: ClientSession, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    assert result.is_error, result.structured_content
    return text_of(result)


def states(folder: Path) -> dict[Path, tuple[int, int]]:
    return {p: (p.stat().st_size, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


def test_every_tool_says_what_it_takes_and_that_it_only_reads(small: Settings) -> None:
    async def ask(client: ClientSession) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"shares", "claims", "explain", "definitions"}
        for tool in tools.values():
            assert tool.description
            assert tool.annotations
            assert tool.annotations.read_only_hint
            assert tool.output_schema
            assert set(ALWAYS) <= set(tool.output_schema["required"])
            for name, schema in tool.input_schema["properties"].items():
                assert "description" in schema or name == "limit", (tool.name, name)
        assert not (await client.list_resources()).resources

    assert session(small, ask) == ""


def test_shares_are_those_of_the_table_with_all_that_a_quote_needs(small: Settings) -> None:
    vintage, before = vintage_of(small), states(small.data_dir)
    table = vintage.path / "tables" / "share_by_origin_weekly.parquet"
    expected = duckdb.sql(
        "select period_start::varchar, origin, tokens, total_tokens, share, share_low, share_high "
        f"from '{table}' where lens = 'base_lineage' and is_complete and origin in ('CN', 'US') "
        "and period_start between '2026-01-12' and '2026-01-26' order by 1 desc, share desc"
    ).fetchall()
    assert len(expected) == 6

    async def ask(client: ClientSession) -> None:
        asked = {
            "by": "origin", "names": ["CN", "US"], "lens": "base_lineage",
            "start": "2026-01-12", "end": "2026-01-26",
        }  # fmt: skip
        found = await answer(client, "shares", **asked)
        assert [
            (r["period_start"], r["of"]["origin"], *(r[k] for k in (
                "tokens", "total_tokens", "share", "share_low", "share_high")))
            for r in found["rows"]
        ] == expected  # fmt: skip
        assert found["vintage"] == vintage.vintage_id
        assert found["manifest_sha256"] == vintage.manifest["manifest_sha256"]
        assert found["lens"].startswith("base_lineage. ")
        assert found["left_out"] == 0
        few = await answer(client, "shares", **asked, limit=2)
        assert few["rows"] == found["rows"][:2]
        assert few["left_out"] == 4
        for by, keys in {"lab": ["lab_id"], "license": ["license"], "price_band": ["price_band"],
                         "origin_license": ["origin", "license"]}.items():  # fmt: skip
            for grain in ("daily", "weekly", "monthly"):
                some = await answer(client, "shares", by=by, grain=grain, complete_only=False)
                assert some["table"] == f"share_by_{by}_{grain}"
                assert all(list(row["of"]) == keys for row in some["rows"])
                assert some["rows"]

    assert session(small, ask) == ""
    assert states(small.data_dir) == before


def test_claims_models_and_words_are_answered_from_the_vintage(small: Settings) -> None:
    async def ask(client: ClientSession) -> None:
        found = await answer(client, "claims", claim_id="cn_47_percent_june_2026")
        (claim,) = found["claims"]
        assert claim["verdict"] == "not_measurable"
        assert {"universe", "lens", "measured_low", "measured_high", "url"} <= set(claim)
        ours = await answer(client, "claims", asked_by="us", limit=3)
        assert len(ours["claims"]) == 3
        assert {c["asked_by"] for c in ours["claims"]} == {"us"}
        assert ours["left_out"] > 0
        none = await answer(client, "claims", verdict=["reproduced"], by="nobody at all")
        assert (none["claims"], none["left_out"]) == ([], 0)
        explained = await answer(client, "explain", slug="OpenAI/GPT-4o:free")
        assert explained["slug"] == "openai/gpt-4o"
        assert explained["explained"]["today"]["lab_id"] == "openai"
        assert explained["explained"]["registry"] == explained["vintage"]
        assert "lower bound" in explained["bounds"]
        listed = (await answer(client, "definitions"))["definitions"]
        kinds = {d["name"]: d["kind"] for d in listed}
        assert kinds["bounds"] == "topic"
        assert kinds["share_by_origin_weekly"] == "table"
        for name in ("bounds", "lens", "share_by_origin_weekly"):
            assert (await answer(client, "definitions", about=name))["definitions"][0]["meaning"]
        columns = await answer(client, "definitions", about="share_by_origin_weekly")
        assert "share_high" in [d["name"] for d in columns["definitions"]]

    assert session(small, ask) == ""


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("shares", {"by": "origin", "names": ["Cn"]}, "expected one of: CN, "),
        ("shares", {"by": "origin", "names": ["CN') or true --"]}, "is not a value of origin"),
        ("shares", {"by": "lab", "names": ["opnai"]}, "expected one of: openai, "),
        ("shares", {"by": "country"}, "Input should be 'origin', 'lab', 'license'"),
        ("shares", {"by": "origin", "lens": "serving_hq"}, "expected one of: author_hq, base_line"),
        ("shares", {"by": "origin", "source": "x\u001b[31m\n"}, r"'x\\x1b[31m\\n' is not a source"),
        ("shares", {"by": "origin", "limit": 501}, "less than or equal to 500"),
        ("shares", {"by": "origin", "start": "June"}, "start"),
        ("shares", {}, "by\n  Field required"),
        ("claims", {"claim_id": "x"}, "expected one of: all_tokens_2026_02_16, "),
        ("claims", {"verdict": ["true"]}, "'not_reproduced'"),
        ("explain", {"slug": "opnai/gpt-4o"}, "did you mean openai/gpt-4o"),
        ("definitions", {"about": "lense"}, "expected one of: lens, "),
        ("definitions", {"about": "../../etc/passwd"}, "is not a topic, a table or a column"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_answered_with_the_right_ones(
    tool: str, arguments: dict[str, Any], said: str, small_base: Settings
) -> None:
    async def ask(client: ClientSession) -> None:
        assert said in await refusal(client, tool, **arguments)

    assert "Traceback" not in session(small_base, ask)


def test_a_session_reads_what_is_the_newest_at_each_call(restated: Settings) -> None:
    newest, oldest = (path.name for path in own_vintages(restated))

    async def ask(client: ClientSession) -> None:
        last = {}
        for name in (newest, oldest, newest):
            if name != vintage_of(restated).vintage_id:
                pipeline.roll_back_to(name, "test", restated)
            found = await answer(client, "shares", by="origin", grain="daily", limit=1)
            assert found["vintage"] == name
            last[name] = found["rows"][0]["period_start"]
        assert last[oldest] < last[newest]
        table = restated.vintages_dir / newest / "tables" / "share_by_origin_daily.parquet"
        table.chmod(0o644)
        table.write_bytes(table.read_bytes()[:-1] + b"x")
        for tool, arguments in (("shares", {"by": "origin"}), ("definitions", {})):
            said = await refusal(client, tool, **arguments)
            assert "share_by_origin_daily.parquet: has sha256" in said
        restated.latest_path.unlink()
        assert "nothing is published yet" in await refusal(client, "claims")

    session(restated, ask)
