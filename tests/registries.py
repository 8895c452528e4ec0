"""A registry, and a vintage's usage, that are small enough to be checked on paper."""

import json
from pathlib import Path

import duckdb

from orchestration.publication.manifest import MANIFEST_NAME, seal_manifest, set_latest
from orchestration.settings import Settings

# The page says everything that a row of this registry may claim.
STATES = "Alpha Lab CN; Beta Lab US; Gamma Lab FR; weights; closed; license unknown; a router"
EVIDENCE = f"https://example.org/page,{STATES},2026-11-01,high,"

LABS = f"""lab_id,lab_name,aliases,headquarters,valid_from,valid_to,known_from,{{}}
aa,Alpha Lab,Alpha; A,CN,,,,{EVIDENCE}
bb,Beta Lab,,US,,,,{EVIDENCE}
cc,Gamma Lab,,FR,,,,{EVIDENCE}
""".format("evidence_url,states,checked_on,confidence,note")
AUTHORS = f"""author,lab_id,valid_from,valid_to,known_from,evidence_url,states,checked_on,\
confidence,note
alpha,aa,,,,{EVIDENCE}
beta,bb,,,,{EVIDENCE}
"""
GAMMA = f"gamma,cc,,,,{EVIDENCE}\n"
MODELS = f"""base_slug,lab_id,license,license_name,valid_from,valid_to,base_model,base_lab_id,\
revealed_as,revealed_on,known_from,evidence_url,states,checked_on,confidence,note
alpha/one-20260101,aa,closed,,,2026-02-01,,aa,,,,{EVIDENCE}
alpha/one-20260101,aa,open_weight,MIT,2026-02-01,,,aa,,,,{EVIDENCE}
beta/tune,bb,open_weight,,,,alpha/one,aa,,,,{EVIDENCE}
openrouter/ghost,,unknown,,,,,,,,,{EVIDENCE}
openrouter/ghost,bb,closed,,,,,bb,beta/tune,2026-02-09,2026-02-10,{EVIDENCE}
"""
ROUTERS = (
    "base_slug,evidence_url,states,checked_on,note\n"
    f"openrouter/auto,https://example.org/page,{STATES},2026-11-01,\n"
)
OPINIONS = """subject_kind,subject,field,value,opinion_source,seen_on,evidence_url,detail
lab,aa,headquarters,CN,epoch_ai,2026-07-15,https://example.org,
lab,bb,headquarters,GB,epoch_ai,2026-07-15,https://example.org,
model,alpha/one-20260101,license,closed,models_dev,2026-01-15,https://example.org,
model,alpha/one-20260101,license,closed,third_party_labels,2026-03-01,https://example.org,
model,gamma/x,license,closed,models_dev,2026-03-01,https://example.org,
"""

# Each day has 1000 tokens.
USAGE = [
    ("2026-01-31", "alpha/one-20260101", 400),
    ("2026-01-31", "alpha/one-20260101:free", 200),
    ("2026-01-31", "beta/tune", 200),
    ("2026-01-31", "openrouter/ghost", 100),
    ("2026-01-31", "gamma/x", 50),
    ("2026-01-31", "other", 50),
    ("2026-02-01", "alpha/one-20260101", 500),
    ("2026-02-01", "beta/tune", 300),
    ("2026-02-01", "openrouter/auto", 100),
    ("2026-02-01", "other", 100),
]
PRICES = [
    ("alpha/one-20260101", "prompt", "1.5", "2026-01-01", "2026-02-01"),
    ("alpha/one-20260101", "completion", "6", "2026-01-01", None),
    ("alpha/one-20260101", "prompt", "1", "2026-02-01", None),
    ("alpha/two-20260101", "prompt", "1", "2026-01-01", None),
    ("alpha/two-20260201", "prompt", "1", "2026-02-01", None),
]


def write_registry(folder: Path, **texts: str) -> Path:
    """Seeds in a folder: the texts above, or others by the seed's name."""
    folder.mkdir(parents=True, exist_ok=True)
    seeds = {
        "labs": LABS, "authors": AUTHORS, "models": MODELS, "routers": ROUTERS,
        "second_opinions": OPINIONS,
    } | texts  # fmt: skip
    for name, text in seeds.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def publish_usage(settings: Settings, vintage_id: str = "20260301T000000Z-00000000") -> Path:
    """As much of a vintage as the registry's commands read; returns its tables folder."""
    tables = settings.vintages_dir / vintage_id / "tables"
    tables.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute(
            "create table usage_daily (source varchar, usage_date date, model_permaslug varchar, "
            "base_slug varchar, author varchar, tokens bigint)"
        )
        connection.executemany(
            "insert into usage_daily select 'openrouter_rankings', $1::date, $2, "
            "split_part($2, ':', 1), split_part($2, '/', 1), $3",
            [list(row) for row in USAGE],
        )
        connection.execute(
            "create table price_history (model_permaslug varchar, price_kind varchar, "
            "usd_per_million_tokens decimal(24, 18), valid_from date, valid_to date, "
            "price_source varchar)"
        )
        connection.executemany(
            "insert into price_history values (?, ?, ?, ?, ?, 'by hand')",
            [list(row) for row in PRICES],
        )
        for name in ("usage_daily", "price_history"):
            connection.execute(f"copy {name} to '{tables / name}.parquet' (format parquet)")
    nothing: dict[str, list[str]] = {
        k: [] for k in ("inputs", "outputs", "gate", "headline", "citations")
    }
    manifest = seal_manifest({"vintage_id": vintage_id, **nothing})
    (tables.parent / MANIFEST_NAME).write_bytes(manifest)
    set_latest(settings.published_dir, json.loads(manifest))
    return tables


def publish_registry(seeds: Path, tables: Path) -> None:
    """Add the tables `registry_*` to a vintage, as a run of the pipeline does."""
    with duckdb.connect() as connection:
        for name in ("labs", "authors", "models"):
            connection.execute(
                f"copy (select * from read_csv('{seeds / name}.csv', all_varchar = true)) "
                f"to '{tables / f'registry_{name}'}.parquet' (format parquet)"
            )
