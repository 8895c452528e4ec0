"""Names of models as real gateways write them, resolved by int_model_names with the shipped seeds.

The rules themselves have unit tests beside the model; this says how far they get.
"""

import csv
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

import duckdb
import jinja2
import pytest

from orchestration.settings import DBT_PROJECT_DIR, PROJECT_ROOT
from tools.jinja import adapter

DATA = PROJECT_ROOT.parent / "shared" / "data"
PRICES = DATA / "prices"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="needs the real data in ../shared/data")
TEXT_MODES = ("chat", "responses", "completion")


def resolved(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Permaslug and kind of match by name. Compiled as dbt does it, without a run."""
    files = [DBT_PROJECT_DIR / "macros" / f"{name}.sql" for name in ("portable", "model_names")]
    files.append(DBT_PROJECT_DIR / "models" / "intermediate" / "int_model_names.sql")
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    sql = environment.from_string(source).render(
        ref=lambda name: name, source=lambda _, name: name, adapter=adapter
    )
    with duckdb.connect() as connection:
        for seed in (DBT_PROJECT_DIR / "seeds").glob("*.csv"):
            connection.execute(
                f"create table {seed.stem} as from read_csv('{seed}', all_varchar = true)"
            )
        connection.execute(
            "create table stg_price_seeds as select *, source_model_id as matched_id from ("
            "from price_seed union all by name from price_seed_other)"
        )
        connection.execute("alter table stg_price_seeds alter valid_from type date")
        connection.execute("create table stg_catalogue_models (base_slug text, model_id text)")
        connection.execute(
            "create table int_request_days as select unnest($1) as model_name", [[*names]]
        )
        return {name: (slug, kind) for name, slug, kind in connection.execute(sql).fetchall()}


def test_of_the_names_in_litellm_nine_of_ten_have_a_model_or_a_maker() -> None:
    with gzip.open(PRICES / "litellm" / "litellm_1.109.1.json.gz", "rt", encoding="utf-8") as file:
        models = json.load(file)
    names = [name for name, model in models.items() if model.get("mode") in TEXT_MODES]
    found = resolved(names)
    assert found.keys() == set(names)
    kinds = Counter(kind for _, kind in found.values())
    assert len(names) - kinds["none"] - kinds["author_only"] >= 0.69 * len(names)
    assert kinds["none"] <= 0.09 * len(names)
    # A maker without a model never gets the license and the price of another model.
    with duckdb.connect() as connection:
        seeds = DBT_PROJECT_DIR / "seeds"
        known = connection.execute(
            f"select lower(split_part(model_permaslug, ':', 1)) from '{seeds}/price_seed.csv' "
            f"union select base_slug from '{seeds}/models.csv'"
        ).fetchall()
    of_makers = {slug.split(":")[0] for slug, kind in found.values() if kind == "author_only"}
    assert not of_makers & {slug for (slug,) in known}


def plain(name: str) -> str:
    return re.sub(r"\((free|latest)\)|[^a-z0-9]", "", name.lower())


def test_names_in_models_dev_are_the_models_with_the_same_display_name() -> None:
    """An independent reading: what models.dev calls alike is the same model.

    Three names differ. `helicone/mistral-large-2411` and `iflowcn/deepseek-v3.2` have a display
    name of another version; `zenmux/qwen/qwen3-max` is called Qwen3-Max-Thinking.
    """
    with gzip.open(PRICES / "models-dev" / "monthly.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if row["snapshot"] == "2026-07-03"]
    catalogue = DATA / "openrouter" / "models" / "2026-07-01.json.gz"
    with gzip.open(catalogue, "rt", encoding="utf-8") as file:
        slugs = {m["id"].split(":")[0]: m["canonical_slug"] for m in json.load(file)["data"]}
    by_name: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        model_id = row["model_id"].split(":")[0]
        if row["provider"] == "openrouter" and model_id in slugs:
            by_name[plain(row["name"])].add(slugs[model_id])
    expected = {
        f"{row['provider']}/{row['model_id']}": min(by_name[plain(row["name"])])
        for row in rows
        if row["provider"] != "openrouter" and len(by_name[plain(row["name"])]) == 1
    }
    found = resolved(expected)
    agreed = [n for n, (slug, _) in found.items() if slug.split(":")[0] == expected[n]]
    differ = sorted(
        name
        for name, (slug, kind) in found.items()
        if kind not in ("author_only", "none") and slug.split(":")[0] != expected[name]
    )
    assert len(agreed) >= 0.85 * len(expected), (len(agreed), len(expected))
    assert differ == [
        "helicone/mistral-large-2411", "iflowcn/deepseek-v3.2", "zenmux/qwen/qwen3-max",
    ]  # fmt: skip
    # Whoever has only a maker has the right one.
    assert {
        name
        for name, (slug, kind) in found.items()
        if kind == "author_only" and slug.split("/")[0] != expected[name].split("/")[0].lstrip("~")
    } == set()
