"""Compare second opinions (the seed `second_opinions`) with the registry."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.registry.attribution import attribute, render
from orchestration.tables import rows

if TYPE_CHECKING:
    import duckdb

    from orchestration.configuration.judgements import Judgement

# What the registry states on the day on which an opinion was seen. `silent` means that it states
# nothing, which is not a contradiction.
_COMPARE = """
    create or replace table {schema}.compared as
    with lab_days as (
        select distinct
            seen_on as usage_date,
            date '{known_on}' as known_on,
            subject as lab_id
        from {schema}.opinions
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
        from {schema}.opinions as opinion
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


def compare(
    connection: "duckdb.DuckDBPyConnection",
    schema: str,
    known_on: date,
    judgements: Path,
    subjects: tuple[str, ...] | None = None,
    attributed: bool = False,
) -> list[dict[str, Any]]:
    """Every opinion, with what the registry states, the verdict, and the id of its judgement.

    The file of judgements is read only if there is a contradiction. `<schema>.attribution` is made
    for the days on which opinions were seen, unless it has them already (`attributed`).
    """
    subjects_too = "" if subjects is None else "where list_contains(?, subject)"
    connection.execute(
        f"create or replace table {schema}.opinions as "
        f"select * from {schema}.second_opinions {subjects_too}",
        [] if subjects is None else [list(subjects)],
    )
    if not connection.execute(f"select 1 from {schema}.opinions limit 1").fetchall():
        return []
    if not attributed:
        connection.execute(
            f"create or replace table {schema}.opinion_days as "
            "select distinct seen_on as usage_date, subject as base_slug, "
            "split_part(subject, '/', 1) as author "
            f"from {schema}.opinions where subject_kind = 'model'"
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
    contradicted = any(o["verdict"] == "contradicts" for o in compared)
    ids = {j.about: j.id for j in read_judgements(judgements)} if contradicted else {}
    for opinion in compared:
        about = (opinion["opinion_source"], opinion["subject"], opinion["field"])
        opinion["judgement"] = ids.get(about)
    return compared


def read_judgements(path: Path) -> "tuple[Judgement, ...]":
    """Every judgement in the file; none if there is no file.

    Raises TokenshareError that names file, line, entry, field, value and what was expected.
    """
    # Imported here, because these imports take a part of the second in which `explain` answers.
    from orchestration.configuration.files import read
    from orchestration.configuration.judgements import Judgements

    return read(path, Judgements).root if path.exists() else ()


def outdated(judgements: "tuple[Judgement, ...]", compared: list[dict[str, Any]]) -> list[str]:
    """A sentence for each judgement that no longer quotes what the two sides state."""
    said = {(o["opinion_source"], o["subject"], o["field"]): o for o in compared}
    problems = []
    for judgement in judgements:
        opinion = said.get(judgement.about)
        theirs = opinion["value"] if opinion else None
        ours = opinion["registry_says"] if opinion else None
        if theirs != judgement.expect:
            problems.append(
                f"{judgement.id}: {judgement.source} states {theirs or 'nothing'} for "
                f"{judgement.key} {judgement.field}; expected {judgement.expect}"
            )
        elif ours != judgement.value:
            problems.append(
                f"{judgement.id}: the registry states {ours or 'nothing'} for "
                f"{judgement.key} {judgement.field}; expected {judgement.value}"
            )
    return problems
