"""Every setting, typed, in one place. Environment variables are `TOKENSHARE_<NAME>`."""

import os
import re
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AliasChoices,
    ByteSize,
    Field,
    HttpUrl,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent
DBT_PROJECT_DIR = PROJECT_ROOT / "dbt_project"
CONTRACTS_DIR = PROJECT_ROOT / "data_contracts"
CONFIGURATION_DIR = PROJECT_ROOT / "configuration"
SHIPPED_LANDING_DIR = PROJECT_ROOT / "data" / "landing"
# The dumps that are shipped; by default, runs of this checkout land other dumps beside them.
SHIPPED_DUMPS = tuple(
    SHIPPED_LANDING_DIR / f"openrouter_{name}" / sha256
    for name, sha256 in {
        "app_rankings": "e937a466ada25a28de05420341a767b8565e4319b1bc3b3af6cf579e478a81c4",
        "rankings": "fd6a21c1dfee74bb24fbc01d63942c74c420f3c22b445e73d5fd6cda48c5fc1c",
        "task_classifications": "bce8a57838a9fefa088bd05f92465b21b6d798069b339deb9c308e4977bfdf31",
    }.items()
)
# A host of an address, which may be empty, and its port.
_HOST = re.compile(r"([A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(:\d*)?", re.ASCII)
# What Spark's warehouse may be in, besides a folder.
_OBJECT_STORES = ("s3", "s3a", "gs", "abfss", "hdfs")
_OPTIONS = {"endpoint_override", "region", "scheme"}
# The source that is meant if none is named. Only its errors stop a publication.
PRIMARY_SOURCE = "openrouter_rankings"


def _is_utf8(path: Path) -> bool:
    """Does a library that takes UTF-8 find the same file as Python does?"""
    try:
        return os.fsencode(path) == str(path).encode()
    except UnicodeEncodeError:
        return False


