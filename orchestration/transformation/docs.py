"""`dbt-docs.html`: dbt's own documentation of the project as one page, with the SQL of every model,
its tests and its lineage, to be opened without a network.

It is made from the code alone, in a database of its own: the same code results in the same bytes.
"""

import json
import shutil
from typing import Any

from orchestration.contracts.odcs import tables
from orchestration.errors import TransformError
from orchestration.files import fingerprint
from orchestration.settings import CONTRACTS_DIR, Settings
from orchestration.transformation.dbt import project_fingerprint, run_docs

DOCS_NAME = "dbt-docs.html"
# What dbt writes about the run that made the page, and about this machine.
_OF_A_RUN = ("created_at", "compiled_path", "build_path", "root_path")
_METADATA = (
    "adapter_type", "dbt_schema_version", "dbt_version", "project_name",
    "send_anonymous_usage_stats",
)  # fmt: skip
_UNORDERED = {"macros", "nodes", "refs", "sources"}
# The pages by what they are made from: making one takes seconds.
_pages: dict[str, bytes] = {}


def docs_page(settings: Settings) -> bytes:
    """The bytes of the page. Raises TransformError if dbt cannot make it."""
    made_from = project_fingerprint() + fingerprint((CONTRACTS_DIR,))
    if made_from not in _pages:
        folder = settings.dbt_target_dir / "docs"
        shutil.rmtree(folder, ignore_errors=True)
        run_docs(settings, folder)
        page = (folder / "static_index.html").read_text(encoding="utf-8")
        manifest, catalog = (
            (folder / name).read_text(encoding="utf-8")
            for name in ("manifest.json", "catalog.json")
        )
        shutil.rmtree(folder)
        if (page.count(manifest), page.count(catalog)) != (1, 1):
            raise TransformError("dbt's page does not contain manifest.json and catalog.json as is")
        cleaned = _cleaned(json.loads(manifest))
        described = _described(json.loads(catalog), cleaned)
        page = page.replace(manifest, _in_script(cleaned)).replace(catalog, _in_script(described))
        _pages[made_from] = page.encode()
    return _pages[made_from]


def _cleaned(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest without what differs from run to run and from machine to machine."""
    for described in (part for part in manifest.values() if isinstance(part, dict)):
        for node in (node for node in described.values() if isinstance(node, dict)):
            for key in _OF_A_RUN:
                node.pop(key, None)
            if node.get("resource_type") == "test":
                node["depends_on"]["macros"] = []  # a run adds those of its own to them
            # dbt lists what a node needs in an order that changes from process to process.
            for lists in (node, node.get("depends_on") or {}):
                for key in _UNORDERED & lists.keys():
                    lists[key] = sorted(lists[key], key=str)
    for name in ("parent_map", "child_map"):
        manifest[name] = {node: sorted(others) for node, others in manifest[name].items()}
    manifest["metadata"] = {key: manifest["metadata"][key] for key in _METADATA}
    return manifest


def _described(catalog: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """The catalogue, which dbt has left empty, with the columns of the published tables; their
    descriptions, which are in the contracts, are added to the manifest."""
    for table in tables("published").values():
        unique_id = f"model.{manifest['metadata']['project_name']}.{table.model}"
        if (node := manifest["nodes"].get(unique_id)) is None:
            continue  # another program makes it
        said = f"`{table.name}`: {table.description}" if table.grain else table.description
        node["description"] = "\n\n".join(filter(None, [node["description"], said]))
        columns = {}
        for number, field in enumerate(table.fields, start=1):
            stated = {"description": field.description, "meta": {}, "tags": [], "constraints": []}
            node["columns"].setdefault(field.name, {"name": field.name, **stated})
            columns[field.name] = {
                "name": field.name, "type": field.sql_type, "index": number, "comment": None
            }  # fmt: skip
        catalog["nodes"][unique_id] = {
            "unique_id": unique_id,
            "metadata": {
                **{key: node[key] for key in ("database", "schema", "name")},
                "type": "BASE TABLE", "owner": None, "comment": None,
            },
            "columns": columns,
            "stats": {},
        }  # fmt: skip
    return {**catalog, "metadata": {}}


def _in_script(document: dict[str, Any]) -> str:
    """The document as JSON, of which no text ends the script around it."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.replace("</", "<\\/")
