"""`tokenshare site`: what is on it, what never is, and what it does to the folder."""

import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from playwright.sync_api import Browser
from typer.testing import CliRunner, Result

from orchestration import pipeline
from orchestration.cli import app
from orchestration.diff.usage import compare_vintages
from orchestration.errors import TokenshareError, VerificationError
from orchestration.files import sha256_file, to_json
from orchestration.landing.store import land
from orchestration.publication.manifest import read_latest, seal_manifest
from orchestration.publication.retention import own_vintages
from orchestration.publication.verify import verify
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.site.layout import lay_out, request_logs_of
from orchestration.site.pages import entry_id
from tests import builders
from tests.integration.test_explorer import data_of, served
from tests.integration.test_report import browser, pytestmark, violations

__all__ = ["browser"]
needs_chromium = pytestmark
del pytestmark  # most of these tests need no browser

ATOM = "{http://www.w3.org/2005/Atom}"
BASE = "https://shares.example.org/llm/"


def run(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["site", *arguments, "--data-dir", str(settings.data_dir)])


def failed(result: Result) -> tuple[int, str]:
    """The exit code and the message that `main` makes of the error."""
    assert isinstance(result.exception, TokenshareError)
    return result.exception.exit_code, str(result.exception)


def files(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): sha256_file(p) for p in folder.rglob("*") if p.is_file()
    }