class Settings(BaseSettings):
    """Settings of one installation.

    Everything that a run writes is below `data_dir`: `landing/` (dumps, never deleted),
    `warehouse/` (derived, may be deleted), `candidates/` (not yet published, or refused),
    `published/` and `runs/` (the outcome of every run).
    """

    model_config = SettingsConfigDict(
        env_prefix="TOKENSHARE_",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    data_dir: Path = Field(
        default=PROJECT_ROOT / "data", description="Folder below which everything is written."
    )
    lock_timeout_seconds: float = Field(
        default=60.0, ge=0, description="How long a run waits for another one to finish."
    )
    dbt_threads: int = Field(default=2, ge=1, description="Parallel dbt models.")
    registry_view: Literal["then", "now"] = Field(
        default="then",
        description="Read the registry as known on each day of use, or as known now.",
    )
    registry_as_of: date = Field(
        default=date.max, description="Leave out what the registry learned after this UTC day."
    )
    keep_refused_candidates: int = Field(
        default=5, ge=1, description="Refused candidates kept for inspection."
    )
    stale_after_days: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default={},
        description="By source: the newest day in the data may be this many days ago; `*` is for "
        "all other sources but request logs, which are judged only if they are named or pulled.",
        validate_default=True,
    )
    nightly_at: time = Field(
        default=time(2, 45), description="When the nightly run starts, UTC, as HH:MM."
    )
    keep_vintages_days: int = Field(
        default=30, ge=1, description="Days for which every vintage is kept."
    )
    prune_after_run: bool = Field(
        default=True,
        description="Delete old vintages after a run that publishes, as `vintages prune` does.",
    )
    keep_runs: int = Field(
        default=1000, ge=1, description="Runs of which `data/runs/` keeps the outcome."
    )

    shipped_history: bool = Field(
        default=True,
        description="Land the shipped dumps of each source of which nothing else is landed.",
    )
    inbox_quiet_seconds: float = Field(
        default=20.0,
        ge=0,
        description="How long nobody may have written to a file of the inbox before it is landed.",
    )
    max_dump_bytes: int = Field(
        default=256 * 1024**2, ge=1, description="Largest dump, as stored on disk."
    )
    max_decompressed_bytes: int = Field(
        default=512 * 1024**2, ge=1, description="Largest dump once it is decompressed."
    )
    max_json_bytes: int = Field(
        default=64 * 1024**2,
        ge=1,
        description="Largest JSON document, decompressed; it is loaded into memory as objects.",
    )
    max_dump_rows: int = Field(default=2_000_000, ge=1, description="Most rows of one dump.")

    memory_limit: ByteSize = Field(
        default=ByteSize(4 * 10**9),
        ge=2 * 10**9,
        description="Memory for reading and reducing request logs, such as 4GB; what does not fit "
        "goes to the disk.",
    )

    engine: Literal["duckdb", "spark"] = Field(
        default="duckdb", description="What builds the models; both give the same tables."
    )
    spark_remote: SecretStr | None = Field(
        default=None,
        description="Address of a Spark Connect server, such as sc://host:15002, which may have a "
        "token; without one, the engine spark starts a session of its own.",
    )
    spark_warehouse: str = Field(
        default="",
        description="Where Spark has a folder `tokenshare` to read and write, if it is not below "
        "`data_dir`: a folder, which a server and its workers see under this path, or the URL of "
        "one in an object store, such as s3a://bucket/folder.",
    )
    spark_catalog: str = Field(
        default="",
        description="Catalog of Spark that has the schemas; without one, the one that Spark uses "
        "by default.",
    )

    small_cells: int = Field(
        default=0,
        ge=0,
        description="Publish no group of a request log with fewer requests than this; 0 publishes "
        "every group.",
    )

    source_url: HttpUrl | None = Field(
        default=None,
        description="A server to pull from instead of openrouter.ai and vercel.com, with the same "
        "paths.",
    )
    openrouter_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("TOKENSHARE_OPENROUTER_API_KEY", "openrouter_api_key"),
        description="Key of OpenRouter's API, or OPENROUTER_API_KEY. Without one, the keyless "
        "exports are pulled.",
    )
    calls_per_night: int = Field(
        default=100, ge=1, description="Most answers that one pull asks for, the rankings first."
    )
    restated_days: int = Field(
        default=35,
        ge=1,
        le=366,
        description="With a key, the last days that each pull asks for again, because figures are "
        "restated.",
    )
    pull_retries: int = Field(
        default=4, ge=0, description="How often a pull asks again after a failure that may pass."
    )
    pull_max_wait_seconds: float = Field(
        default=60.0,
        gt=0,
        description="Longest wait before a pull asks again, also if the server asks for more.",
    )
    pull_timeout_seconds: float = Field(
        default=60.0, gt=0, description="Longest time for one answer, from connecting to its end."
    )

    litellm_database_url: SecretStr | None = Field(
        default=None,
        description="Address of the PostgreSQL of a LiteLLM proxy, as its DATABASE_URL. If it is "
        "set, pulls land what is new in its spend logs.",
    )
    litellm_overlap_hours: float = Field(
        default=24.0,
        ge=0,
        description="How much of LiteLLM's spend logs each pull reads again, because rows are "
        "written late.",
    )
    litellm_timeout_seconds: float = Field(
        default=1800.0, gt=0, description="Longest time for one query of LiteLLM's PostgreSQL."
    )

    public_url: HttpUrl | None = Field(
        default=None,
        description="Address at which `published/` is served. It makes the links of a report "
        "absolute, as social networks require for a preview picture.",
    )

    signing_key: Path | None = Field(
        default=None,
        description="Secret key file of minisign; if it is set, each vintage is signed with it.",
    )
    signing_password: SecretStr | None = Field(
        default=None, description="Password of that key; none if the key is not encrypted."
    )
    signed_by: str = Field(
        default="",
        max_length=200,
        pattern=r"^[ -~]*$",
        description="Who signs, in printable ASCII; the signature states it.",
    )

    serve_to: SecretStr | None = Field(
        default=None,
        description="Address of a PostgreSQL into which every run loads the newest vintage, as "
        "postgresql://USER:PASSWORD@HOST:PORT/DATABASE.",
    )
    serve_to_schema: str = Field(
        default="tokenshare",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="Schema there that has the tables.",
    )

    serve_port: int = Field(
        default=3001,
        ge=1,
        le=65535,
        description="Port of this machine on which `tokenshare serve` serves `published/`.",
    )
    ui_url: HttpUrl = Field(
        default=HttpUrl("http://127.0.0.1:3000"),
        description="Address of Dagster's UI, for the link in an alert.",
    )

    alert_webhook_url: SecretStr | None = Field(
        default=None,
        description="Where a failed run is posted to, as Slack's incoming webhooks expect it. The "
        "address is a secret.",
    )
    alert_command: tuple[str, ...] = Field(
        default=(),
        description="Command that a failed run starts, as a JSON list of program and arguments; "
        "the alert is its standard input.",
    )
    alert_email_host: str = Field(
        default="", description="Mail server (SMTP) that takes the alert of a failed run."
    )
    alert_email_port: int = Field(default=25, ge=1, le=65535, description="Its port.")
    alert_email_from: str = Field(default="", description="Sender of the e-mail.")
    alert_email_to: str = Field(
        default="", validate_default=True, description="Receivers, separated by commas."
    )
    alert_email_user: str = Field(
        default="", description="User at the mail server. If set, the connection uses STARTTLS."
    )
    alert_email_password: SecretStr | None = Field(
        default=None, description="Password of that user."
    )

    keep_dagster_days: int = Field(
        default=90,
        ge=1,
        description="How long Dagster keeps finished runs with their logs and events.",
    )

    @field_validator("stale_after_days")
    @classmethod
    def _with_defaults(cls, value: dict[str, int]) -> dict[str, int]:
        # A day is published in the night after it: just before, the one before it is the newest.
        # What else is pulled describes weeks and changes slowly.
        return {PRIMARY_SOURCE: 2, "*": 8, **value}

    @field_validator("alert_email_to")
    @classmethod
    def _has_addresses(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("alert_email_host") and not (value and info.data.get("alert_email_from")):
            raise ValueError("an e-mail needs alert_email_from and alert_email_to")
        return value

    @field_validator("source_url")
    @classmethod
    def _plain_address(cls, value: HttpUrl | None) -> HttpUrl | None:
        if value and (value.username or value.password or value.query or value.fragment):
            raise ValueError("expected an address without user, password, query and fragment")
        return value

    @field_validator("openrouter_api_key")
    @classmethod
    def _one_word(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value().strip() if value else ""
        if not all("!" <= c <= "~" for c in key):
            raise ValueError("expected a key of printable ASCII characters, without spaces")
        return SecretStr(key) if key else None

    @field_validator("serve_to")
    @classmethod
    def _postgres_address(cls, value: SecretStr | None) -> SecretStr | None:
        # Where libpq and Python would find another host, a part of the password could be shown.
        address = value.get_secret_value() if value else ""
        try:
            parts = urlsplit(address)
        except ValueError:
            parts = urlsplit("")
        one_host = address.count("@") == parts.netloc.count("@") <= 1
        plain = "#" not in address and address.isprintable() and " " not in address
        known = parts.scheme in ("postgres", "postgresql") and "://" in address
        hosts = parts.netloc.rpartition("@")[2].split(",")
        if value and not (known and one_host and plain and all(map(_HOST.fullmatch, hosts))):
            raise ValueError(
                "expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE; in a password write % as "
                "%25, @ as %40, / as %2F, # as %23, ? as %3F, a space as %20"
            )
        return value

    @field_validator("data_dir", mode="before")
    @classmethod
    def _not_a_url(cls, value: object) -> object:
        if isinstance(value, str) and "://" in value:
            raise ValueError("expected a folder; an object store cannot be named by its URL")
        return value

    @field_validator("spark_warehouse")
    @classmethod
    def _folder_or_url(cls, value: str) -> str:
        """Either an absolute path or the URL of a folder in a bucket, without a secret."""
        if not value:
            return ""
        if "://" not in value:
            return str(cls._absolute(Path(value)))
        parts = urlsplit(value)
        if parts.scheme not in _OBJECT_STORES:
            raise ValueError(
                f"expected a folder, or a URL that begins with one of {', '.join(_OBJECT_STORES)}"
            )
        if not parts.hostname:
            raise ValueError(f"expected a bucket after {parts.scheme}://")
        if parts.password or set(parse_qs(parts.query)) - _OPTIONS:
            raise ValueError(
                f"expected no secret, and no option but {', '.join(sorted(_OPTIONS))}; keys come "
                "from where the cloud's own tools find them"
            )
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        path = value.expanduser().resolve()
        if bad := set("?#") & set(str(path)):
            raise ValueError(f"DuckDB and dbt cannot open a path with {' or '.join(sorted(bad))}")
        if not _is_utf8(path):
            raise ValueError(
                "DuckDB opens only paths in UTF-8, and Python reads this one in another encoding; "
                "set PYTHONUTF8=1, or use another folder"
            )
        return path

    @property
    def served_url(self) -> str:
        """Where `published/` can be opened in a browser, without a slash at the end."""
        return str(self.public_url or f"http://127.0.0.1:{self.serve_port}").rstrip("/")

    def stale_after(self, source: str) -> int:
        """How many days ago the newest day of a source may be."""
        return self.stale_after_days.get(source, self.stale_after_days["*"])

    @property
    def nightly_cron(self) -> str:
        """`nightly_at` as a cron schedule, in UTC."""
        return f"{self.nightly_at.minute} {self.nightly_at.hour} * * *"

    def next_night(self, now: datetime) -> datetime:
        """When the next nightly run is due."""
        today = now.astimezone(UTC).replace(
            hour=self.nightly_at.hour, minute=self.nightly_at.minute, second=0, microsecond=0
        )
        return today if today > now else today + timedelta(days=1)

    @cached_property
    def landing_dir(self) -> Path:
        return self.data_dir / "landing"

    @cached_property
    def inbox_dir(self) -> Path:
        return self.data_dir / "inbox"

    @cached_property
    def archive_dir(self) -> Path:
        """Answers that no mart reads (see `landing/archive.py`)."""
        return self.landing_dir / "archive"

    @cached_property
    def pulls_dir(self) -> Path:
        """What pulls remember from one night to the next."""
        return self.data_dir / "pulls"

    @cached_property
    def warehouse_dir(self) -> Path:
        return self.data_dir / "warehouse"

    @property
    def duckdb_memory(self) -> str:
        """What DuckDB may use of the memory limit; the rest is for Python, dbt and its threads."""
        return f"{(self.memory_limit - 10**9) // 10**6}MB"

    @cached_property
    def spill_dir(self) -> Path:
        """Where DuckDB puts what does not fit into memory."""
        return self.warehouse_dir / "spill"

    @cached_property
    def spark_dir(self) -> Path:
        """What the engine spark reads and writes on this machine; every run deletes what is
        there."""
        if self.spark_warehouse and not self.spark_url:
            return Path(self.spark_warehouse, "tokenshare")
        return self.warehouse_dir / "spark"

    @property
    def spark_url(self) -> str:
        """The warehouse of the engine spark, if it is in an object store."""
        return self.spark_warehouse if "://" in self.spark_warehouse else ""

    @cached_property
    def requests_dir(self) -> Path:
        """The days to which request logs are reduced."""
        return self.warehouse_dir / "requests"

    @cached_property
    def database_path(self) -> Path:
        return self.warehouse_dir / "tokenshare.duckdb"

    @cached_property
    def dbt_target_dir(self) -> Path:
        """Where dbt keeps what it parsed, which depends on the engine."""
        return self.warehouse_dir / ("dbt" if self.engine == "duckdb" else f"dbt-{self.engine}")

    @cached_property
    def candidates_dir(self) -> Path:
        return self.data_dir / "candidates"

    @cached_property
    def runs_dir(self) -> Path:
        return self.data_dir / "runs"

    @cached_property
    def published_dir(self) -> Path:
        return self.data_dir / "published"

    @cached_property
    def vintages_dir(self) -> Path:
        return self.published_dir / "vintages"

    @cached_property
    def latest_path(self) -> Path:
        return self.published_dir / "latest.json"
