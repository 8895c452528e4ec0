"""The spend logs of a LiteLLM proxy, read from its PostgreSQL: what is new since the last pull, in
the columns that may be landed and no others.

The server computes these columns, and sends CSV that goes to a file as it comes. The file is landed
like any other. LiteLLM writes requests minutes after they ended, or when its database is back, so
each pull reads the last hours again; a request counts once, as its newest dump has it.
"""

import os
import shutil
from collections.abc import Set
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from orchestration.contracts.odcs import tables
from orchestration.errors import PullError
from orchestration.files import (
    new_building_folder,
    read_json,
    sha256_bytes,
    to_json,
    write_atomically,
)
from orchestration.landing.store import land
from orchestration.pulling.night import Night
from orchestration.request_logs.litellm_spendlogs import IN_TABLE, NAME, TABLE, USAGE, first_count
from orchestration.settings import Settings
from orchestration.tables import sql_name, sql_text

_URL = "TOKENSHARE_LITELLM_DATABASE_URL"
# Without these, it is another table.
_NEEDED = ("request_id", "startTime", "endTime", "model", "prompt_tokens", "completion_tokens")
# Parameters of the address that Prisma reads, which LiteLLM uses, and libpq refuses.
_PRISMA = (
    "connection_limit",
    "pool_timeout",
    "socket_timeout",
    "pgbouncer",
    "statement_cache_size",
)
# What to do, by PostgreSQL's code of the error.
_ADVICE = {
    "42501": f'the role must have SELECT on "{TABLE}", or on the columns that docs/nights.md names',
    "57014": "it took longer than TOKENSHARE_LITELLM_TIMEOUT_SECONDS, or was canceled",
    "40001": "a standby server canceled it; pull again, or from the primary server",
}
_INSTALL = "install tokenshare with the extra `postgres`"
# A peer that is gone is noticed within two minutes.
_KEEPALIVE = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}
_UNREACHABLE = (
    f"no connection; psql with the address in {_URL} shows the server's own words, which are not "
    "repeated here because they may contain the address"
)


@dataclass(frozen=True)
class _Last:
    """What is remembered of the last pull: which database, and how far it was read (UTC)."""

    database: str
    watermark: datetime | None


def _state_path(settings: Settings) -> Path:
    return settings.pulls_dir / "litellm.json"


