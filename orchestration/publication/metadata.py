"""Describe the tables of a vintage for tools that know nothing of tokenshare: `datapackage.json`
(Data Package 2.0) and `croissant.json` (Croissant 1.0 of MLCommons).

Both are derived from the published contracts and from the entries of the manifest, so that they
state nothing of their own. The same entries result in the same bytes.
"""

from collections.abc import Sequence
from typing import Any

from orchestration.contracts.odcs import Field, Table, tables
from orchestration.files import to_json
from orchestration.publication.manifest import DATA_INTERFACE_VERSION

DATA_PACKAGE_NAME = "datapackage.json"
CROISSANT_NAME = "croissant.json"

_TITLE = "tokenshare: audited shares of LLM tokens by origin, lab and price"
_DESCRIPTION = (
    "Whose AI models do people really use? Each table states its universe, lens and bounds in its "
    "columns; manifest.json has the sources, the gate's results and the sha256 of every file. Many "
    "tables hold two lenses: never add tokens of two lenses."
)
_KEYWORDS = ["large language models", "usage", "market share", "open weights", "prices"]
# The types of Table Schema and of Croissant, by the type of a contract
# without its digits.
_TYPES = {
    "varchar": ("string", "sc:Text"),
    "bigint": ("integer", "cr:Int64"),
    "integer": ("integer", "cr:Int32"),
    "decimal": ("number", "sc:Float"),
    "double": ("number", "cr:Float64"),
    "boolean": ("boolean", "sc:Boolean"),
    "date": ("date", "sc:Date"),
    "timestamp": ("datetime", "sc:DateTime"),
}
# What a sidecar says of a license, in the words of the Open Definition's list. What is not here
# has no license of that list.
_LICENSES = {
    "CC BY 4.0": {
        "name": "CC-BY-4.0",
        "title": "Creative Commons Attribution 4.0",
        "path": "https://creativecommons.org/licenses/by/4.0/",
    },
    "the owner's own data": {"name": "other-closed", "title": "The owner's own data"},
}
# The context that every Croissant file repeats, as the specification gives it.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def _types(field: Field) -> tuple[str, str]:
    return _TYPES[field.sql_type.partition("(")[0]]


def _described(entries: Sequence[dict[str, Any]]) -> list[tuple[Table, dict[str, Any]]]:
    """Each table of a vintage with the manifest's entry of its Parquet file."""
    by_path = {entry["path"]: entry for entry in entries}
    named = ((t, f"tables/{t.name}.parquet") for t in tables("published").values())
    return [(t, by_path[path]) for t, path in named if path in by_path]


def _newest(inputs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each source the manifest's entry of its newest dump, as `citations` chooses it."""
    order = sorted(inputs, key=lambda e: (e["as_of"], e["pulled_at"], e["sha256"]))
    newest = {entry["source"]: entry for entry in order}
    return [newest[source] for source in sorted(newest)]


def _licenses(inputs: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """The licenses of the sources, each once."""
    stated = dict.fromkeys(entry["license"] for entry in _newest(inputs))
    return [_LICENSES.get(text, {"name": "notspecified", "title": text}) for text in stated]


def _source(entry: dict[str, Any]) -> dict[str, str]:
    source = {"title": entry["source"], "version": entry["as_of"]}
    if str(entry.get("url") or "").startswith("https://"):
        source["path"] = entry["url"]
    return {**source, "license": entry["license"], "citation": entry["citation"]}


def _column(field: Field) -> dict[str, Any]:
    """A column as Table Schema describes it, with the constraints of the contract."""
    found = {
        "required": field.required or None,
        "minimum": field.minimum,
        "maximum": field.maximum,
        "pattern": field.pattern,
        "maxLength": field.max_length,
        "enum": list(field.enum) or None,
    }
    constraints = {name: value for name, value in found.items() if value is not None}
    described = {"name": field.name, "type": _types(field)[0], "description": field.description}
    return {**described, "constraints": constraints} if constraints else described


def _foreign_keys(table: Table) -> dict[str, Any]:
    """The references of the contract as Table Schema has them; nothing if there are none."""
    found = [
        {
            "fields": list(reference.columns),
            "reference": {"resource": reference.table, "fields": list(reference.to)},
        }
        for reference in table.references
    ]
    return {"foreignKeys": found} if found else {}


def data_package(
    vintage_id: str,
    created_at: str,
    inputs: Sequence[dict[str, Any]],
    outputs: Sequence[dict[str, Any]],
) -> bytes:
    """The bytes of `datapackage.json`. `inputs` and `outputs` are entries of the manifest."""
    described = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": "tokenshare",
        "id": vintage_id,
        "title": f"{_TITLE}, vintage {vintage_id}",
        "description": _DESCRIPTION,
        "version": DATA_INTERFACE_VERSION,
        "created": created_at,
        "keywords": _KEYWORDS,
        "licenses": _licenses(inputs),
        "sources": [_source(entry) for entry in _newest(inputs)],
        "resources": [
            {
                "name": table.name,
                "type": "table",
                "path": entry["path"],
                "format": "parquet",
                "mediatype": "application/vnd.apache.parquet",
                "hash": f"sha256:{entry['sha256']}",
                "description": table.description,
                "schema": {
                    "fields": [_column(field) for field in table.fields],
                    "primaryKey": list(table.key),
                    **_foreign_keys(table),
                },
            }
            for table, entry in _described(outputs)
        ],
    }
    # The standard wants at least one item in each list that is there.
    return to_json({name: value for name, value in described.items() if value != []})


def croissant(
    vintage_id: str,
    created_at: str,
    inputs: Sequence[dict[str, Any]],
    outputs: Sequence[dict[str, Any]],
    citations: Sequence[str],
    url: str,
) -> bytes:
    """The bytes of `croissant.json`. `inputs` and `outputs` are entries of the manifest; `url` is
    where the vintage is served, or "".

    A column is a field `table/column`, a file is `table.parquet`.
    """
    described = _described(outputs)
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "tokenshare",
        "description": f"{_DESCRIPTION} Vintage {vintage_id}.",
        "creator": {"@type": "sc:Organization", "name": "tokenshare"},
        "datePublished": created_at,
        "version": f"{DATA_INTERFACE_VERSION}+{vintage_id}",
        "url": url,
        "keywords": _KEYWORDS,
        "license": [entry.get("path", entry["title"]) for entry in _licenses(inputs)],
        "citeAs": "\n".join(citations),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": f"{table.name}.parquet",
                "name": f"{table.name}.parquet",
                "description": table.description,
                "contentUrl": entry["path"],
                "contentSize": f"{entry['bytes']} B",
                "encodingFormat": "application/x-parquet",
                "sha256": entry["sha256"],
            }
            for table, entry in described
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": table.name,
                "name": table.name,
                "description": table.description,
                "key": [{"@id": f"{table.name}/{name}"} for name in table.key],
                "field": [
                    {
                        "@type": "cr:Field",
                        "@id": f"{table.name}/{field.name}",
                        "name": field.name,
                        "description": field.description,
                        "dataType": _types(field)[1],
                        "source": {
                            "fileObject": {"@id": f"{table.name}.parquet"},
                            "extract": {"column": field.name},
                        },
                    }
                    for field in table.fields
                ],
            }
            for table, _ in described
        ],
    }
    return to_json({name: value for name, value in document.items() if value not in ([], "")})