def resealed(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a manifest and seal it again, as a version that does so would have written it."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest.pop("manifest_sha256")
    change(manifest)
    (folder / "manifest.json").write_bytes(seal_manifest(manifest))


@pytest.fixture(scope="module")
def laid_out(restated_base: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of two vintages, at an address. Read only."""
    folder = tmp_path_factory.mktemp("site") / "public"
    lay_out(folder, restated_base, BASE)
    return folder


def test_every_vintage_is_there_as_it_was_published(
    laid_out: Path, restated_base: Settings
) -> None:
    there_are = own_vintages(restated_base)
    assert len(there_are) == 2
    for folder in there_are:
        copy = laid_out / "vintages" / folder.name
        assert files(copy) == files(folder)
        assert verify(copy)["vintage_id"] == folder.name
    assert files(laid_out / "latest") == files(there_are[0])
    # The site is what `published/` is to a reader.
    found = read_latest(laid_out)
    assert found
    assert found[0] == laid_out / "vintages" / there_are[0].name
    assert {p.name for p in laid_out.iterdir()} == {
        "index.html", "index.json", "feed.xml", "llms.txt", "robots.txt", "sitemap.xml", "latest",
        "latest.json", "vintages",
    }  # fmt: skip
    assert [p.name for p in laid_out.parent.iterdir()] == ["public"]


def test_the_same_vintages_make_the_same_site(
    laid_out: Path, restated_base: Settings, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    again.mkdir()  # an empty folder is as good as none
    lay_out(again, restated_base, BASE)
    assert files(again) == files(laid_out)


def feed_of(folder: Path) -> ET.Element:
    return ET.fromstring((folder / "feed.xml").read_bytes())


def text(element: ET.Element, tag: str) -> str:
    (found,) = element.findall(f"{ATOM}{tag}")
    return found.text or ""


def test_the_feed_keeps_the_rules_of_atom(laid_out: Path, restated_base: Settings) -> None:
    """RFC 4287, 4.1.1 and 4.1.2: what a feed and an entry must have, once, and in which form."""
    feed = feed_of(laid_out)
    assert feed.tag == f"{ATOM}feed"
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) == 2
    for element in (feed, *entries):
        assert re.match("https://|urn:uuid:", text(element, "id"))
        assert text(element, "title")
        assert re.fullmatch(time, text(element, "updated"))
        assert "CC BY 4.0" in text(element, "rights")
    assert [p.find(f"{ATOM}name").text for p in feed.findall(f"{ATOM}author")] == ["tokenshare"]  # type: ignore[union-attr]
    ids = [text(element, "id") for element in (feed, *entries)]
    assert len(ids) == len(set(ids))
    links = {(link.get("rel"), link.get("href")) for link in feed.findall(f"{ATOM}link")}
    assert links == {("self", f"{BASE}feed.xml"), ("alternate", f"{BASE}index.html")}
    # The newest first, each with its time, its permanent page, and an id made from its manifest.
    for entry, folder in zip(entries, own_vintages(restated_base), strict=True):
        assert (
            f"{datetime.fromisoformat(text(entry, 'updated')):%Y%m%dT%H%M%SZ}" == folder.name[:16]
        )
        manifest = json.loads((folder / "manifest.json").read_bytes())
        assert text(entry, "id") == f"urn:uuid:{entry_id(manifest['manifest_sha256'])}"
        for link in entry.findall(f"{ATOM}link"):
            path = str(link.get("href")).removeprefix(BASE)
            assert path.startswith(f"vintages/{folder.name}/")
            assert (laid_out / path).is_file()
    assert text(feed, "updated") == text(entries[0], "updated")


def test_the_feed_says_what_changed(laid_out: Path, restated_base: Settings) -> None:
    """gpt-4o has 10 million tokens more on one day, and there is a day more."""
    after, before = own_vintages(restated_base)
    found = compare_vintages(before, after)
    assert (found.rows_changed, found.tokens_moved) == (1, 10_000_000)
    newest, oldest = (text(e, "summary") for e in feed_of(laid_out).findall(f"{ATOM}entry"))
    assert "Newest day: 2026-02-12." in newest
    assert f"Beside {before.name}: 1 new day(s); on the 42 common days 1 rows differ" in newest
    moved = {r["origin"]: 100 * r["share_moved"] for r in found.origins}
    assert f"the United States {moved['US']:+.4f} points" in newest
    assert "The oldest vintage on this site." in oldest
    index = json.loads((laid_out / "index.json").read_bytes())
    assert index["vintages"][0]["changes"][1] in newest
    assert index["vintages"][0]["changes"][1] in (laid_out / "index.html").read_text(
        encoding="utf-8"
    )


def test_links_are_relative_without_an_address_and_ids_stay(
    laid_out: Path, restated_base: Settings, tmp_path: Path
) -> None:
    made = run(restated_base, str(tmp_path / "public"))
    assert made.exit_code == 0, made.output
    assert "without --base-url" in made.output
    assert "no request log is in it" in made.output
    assert not (tmp_path / "public" / "sitemap.xml").exists()
    here, there = feed_of(tmp_path / "public"), feed_of(laid_out)
    assert text(here, "id").startswith("urn:uuid:")
    ids = [[text(e, "id") for e in feed.findall(f"{ATOM}entry")] for feed in (here, there)]
    assert ids[0] == ids[1]
    for link in here.iter(f"{ATOM}link"):
        assert (tmp_path / "public" / str(link.get("href"))).is_file()


def test_llms_txt_has_the_form_that_its_page_asks_for(laid_out: Path) -> None:
    lines = (laid_out / "llms.txt").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert lines[2].startswith("> ")
    assert [line for line in lines if line.startswith("#")][1:] == [
        "## Newest vintage", "## Tables (Parquet)", "## Optional",
    ]  # fmt: skip
    listed = [line for line in lines if line.startswith("- ")]
    assert len(listed) > 50
    for line in listed:
        link = re.fullmatch(r"- \[[^\]]+\]\(([^)]+)\): .+", line)
        assert link, line
        assert (laid_out / link[1].removeprefix(BASE)).is_file()
    assert "CC BY 4.0" in "\n".join(lines)


def test_the_sitemap_has_pages_that_are_there(laid_out: Path) -> None:
    pages = re.findall("<loc>(.*?)</loc>", (laid_out / "sitemap.xml").read_text(encoding="utf-8"))
    assert len(pages) == 5
    for page in pages[1:]:
        assert (laid_out / page.removeprefix(BASE)).is_file()
    robots = (laid_out / "robots.txt").read_text(encoding="utf-8")
    assert robots.endswith(f"Sitemap: {BASE}sitemap.xml\n")


@needs_chromium
@pytest.mark.parametrize("width", [390, 768, 1280, 1920])
def test_the_front_page_is_whole_and_leads_everywhere(
    laid_out: Path, browser: Browser, width: int
) -> None:
    with served(laid_out) as host:
        page = browser.new_page(viewport={"width": width, "height": 900})
        asked: list[str] = []
        page.on("request", lambda r: asked.append(r.url))
        page.goto(f"{host}/")
        cut = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert cut <= 0
        assert violations(page) == []
        assert {u for u in asked if "favicon" not in u} == {f"{host}/"}
        for link in page.locator("a").all():
            assert (laid_out / str(link.get_attribute("href"))).is_file()
        # From the front page to the explorer of the newest vintage, and its tables.
        page.get_by_role("link", name="The explorer").click()
        page.wait_for_selector("body[data-ready=yes]", timeout=20_000)
        with page.expect_download() as download:
            page.locator("#tables a").first.click()
        wanted = laid_out / "latest/tables" / download.value.suggested_filename
        assert download.value.path().read_bytes() == wanted.read_bytes()
        page.close()


@pytest.fixture
def with_logs(restated: Settings, tmp_path: Path) -> Settings:
    """Two public vintages, and a newer one for which a request log was landed."""
    log = builders.write(
        tmp_path, "requests.csv",
        b"request_id,started_at,model,prompt_tokens,completion_tokens\n"
        b"a,2026-02-03T10:00:00Z,openai/gpt-4o,100,10\n",
    )  # fmt: skip
    land(log, restated)
    pipeline.run(restated)
    return restated


def test_request_logs_are_never_there_by_accident(with_logs: Settings, tmp_path: Path) -> None:
    newest, *others = own_vintages(with_logs)
    assert len(others) == 2
    folder = tmp_path / "public"
    refused = run(with_logs, str(folder))
    code, said = failed(refused)
    assert code == 1
    assert f"{newest.name} holds request logs (usage_events)" in said
    assert not folder.exists()

    asked = run(with_logs, str(folder), "--with-request-logs")
    assert asked.exit_code == 0, asked.output
    assert "PRIVATE: 1 of them hold request logs" in " ".join(asked.output.split())
    assert (folder / "latest/report/own.html").exists()
    # The explorer beside the report has the public source only, the other one has both sources,
    # each with its own citation.
    (public,) = data_of(folder / "latest/report/explorer.html")["choices"]["source"]
    assert public[0] == "openrouter_rankings"
    assert "usage_events" not in (folder / "latest/report/explorer.html").read_text(
        encoding="utf-8"
    )
    page = folder / "latest/report/own-explorer.html"
    assert "your own request logs (usage_events)" in page.read_text(encoding="utf-8")
    data = data_of(page)
    assert [name for name, _ in data["choices"]["source"]] == [
        "openrouter_rankings", "usage_events",
    ]  # fmt: skip
    assert "OpenRouter" in data["credits"]["openrouter_rankings"][""]
    assert "OpenRouter" not in data["credits"]["usage_events"][""]
    held = {v["vintage_id"]: v["holds_request_logs"] for v in json.loads(
        (folder / "index.json").read_bytes())["vintages"]}  # fmt: skip
    assert held == {newest.name: True, **{path.name: False for path in others}}

    # What was laid out with logs is gone if it is laid out without them.
    pipeline.roll_back_to(others[0].name, "for the test", with_logs)
    public = run(with_logs, str(folder), "--json")
    assert public.exit_code == 0, public.output
    document = json.loads(public.stdout)
    assert document["with_request_logs"] == []
    assert [v["vintage_id"] for v in document["vintages"]] == [path.name for path in others]
    assert [v["vintage_id"] for v in document["left_out"]] == [newest.name]
    assert not [name for name in files(folder) if "own.html" in name]
    for manifest in folder.rglob("manifest.json"):
        assert request_logs_of(json.loads(manifest.read_bytes())) == []


def test_an_older_vintage_with_request_logs_is_left_out_by_name(
    with_logs: Settings, tmp_path: Path
) -> None:
    """Somebody removed the log again: the newest vintage is public, the one before it is not."""
    shutil.rmtree(with_logs.landing_dir / "usage_events")
    pipeline.run(with_logs)
    newest, private, *_ = own_vintages(with_logs)
    made = lay_out(tmp_path / "public", with_logs)
    assert made.shown[0].vintage_id == newest.name
    assert made.left_out == {private.name: "holds request logs (usage_events)"}
    assert not (tmp_path / "public/vintages" / private.name).exists()


def test_what_is_not_known_to_be_public_is_private(restated_base: Settings) -> None:
    manifest = json.loads((own_vintages(restated_base)[0] / "manifest.json").read_bytes())
    assert request_logs_of(manifest) == []
    unknown = {**manifest, "inputs": [*manifest["inputs"], {"source": "acme_warehouse"}]}
    assert request_logs_of(unknown) == ["acme_warehouse"]
    withheld = {**manifest, "withheld": [{"source": "otlp"}]}
    assert request_logs_of(withheld) == ["otlp"]
    page = {**manifest, "outputs": [*manifest["outputs"], {"path": "report/own.html"}]}
    assert request_logs_of(page) == ["own.html"]


def test_it_replaces_only_what_it_made(restated: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "public"
    lay_out(folder, restated)
    before = files(folder)
    for name, content in (("CNAME", b"example.org"), (".git", b"gitdir: elsewhere")):
        builders.write(folder, name, content)
        with pytest.raises(TokenshareError, match=re.escape(f"it has '{name}'")):
            lay_out(folder, restated)
        (folder / name).unlink()
        assert files(folder) == before
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    builders.write(stranger, "index.json", to_json({"kind": "something else"}))
    with pytest.raises(TokenshareError, match=r"its index\.json is not a site's"):
        lay_out(stranger, restated)
    file = builders.write(tmp_path, "file", b"1")
    with pytest.raises(TokenshareError, match="is a file"):
        lay_out(file, restated)
    # One vintage fewer: what was there before is gone.
    made = lay_out(folder, restated, most=1)
    assert len(made.shown) == 1
    assert [p.name for p in (folder / "vintages").iterdir()] == [own_vintages(restated)[0].name]
    assert {p.name for p in tmp_path.iterdir()} == {"public", "stranger", "file", "data"}


def test_it_writes_nothing_where_data_or_code_are(restated: Settings, tmp_path: Path) -> None:
    before = files(restated.data_dir)
    link = tmp_path / "link"
    link.symlink_to(restated.published_dir)
    for folder in (
        restated.published_dir, restated.vintages_dir, restated.published_dir / "site",
        restated.landing_dir / "site", link / "site", restated.data_dir, tmp_path,
        PROJECT_ROOT / "orchestration" / "site", PROJECT_ROOT,
    ):  # fmt: skip
        with pytest.raises(TokenshareError, match="choose a folder"):
            lay_out(folder, restated)
    assert files(restated.data_dir) == before


def test_what_is_damaged_or_withdrawn_is_left_out_and_named(
    restated: Settings, tmp_path: Path
) -> None:
    newest, oldest = own_vintages(restated)
    damaged = oldest / "tables/headline.parquet"
    damaged.write_bytes(damaged.read_bytes() + b"x")
    made = lay_out(tmp_path / "public", restated)
    assert [one.vintage_id for one in made.shown] == [newest.name]
    assert "headline.parquet: has" in made.left_out[oldest.name]
    assert str(oldest) in made.left_out[oldest.name]
    assert any(oldest.name in notice for notice in made.notices)
    # Its newest vintage must be right.
    good = files(tmp_path / "public")
    (newest / "report/index.html").write_bytes(b"")
    with pytest.raises(VerificationError, match="the latest vintage is damaged"):
        lay_out(tmp_path / "public", restated)
    assert files(tmp_path / "public") == good
    code, said = failed(run(restated, str(tmp_path / "public")))
    assert code == 6
    assert f"{newest}: 1 problem(s)" in said


def test_nothing_published_is_said(settings: Settings, tmp_path: Path) -> None:
    made = run(settings, str(tmp_path / "public"))
    assert failed(made)[0] == 1
    assert "nothing is published yet" in failed(made)[1]
    assert not (tmp_path / "public").exists()


@pytest.mark.parametrize(
    "address", ["ftp://x.example/", "https://u:p@x.example/", "https://x/?a=1"]
)
def test_a_wrong_address_is_refused(restated: Settings, tmp_path: Path, address: str) -> None:
    made = run(restated, str(tmp_path / "public"), "--base-url", address)
    assert made.exit_code == 2
    assert not (tmp_path / "public").exists()


def test_text_from_a_manifest_is_escaped(restated: Settings, tmp_path: Path) -> None:
    """A citation is text of the source, whoever sealed it."""
    bad = "<script>alert(1)</script> & ]]> \x01 end"

    def change(manifest: dict[str, Any]) -> None:
        manifest["citations"] = [bad]
        manifest["headline"] = [
            {"origin": "<b>X</b>", "share": 0.5, "share_high": 0.6, "registry_view": "then",
             "period_start": "2026-02-02"}
        ]  # fmt: skip

    newest = own_vintages(restated)[0]
    resealed(newest, change)
    found = json.loads((newest / "manifest.json").read_bytes())
    pointer = json.loads(restated.latest_path.read_bytes())
    pointer["manifest_sha256"] = found["manifest_sha256"]
    restated.latest_path.write_bytes(to_json(pointer))
    lay_out(tmp_path / "public", restated)
    page = (tmp_path / "public/index.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    assert "<b>X" not in page
    feed = feed_of(tmp_path / "public")
    assert text(feed, "rights") == "<script>alert(1)</script> & ]]> \\x01 end"
