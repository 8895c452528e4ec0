"""OpenRouter's providers (`/api/v1/providers`): who serves models, and from which country."""

from collections.abc import Iterator
from typing import Any

from orchestration.contracts.odcs import tables
from orchestration.sources.base import Dump, ParsedDump, Source, as_object, parse_json

_FIELDS = [f.source_name for f in tables("raw")["openrouter_providers"].fields]


def _recognizes(dump: Dump) -> bool:
    return {"slug", "headquarters"} <= dump.first_entry.keys()


def _value(row: dict[str, Any], name: str) -> Any:
    """A field's value, or None if it is absent, null or empty. A list of codes becomes text."""
    value = row.get(name)
    if name == "datacenters" and isinstance(value, list) and all(isinstance(v, str) for v in value):
        value = ",".join(value)
    return None if value == "" else value


def _entries(dump: Dump) -> Iterator[tuple[dict[str, object], str]]:
    for entry in dump.json_data():
        known, _ = as_object(entry)
        # null means that it is unknown; if the field is missing, the format has changed.
        wrong = "" if "headquarters" in known else "an entry without `headquarters`"
        yield {f: _value(known, f) for f in _FIELDS}, wrong


def _parse(dump: Dump) -> ParsedDump:
    return parse_json("json/providers", _FIELDS, _entries(dump))


SOURCE = Source(
    name="openrouter_providers",
    kind="providers",
    license="facts",
    citation="Source: OpenRouter (openrouter.ai/providers), as of {as_of}.",
    url="https://openrouter.ai/api/v1/providers",
    layouts="JSON with `data`, a list of providers with `slug` and `headquarters`",
    recognizes=_recognizes,
    parse=_parse,
)
