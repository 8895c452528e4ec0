"""Read the ODCS files of `data_contracts/` and turn them into typed tables.

pyarrow schemas are made here; quarantine checks in `sources/`, the strict comparison at the
export in `publication/candidate.py`, the expectation suite in `gate/` and what Dagster shows of
columns in `assets/` start from these tables.
What does not belong here: rules across tables or days (see `gate/`).
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import yaml
from open_data_contract_standard.model import OpenDataContractStandard, SchemaProperty

from orchestration.errors import TokenshareError
from orchestration.settings import CONTRACTS_DIR

Stage = Literal["raw", "published"]

_ARROW_TYPES = {
    "varchar": pa.string(),
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
}


# Shared columns of the contracts in the same folder.
COLUMNS_FILE = "columns.yml"
# Published names that SQL would take for its own words.
_RESERVED = frozenset({"window"})


@dataclass(frozen=True)
class Field:
    """One column of a boundary. `source_name` is its name in the dump, `name` in our tables."""

    name: str
    source_name: str
    sql_type: str
    logical_type: str
    description: str
    required: bool
    primary_key: bool
    minimum: Any
    maximum: Any
    pattern: str | None
    max_length: int | None
    enum: tuple[str, ...]

    @property
    def sql_name(self) -> str:
        """The name as SQL takes it: a few published names are words of SQL."""
        return f'"{self.name}"' if self.name in _RESERVED else self.name

    @property
    def arrow_type(self) -> pa.DataType:
        """The pyarrow type of `sql_type`.

        Raises KeyError for a type that no boundary may use.
        """
        decimal = re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", self.sql_type)
        if decimal:
            return pa.decimal128(int(decimal[1]), int(decimal[2]))
        return _ARROW_TYPES[self.sql_type]


@dataclass(frozen=True)
class Table:
    """One schema object of a contract."""

    name: str
    description: str
    contract_id: str
    contract_version: str
    fields: tuple[Field, ...]
    properties: dict[str, Any]
    max_rows_per_group: tuple[str, int] | None

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the primary key columns, in order."""
        return tuple(f.name for f in self.fields if f.primary_key)

    @property
    def needed_fields(self) -> frozenset[str]:
        """Names in the dump of the fields that a row cannot do without; the others may be NULL.

        Besides the required ones and the key these are the fields that the contract says every
        entry of some kind states (`statedFields`): they are NULL for other kinds only.
        """
        stated = self.properties.get("statedFields", {})
        return frozenset(
            [f.source_name for f in self.fields if f.required or f.primary_key]
            + [name for names in stated.values() for name in names]
        )

    @property
    def made_by_dbt(self) -> bool:
        """False for tables whose contract names another maker, such as a library's statistics."""
        return "madeBy" not in self.properties

    @property
    def grain(self) -> str | None:
        """`daily`, `weekly` or `monthly` for one of the tables of a family, else None."""
        return self.properties.get("grain")

    @property
    def model(self) -> str:
        """The dbt model that holds the rows: of a family one model has those of every grain."""
        return self.name.removesuffix(f"_{self.grain}")

    def arrow_schema(self) -> pa.Schema:
        """pyarrow schema with types and nullability of the contract."""
        return pa.schema(
            [pa.field(f.name, f.arrow_type, nullable=not f.required) for f in self.fields]
        )


@cache
def shared_columns(folder: Path) -> dict[str, SchemaProperty]:
    """The columns that several contracts of a folder share, by name; none if it has no such file.

    Raises pydantic.ValidationError for an entry that ODCS does not know.
    """
    path = folder / COLUMNS_FILE
    if not path.exists():
        return {}
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: SchemaProperty(name=name, **entry) for name, entry in entries.items()}


def _completed(own: SchemaProperty, shared: dict[str, SchemaProperty]) -> SchemaProperty:
    """A property with what it does not say itself from the shared column of its name."""
    if own.name not in shared:
        return own
    said = {key: getattr(own, key) for key in own.model_fields_set}
    return shared[own.name].model_copy(update=said)


def _field(prop: SchemaProperty, path: Path, table: str) -> Field:
    options = prop.logicalTypeOptions or {}
    if prop.name is None or prop.physicalType is None or prop.logicalType is None:
        raise TokenshareError(
            f"{path}: table {table}, column {prop.name!r}: found no type, expected one here or in "
            f"{COLUMNS_FILE} beside it; is the name misspelled?"
        )
    return Field(
        name=prop.physicalName or prop.name,
        source_name=prop.name,
        sql_type=prop.physicalType,
        logical_type=prop.logicalType,
        description=prop.description or "",
        required=bool(prop.required),
        primary_key=bool(prop.primaryKey),
        minimum=options.get("minimum"),
        maximum=options.get("maximum"),
        pattern=options.get("pattern"),
        max_length=options.get("maxLength"),
        enum=tuple(str(e.value) for e in prop.enum or ()),
    )


def read_contract(path: Path) -> list[Table]:
    """All tables of one ODCS file, in file order, with the columns that its folder shares.

    Raises TokenshareError that names file, table and column if a column has no type.
    """
    shared = shared_columns(path.parent)
    contract = OpenDataContractStandard.from_file(str(path))
    tables = []
    for schema in contract.schema_ or ():
        limits = [
            (q.implementation["groupBy"], int(q.implementation["maxRows"]))
            for q in schema.quality or ()
            if isinstance(q.implementation, dict) and "maxRows" in q.implementation
        ]
        tables.append(
            Table(
                name=str(schema.name),
                description=(schema.description or "").strip(),
                contract_id=str(contract.id),
                contract_version=str(contract.version),
                fields=tuple(
                    _field(_completed(p, shared), path, str(schema.name))
                    for p in schema.properties or ()
                ),
                properties={
                    p.property: p.value
                    for owner in (contract, schema)
                    for p in owner.customProperties or ()
                    if p.property
                },
                max_rows_per_group=limits[0] if limits else None,
            )
        )
    return tables


@cache
def tables(stage: Stage) -> dict[str, Table]:
    """Every table of one stage by name, sorted by name."""
    found = [
        t for p in sorted((CONTRACTS_DIR / stage).glob("*.odcs.yaml")) for t in read_contract(p)
    ]
    return {t.name: t for t in sorted(found, key=lambda t: t.name)}


def published_by_model() -> dict[str, list[Table]]:
    """The published tables of each model, by its name: one, or one per grain."""
    found: dict[str, list[Table]] = {}
    for table in tables("published").values():
        found.setdefault(table.model, []).append(table)
    return found


def contract_versions() -> dict[str, str]:
    """Version of every contract by its id, for the manifest."""
    return {
        t.contract_id: t.contract_version
        for stage in ("raw", "published")
        for t in tables(stage).values()
    }
