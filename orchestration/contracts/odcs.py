"""Read the ODCS files of `data_contracts/` and turn them into typed tables.

pyarrow schemas are made here. The quarantine checks in `sources/`, the strict comparison of columns
in `publication/candidate.py`, the contract rules in `gate/`, and the column descriptions that
`assets/` shows in Dagster are all derived from these tables.
Rules across tables or days do not belong here (see `gate/`).
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import yaml
from open_data_contract_standard.model import (
    OpenDataContractStandard,
    SchemaObject,
    SchemaProperty,
)

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
    "timestamp": pa.timestamp("us"),
}


# The file with the columns that the contracts of a folder share.
COLUMNS_FILE = "columns.yml"
# Published names that are reserved words of SQL.
_RESERVED = frozenset({"window"})


@dataclass(frozen=True)
class Field:
    """One column of a boundary. `source_name` is its name in the dump, `name` in our tables.

    `part_of` is the name, in the dump, of the field that this one is a part of, so that it cannot
    be larger (`partOf` of the contract), or None.
    """

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
    part_of: str | None = None

    @property
    def sql_name(self) -> str:
        """The name for use in SQL; a reserved word is quoted."""
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
class Reference:
    """A foreign key: every row has its row in `table`, where `to` is what `columns` is here."""

    columns: tuple[str, ...]
    table: str
    to: tuple[str, ...]


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
    references: tuple[Reference, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """Names of the primary key columns, in order."""
        return tuple(f.name for f in self.fields if f.primary_key)

    @property
    def needed_fields(self) -> frozenset[str]:
        """Names, in the dump, of the fields that a row must have; the others may be NULL.

        These are the required fields, the key, and the fields that every entry of some kind must
        have (`statedFields` of the contract), which are NULL only for other kinds.
        """
        stated = self.properties.get("statedFields", {})
        return frozenset(
            [f.source_name for f in self.fields if f.required or f.primary_key]
            + [name for names in stated.values() for name in names]
        )

    @property
    def made_by_dbt(self) -> bool:
        """False if the contract states another maker (`madeBy`), such as a statistics library."""
        return "madeBy" not in self.properties

    @property
    def grain(self) -> str | None:
        """`daily`, `weekly` or `monthly` if the table is one of a family, else None."""
        return self.properties.get("grain")

    @property
    def model(self) -> str:
        """The dbt model with the rows of the table. A family has one model for all grains."""
        return self.name.removesuffix(f"_{self.grain}")

    def arrow_schema(self) -> pa.Schema:
        """The pyarrow schema, with the types and nullability of the contract."""
        return pa.schema(
            [pa.field(f.name, f.arrow_type, nullable=not f.required) for f in self.fields]
        )


@cache
def shared_columns(folder: Path) -> dict[str, SchemaProperty]:
    """The columns that several contracts of a folder share, by name; empty if it has no such file.

    Raises pydantic.ValidationError if an entry does not follow ODCS.
    """
    path = folder / COLUMNS_FILE
    if not path.exists():
        return {}
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: SchemaProperty(name=name, **entry) for name, entry in entries.items()}


def _completed(own: SchemaProperty, shared: dict[str, SchemaProperty]) -> SchemaProperty:
    """A property, completed from the shared column of the same name."""
    if own.name not in shared:
        return own
    said = {key: getattr(own, key) for key in own.model_fields_set}
    return shared[own.name].model_copy(update=said)


def _field(prop: SchemaProperty, path: Path, table: str) -> Field:
    options = prop.logicalTypeOptions or {}
    if prop.name is None or prop.physicalType is None or prop.logicalType is None:
        raise TokenshareError(
            f"{path}: table {table}, column {prop.name!r}: has no type; expected one here or in "
            f"{COLUMNS_FILE} in the same folder. Is the name misspelled?"
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
        part_of=next(
            (str(p.value) for p in prop.customProperties or () if p.property == "partOf"), None
        ),
    )


def _references(schema: SchemaObject, path: Path) -> tuple[Reference, ...]:
    """The foreign keys of a table, which ODCS calls relationships between `table.column`s."""
    found = []
    for relationship in schema.relationships or ():
        ends = []
        for end in (relationship.from_, relationship.to):
            names = [end] if isinstance(end, str) else end or []
            owners = {name.partition(".")[0] for name in names}
            ends.append((owners, tuple(name.partition(".")[2] for name in names)))
        (own, columns), (others, to) = ends
        if own != {schema.name} or len(others) != 1 or len(columns) != len(to) or not all(to):
            raise TokenshareError(
                f"{path}: table {schema.name}: a relationship is from {relationship.from_} to "
                f"{relationship.to}; expected as many columns {schema.name}.… as of one other table"
            )
        found.append(Reference(columns, others.pop(), to))
    return tuple(found)


def read_contract(path: Path) -> list[Table]:
    """All tables of one ODCS file, in file order, with the shared columns of its folder.

    Raises TokenshareError, which names file, table and column, if a column has no type.
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
                references=_references(schema, path),
            )
        )
    return tables


@cache
def tables(stage: Stage) -> dict[str, Table]:
    """Every table of one stage, by name and in the order of names."""
    found = [
        t for p in sorted((CONTRACTS_DIR / stage).glob("*.odcs.yaml")) for t in read_contract(p)
    ]
    return {t.name: t for t in sorted(found, key=lambda t: t.name)}


def published_by_model() -> dict[str, list[Table]]:
    """The published tables of each model, by the model's name: one table, or one per grain."""
    found: dict[str, list[Table]] = {}
    for table in tables("published").values():
        found.setdefault(table.model, []).append(table)
    return found


def contract_versions() -> dict[str, str]:
    """The version of every contract, by its id, for the manifest."""
    return {
        t.contract_id: t.contract_version
        for stage in ("raw", "published")
        for t in tables(stage).values()
    }
