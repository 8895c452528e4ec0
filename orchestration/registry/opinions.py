"""Second opinions beside what the registry says, and the contradictions that were judged.

The opinions are the seed `second_opinions`; a contradiction that was looked into is an entry of
`data_contracts/registry_judgements.yml`, and fails once either side says something else.
"""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestration.errors import TokenshareError
from orchestration.registry.attribution import attribute, render

if TYPE_CHECKING:
    import duckdb

# What the registry answers to an opinion on the day on which the opinion was seen. `silent` is no
# contradiction: the registry claims nothing there.
_COMPARE = """
    create or replace table {schema}.compared as
    with lab_days as (
        select distinct
            seen_on as usage_date,
            date '{known_on}' as known_on,
            subject as lab_id
        from {schema}.second_opinions
        where subject_kind = 'lab'
    ),
    labs as ({lab_rows}),
    weights_since as (
        select base_slug, coalesce(cast(max(valid_from) as varchar), 'always') as open_from
        from {schema}.models
        where license = 'open_weight'
        group by base_slug
    ),
    answered as (
        select
            opinion.*,
            case opinion.field
                when 'headquarters' then labs.headquarters
                when 'license' then nullif(model.license, 'unknown')
                when 'base_lab' then model.base_lab_id
                when 'weights_since' then weights_since.open_from
            end as registry_says
        from {schema}.second_opinions as opinion
        left join labs
            on opinion.subject = labs.lab_id and opinion.seen_on = labs.usage_date
            and opinion.subject_kind = 'lab'
        left join {schema}.attribution as model
            on opinion.subject = model.base_slug and opinion.seen_on = model.usage_date
            and opinion.subject_kind = 'model' and model.registry_view = 'now'
        left join weights_since
            on opinion.subject = weights_since.base_slug and opinion.subject_kind = 'model'
    )
    select
        *,
        case
            when registry_says is null then 'silent'
            when registry_says = value then 'agrees'
            else 'contradicts'
        end as verdict
    from answered
"""


class Judgement(BaseModel):
    """A contradiction that was looked into: the source says `expect`, the registry `value`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    source: str
    key: str
    field: Literal["headquarters", "license", "base_lab", "weights_since"]
    expect: str
    value: str
    reason: str
    evidence: str
    checked_on: date

    @property
    def about(self) -> tuple[str, str, str]:
        return self.source, self.key, self.field


def read_judgements(path: Path) -> list[Judgement]:
    """Every judgement of the file; none where there is no file.

    Raises TokenshareError naming file, entry, field, value and what was expected.
    """
    import yaml

    if not path.exists():
        return []
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8")) or []
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TokenshareError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(entries, list):
        raise TokenshareError(f"{path}: holds a {type(entries).__name__}; expected a list")
    judged = []
    for number, entry in enumerate(entries, start=1):
        try:
            judged.append(Judgement.model_validate(entry))
        except ValidationError as error:
            problem = error.errors()[0]
            field = ".".join(map(str, problem["loc"])) or "entry"
            raise TokenshareError(
                f"{path}: judgement {number}: {field}: value {problem['input']!r}; "
                f"expected: {problem['msg']}"
            ) from error
    about = [j.about for j in judged]
    if twice := next((a for a in about if about.count(a) > 1), None):
        raise TokenshareError(f"{path}: {' '.join(twice)} is judged twice; expected one entry")
    return judged


def compare(
    connection: "duckdb.DuckDBPyConnection",
    schema: str,
    known_on: date,
    judgements: list[Judgement] | Path,
    subjects: tuple[str, ...] | None = None,
) -> list[dict[str, Any]]:
    """Every opinion with what the registry says, its verdict and its judgement's id.

    A file of judgements is read only where there is something to judge.
    Overwrites `<schema>.attribution`.
    """
    if subjects is not None:
        listed = ", ".join("?" for _ in subjects) or "null"
        connection.execute(
            f"delete from {schema}.second_opinions where subject not in ({listed})", list(subjects)
        )
    if not connection.execute(f"select 1 from {schema}.second_opinions limit 1").fetchall():
        return []
    connection.execute(
        f"create or replace table {schema}.opinion_days as "
        "select distinct seen_on as usage_date, subject as base_slug, "
        "split_part(subject, '/', 1) as author "
        f"from {schema}.second_opinions where subject_kind = 'model'"
    )
    attribute(connection, schema, f"{schema}.opinion_days", known_on)
    lab_rows = render(
        "{{ registry_rows(ref('labs'), 'lab_id', 'lab_days', ['headquarters']) }}", schema
    )
    connection.execute(_COMPARE.format(schema=schema, known_on=known_on, lab_rows=lab_rows))
    compared = rows(
        connection,
        f"select * from {schema}.compared "
        "order by verdict = 'contradicts' desc, subject_kind, subject, field, opinion_source",
    )
    if isinstance(judgements, Path):
        contradicted = any(o["verdict"] == "contradicts" for o in compared)
        judgements = read_judgements(judgements) if contradicted else []
    ids = {j.about: j.id for j in judgements}
    for opinion in compared:
        about = (opinion["opinion_source"], opinion["subject"], opinion["field"])
        opinion["judgement"] = ids.get(about)
    return compared


def outdated(judgements: list[Judgement], compared: list[dict[str, Any]]) -> list[str]:
    """A sentence per judgement that is no longer about what the two sides say."""
    said = {(o["opinion_source"], o["subject"], o["field"]): o for o in compared}
    problems = []
    for judgement in judgements:
        opinion = said.get(judgement.about)
        theirs = opinion["value"] if opinion else None
        ours = opinion["registry_says"] if opinion else None
        if theirs != judgement.expect:
            problems.append(
                f"{judgement.id}: {judgement.source} says {theirs or 'nothing'} on "
                f"{judgement.key} {judgement.field}; expected {judgement.expect}"
            )
        elif ours != judgement.value:
            problems.append(
                f"{judgement.id}: the registry says {ours or 'nothing'} on "
                f"{judgement.key} {judgement.field}; expected {judgement.value}"
            )
    return problems


def rows(
    connection: "duckdb.DuckDBPyConnection",
    sql: str,
    values: list[Any] | dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Rows of a query as dictionaries."""
    cursor = connection.execute(sql, values or [])
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
