"""The files of a site around its vintages: front page, feed, and what machines look for."""

import re
from collections.abc import Sequence
from uuid import NAMESPACE_OID, UUID, uuid5
from xml.etree import ElementTree as ET

from orchestration.contracts.odcs import tables
from orchestration.pages import environment
from orchestration.publication.candidate import DATABASE_NAME
from orchestration.report.explorer.page import PAGE_NAME as EXPLORER
from orchestration.site.shown import Shown

_ATOM = "http://www.w3.org/2005/Atom"
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_TITLE = "Who gets used? Tokens by origin, lab and price"
# Without an address, a feed has no name of its own: all such feeds share this one.
_ANY_FEED = uuid5(NAMESPACE_OID, "tokenshare site")


def front_page(shown: Sequence[Shown]) -> bytes:
    """`index.html`: the newest vintage and all others."""
    page = environment().get_template("site.html.j2").render(shown=shown, newest=shown[0])
    return (page + "\n").encode()


def entry_id(manifest_sha256: str) -> UUID:
    """The id of a vintage in every feed. It stays if the site moves, as Atom asks."""
    return uuid5(NAMESPACE_OID, manifest_sha256)


def _xml(root: ET.Element, namespace: str) -> bytes:
    ET.register_namespace("", namespace)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def feed(shown: Sequence[Shown], base_url: str, author: str) -> bytes:
    """`feed.xml`: an entry for each vintage, newest first, in the format Atom (RFC 4287)."""

    def add(parent: ET.Element, tag: str, text: str | None = None, **given: str) -> ET.Element:
        made = ET.SubElement(parent, f"{{{_ATOM}}}{tag}", given)
        made.text = text
        return made

    root = ET.Element(f"{{{_ATOM}}}feed")
    add(root, "id", f"{base_url}feed.xml" if base_url else f"urn:uuid:{_ANY_FEED}")
    add(root, "title", _TITLE)
    add(root, "subtitle", "Every published vintage, and what changed in it.")
    add(root, "updated", shown[0].made_at)
    add(add(root, "author"), "name", author or "tokenshare")
    add(root, "generator", "tokenshare")
    add(root, "rights", " ".join(shown[0].citations))
    add(root, "link", rel="self", type="application/atom+xml", href=f"{base_url}feed.xml")
    add(root, "link", rel="alternate", type="text/html", href=f"{base_url}index.html")
    for one in shown:
        entry, here = add(root, "entry"), f"{base_url}{one.folder}"
        add(entry, "id", f"urn:uuid:{entry_id(str(one.manifest['manifest_sha256']))}")
        add(entry, "title", f"Data to {one.newest_day}, vintage {one.vintage_id}")
        add(entry, "updated", one.made_at)
        add(entry, "published", one.made_at)
        add(entry, "link", rel="alternate", type="text/html", href=f"{here}report/index.html")
        if one.has_explorer:
            add(entry, "link", rel="related", type="text/html", href=f"{here}report/{EXPLORER}")
        add(entry, "summary", "\n".join([one.leads, *one.changes]).strip(), type="text")
        add(entry, "rights", " ".join(one.citations))
    return _xml(root, _ATOM)


def sitemap(shown: Sequence[Shown], base_url: str) -> bytes:
    """`sitemap.xml`, which may only have absolute addresses."""
    root = ET.Element(f"{{{_SITEMAP}}}urlset")
    pages = [("", shown[0].made_at), ("latest/report/index.html", shown[0].made_at)]
    if shown[0].has_explorer:
        pages.append((f"latest/report/{EXPLORER}", shown[0].made_at))
    pages += [(f"{one.folder}report/index.html", one.made_at) for one in shown]
    for path, changed in pages:
        url = ET.SubElement(root, f"{{{_SITEMAP}}}url")
        ET.SubElement(url, f"{{{_SITEMAP}}}loc").text = f"{base_url}{path}"
        ET.SubElement(url, f"{{{_SITEMAP}}}lastmod").text = changed
    return _xml(root, _SITEMAP)


def robots(base_url: str) -> bytes:
    """`robots.txt`: everything may be read."""
    return f"User-agent: *\nAllow: /\nSitemap: {base_url}sitemap.xml\n".encode()


def llms_text(newest: Shown, base_url: str) -> bytes:
    """`llms.txt`, as llmstxt.org describes it: what is here, for a language model that reads it."""
    here = f"{base_url}latest/"
    paths = {entry["path"] for entry in newest.manifest["outputs"]}
    known = [
        (f"tables/{name}.parquet", name, re.sub(r"\s+", " ", table.description))
        for name, table in tables("published").items()
    ]
    pages = [
        ("report/index.html", "Report", "who leads, with bounds, and verdicts on press claims"),
        (f"report/{EXPLORER}", "Explorer", "choose what is shown; chart, table, CSV"),
        (DATABASE_NAME, "Database", "every table with comments, for DuckDB 1.0 and later"),
        ("datapackage.json", "Data Package", "every table and column with its type and key"),
        ("croissant.json", "Croissant", "the same for machine learning tools"),
    ]  # fmt: skip

    def listed(items: Sequence[tuple[str, str, str]]) -> str:
        return "\n".join(f"- [{n}]({here}{p}): {d}" for p, n, d in items if p in paths)

    about = (
        "Audited shares of LLM tokens by origin, lab, license, price band and model, made every "
        f"night from public usage data, with sharp bounds. {newest.leads}"
    )
    quoting = (
        "How to quote: a share with its bounds (share_low, share_high), period, universe (all "
        "tokens of the source; one gateway, not the market), lens, reading of the registry (as "
        "known then or as known now) and vintage. Never add rows of two lenses or two sources."
    )
    parts = [
        "# tokenshare: who gets used?",
        f"> {about.strip()}",
        f"Newest day: {newest.newest_day}. Vintage: {newest.vintage_id}. A vintage never changes; "
        "its manifest has the sha256 of every file.",
        quoting,
        f"Citation: {' '.join(newest.citations)}",
        "## Newest vintage",
        f"{listed(pages)}\n- [Manifest]({here}manifest.json): inputs, hashes, results of the gate, "
        "headline figures",
        "## Tables (Parquet)",
        listed(known),
        "## Optional",
        f"- [All vintages]({base_url}index.json): permanent paths, and what changed in each\n"
        f"- [Feed]({base_url}feed.xml): the same as Atom",
    ]
    return ("\n\n".join(parts) + "\n").encode()