def _last_pull(settings: Settings, database: str) -> _Last:
    """The last pull from this database. If it is not known, everything is read again, which counts
    nothing twice."""
    try:
        known = read_json(_state_path(settings))
        if known["database"] == database:
            return _Last(database, datetime.fromisoformat(known["watermark"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return _Last(database, None)


def _address(url: str) -> tuple[str, str]:
    """The address without what only Prisma understands, and the schema that it names or ''."""
    base, mark, query = url.partition("?")
    if "://" not in base or not mark:
        return url, ""
    given = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in given if name not in (*_PRISMA, "schema")]
    schema = dict(given).get("schema", "")
    return f"{base}?{urlencode(kept)}" if kept else base, schema


def _selected(columns: Set[str]) -> str:
    """SQL for the columns that are landed, under their names in the raw contract. `columns` are
    those of the table; what an older version does not have is NULL."""
    held = {name for name in columns if name in (f.source_name for f in tables("raw")[NAME].fields)}
    found = {name: sql_name(name) for name in held}
    # The zone of the session is UTC.
    found["startTime"] = 'cast("startTime" as timestamp)'
    if "metadata" in columns:
        for field in USAGE:
            found[field] = first_count(field, IN_TABLE, _json_text)
        status = "nullif(status, '')" if "status" in columns else "null"
        found["status"] = f"coalesce({status}, {_json_text('metadata', 'status')})"
    return ", ".join(
        f"{found.get(f.source_name, 'null')} as {sql_name(f.source_name)}"
        for f in tables("raw")[NAME].fields
    )


def _json_text(column: str, path: str) -> str:
    return f"cast({column} as jsonb) #>> {sql_text('{' + path.replace('.', ',') + '}')}"


def _identity(connection: Any) -> str:
    """A short hash that tells one database from another."""
    info = connection.info
    return sha256_bytes(f"{info.host}:{info.port}/{info.dbname}".encode())[:16]


def _read(connection: Any, schema: str, last: _Last, night: Night, target: Path) -> datetime | None:
    """Write the new rows to a file, in one read-only transaction; returns the new watermark, or
    None if there are no rows.

    Raises PullError if the table is not there.
    """
    settings = night.settings
    limits = {
        "statement_timeout": f"{settings.litellm_timeout_seconds * 1000:.0f}",
        "TimeZone": "UTC",
        "DateStyle": "ISO",
        **({"search_path": sql_name(schema)} if schema else {}),
    }
    connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
    with connection, connection.cursor() as cursor:
        for name, value in limits.items():
            cursor.execute("select set_config(%s, %s, true)", (name, value))
        cursor.execute(
            "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 "
            "and not attisdropped",
            (sql_name(TABLE),),
        )
        columns = {name for (name,) in cursor.fetchall()}
        if missing := [name for name in _NEEDED if name not in columns]:
            raise PullError(
                f'{_URL}: has no table "{TABLE}" with {", ".join(missing)}; if it is in a schema '
                "other than public, name that by ?schema=… in the address"
            )
        changed = '"updated_at"' if "updated_at" in columns else '"endTime"'
        source = f"from {sql_name(TABLE)}"
        if last.watermark is not None:
            since = last.watermark - timedelta(hours=settings.litellm_overlap_hours)
            source += f" where {changed} >= timestamp {sql_text(since)}"
        # A clock that is ahead must not make the next pull leave out rows.
        cursor.execute(
            f"select count(*), least(cast(max({changed}) as timestamp), localtimestamp) {source}"
        )
        rows, newest = cursor.fetchone()
        if not rows:
            return None
        night.progress(f"pulling {rows:,} rows of {NAME}")
        with target.open("wb") as file:
            cursor.copy_expert(
                f"copy (select {_selected(columns)} {source}) to stdout (format csv, header)", file
            )
    assert isinstance(newest, datetime)
    return max(newest, last.watermark or newest)


def _described(error: Any) -> str:
    """What to say of an error of the database. Its own words may have values of rows in them, or
    the address, so they are left out."""
    if error.pgcode is None:
        return f"{_URL}: {_UNREACHABLE}"
    advice = _ADVICE.get(error.pgcode, "see the codes of errors in PostgreSQL's documentation")
    return f"{_URL}: the database says {type(error).__name__} ({error.pgcode}): {advice}"


def pull_spendlogs(night: Night) -> None:
    """Land the rows of the spend logs that are new or changed since the last pull.

    Raises PullError if the database or the table cannot be read, and what `store.land` raises; the
    next pull then begins where this one did.
    """
    settings = night.settings
    if settings.litellm_database_url is None:
        raise PullError(f"{_URL} is not set; it is the address of LiteLLM's PostgreSQL")
    try:
        import psycopg2
    except ImportError as error:
        raise PullError(f"{_URL} is set, but psycopg2 is missing: {_INSTALL}") from error
    night.progress(f"asking for new rows of {NAME}")
    address, schema = _address(settings.litellm_database_url.get_secret_value())
    now, problem, watermark = night.now(), "", None
    folder = new_building_folder(settings.pulls_dir, f"{os.getpid()}-litellm")
    # The time in the name becomes as_of.
    target = folder / f"{now:%Y-%m-%dT%H-%M-%SZ}.csv"
    try:
        try:
            connection = psycopg2.connect(
                address,
                connect_timeout=ceil(settings.pull_timeout_seconds),
                client_encoding="UTF8",
                application_name="tokenshare",
                **_KEEPALIVE,
            )
            with closing(connection):
                last = _last_pull(settings, _identity(connection))
                watermark = _read(connection, schema, last, night, target)
        except psycopg2.Error as error:
            problem = _described(error)
        # Outside of `except`, so that the error of the database is not kept with this one.
        if problem:
            raise PullError(problem)
        if watermark is None:
            since = f" since {last.watermark}" if last.watermark else ""
            night.notices.append(f"{NAME}: the table has no new rows{since}")
            return
        night.landed.append(land(target, settings, NAME, now=now))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    state = {"database": last.database, "watermark": watermark.isoformat()}
    write_atomically(_state_path(settings), to_json(state))
