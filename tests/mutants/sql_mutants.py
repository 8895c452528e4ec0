"""Mistakes in the models' SQL: ours, as no maintained tool makes them for dbt.

Run in a copy of the project (`python -m tests.mutants sql` makes it): files are changed.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestration import pipeline
from orchestration.files import fingerprint
from orchestration.ingestion.ingest import ingest_all
from orchestration.landing.store import land, list_dumps
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.transformation.dbt import run_dbt
from tests import builders

MODELS = Path("dbt_project/models")


@dataclass(frozen=True)
class SqlMutant:
    """One textual change of one file, which a unit test of dbt must notice.

    A mistake in a model is tried with the model's own tests, one in a macro with all.
    """

    path: Path
    before: str
    after: str


MACROS = Path("dbt_project/macros")
MUTANTS: list[SqlMutant] = [
    SqlMutant(MODELS / "staging/stg_vercel_leaderboard.sql", "max(place)", "min(place)"),
    SqlMutant(MODELS / "intermediate/int_gateway_shares.sql", ">= 2 as is_settled",
              ">= 1 as is_settled"),
    SqlMutant(
        MODELS / "intermediate/int_gateway_shares.sql",
        "then least(shares.usage_date, run_settings.registry_as_of)",
        "then run_settings.registry_as_of",
    ),
    SqlMutant(
        MODELS / "marts/gateway/gateway_spend_by_lab.sql",
        "lab_days.low_cost + days.high_cost - lab_days.high_cost", "days.low_cost",
    ),
    SqlMutant(
        MODELS / "marts/gateway/gateway_spend_by_lab.sql",
        "3 * prompt_cost + completion_cost as blend_cost",
        "prompt_cost + 3 * completion_cost as blend_cost",
    ),
    SqlMutant(MACROS / "gateway.sql", "greatest(1 - sum(share), 0) as unlisted_share",
              "0 as unlisted_share"),
    SqlMutant(MACROS / "gateway.sql", "periods.is_complete and gateway_days.is_settled",
              "periods.is_complete"),
    SqlMutant(MACROS / "gateway.sql", "else round(their_low - our_high, 12)",
              "else round(their_low - our_low, 12)"),
    SqlMutant(
        MODELS / "intermediate/int_crossover_points.sql",
        "mine.tokens > rival.tokens as leads,", "mine.tokens >= rival.tokens as leads,",
    ),
    SqlMutant(
        MODELS / "intermediate/int_crossover_points.sql",
        "mine.tokens > rival.tokens + mine.unidentified_tokens as leads_identified",
        "mine.tokens >= rival.tokens + mine.unidentified_tokens as leads_identified",
    ),
    SqlMutant(
        MODELS / "intermediate/int_crossover_points.sql",
        "or period_start > last_not_identified", "or period_start >= last_not_identified",
    ),
    SqlMutant(
        MODELS / "intermediate/int_crossover_points.sql",
        "max(period_start) filter (where leads <> led_before)",
        "max(period_start) filter (where leads = led_before)",
    ),
    SqlMutant(
        MODELS / "intermediate/int_usage_priced.sql",
        "'prompts.valid_from', 'prompts.valid_to'", "'prompts.valid_from', 'null'",
    ),
    SqlMutant(
        MODELS / "intermediate/int_usage_priced.sql",
        "3 * prompts.usd_per_million_tokens", "2 * prompts.usd_per_million_tokens",
    ),
    SqlMutant(
        MODELS / "intermediate/int_usage_priced.sql",
        "<= run_settings.fresh_price_days", "< run_settings.fresh_price_days",
    ),
    SqlMutant(
        MODELS / "intermediate/int_days.sql",
        ">= 60 * run_settings.settled_after_hours", "> 60 * run_settings.settled_after_hours",
    ),
    SqlMutant(
        MODELS / "metrics/revisions.sql",
        "coalesce(before.tokens, 0) as tokens_before", "before.tokens as tokens_before",
    ),
    SqlMutant(
        MODELS / "intermediate/int_attribution.sql",
        "coalesce(known_models.lab_id, known_authors.lab_id)",
        "coalesce(known_authors.lab_id, known_models.lab_id)",
    ),
    SqlMutant(
        MODELS / "intermediate/int_attribution.sql",
        "least(slug_days.usage_date, run_settings.registry_as_of) as known_on",
        "run_settings.registry_as_of as known_on",
    ),
    SqlMutant(
        MACROS / "portable.sql",
        "{{ valid_from }} <= {{ day }}", "{{ valid_from }} < {{ day }}",
    ),
    SqlMutant(
        MACROS / "portable.sql",
        "{{ day }} < {{ valid_to }}", "{{ day }} <= {{ valid_to }}",
    ),
    SqlMutant(
        MACROS / "registry.sql",
        "registry.known_from <= asked.known_on", "registry.known_from < asked.known_on",
    ),
    SqlMutant(
        MODELS / "intermediate/int_crossover_points.sql",
        "(\n\n    select\n        *,\n        rank() over (",
        "(\n\n    select\n        *,\n        row_number() over (",
    ),
    SqlMutant(
        MODELS / "intermediate/int_periods.sql",
        "lost_nothing and days_present", "days_present",
    ),
    SqlMutant(
        MACROS / "share_by.sql",
        "partition by grain, source, period_start, lens, is_unknown",
        "partition by source, period_start, lens, is_unknown",
    ),
    SqlMutant(
        MACROS / "share_by.sql",
        "'{{ unknown }}' {{ 'or' if", "'{{ unknown }}' {{ 'and' if",
    ),
    SqlMutant(
        MACROS / "share_by.sql",
        "in (mine.{{ key }}, '{{ unknown }}')", "in ('{{ unknown }}')",
    ),
    SqlMutant(
        MACROS / "share_by.sql",
        "where not mine.is_unknown", "where mine.tokens > 0",
    ),
    SqlMutant(
        MACROS / "spend.sql",
        "join totals using (grain, source", "join totals using (source",
    ),
    SqlMutant(
        MODELS / "metrics/concentration.sql",
        "count(*) < days_present as is_in_tail", "count(*) <= days_present as is_in_tail",
    ),
    SqlMutant(
        MODELS / "metrics/concentration.sql",
        "models_ranked.grain = slot_tokens.grain\n            and models_ranked.source",
        "models_ranked.source",
    ),
    SqlMutant(
        MODELS / "marts/origin/restated_by_origin.sql",
        "join wholes using (grain, source", "join wholes using (source",
    ),
]  # fmt: skip


def passes(settings: Settings, selected: str) -> bool:
    """Whether all of the selected unit tests pass; there must be some."""
    fingerprint.cache_clear()  # dbt parses once per state of the project
    results = run_dbt(settings, ["test", "--select", selected])
    if not results:
        raise ValueError(f"{selected}: selects no unit test")
    return all(result.status == "pass" for result in results)


def main() -> None:
    """Make each mistake; print the score and the survivors.

    Raises ValueError if a mutant no longer fits its file, or a test fails without one.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The tests take the types of columns from tables that a run builds.
        settings = Settings(data_dir=Path(folder) / "data")
        feed = builders.csv3(builders.feed(builders.days("2026-01-01", 42)))
        land(builders.write(Path(folder), "feed.csv", feed), settings, as_of=builders.AS_OF)
        pipeline.transform(ingest_all(list_dumps(settings), settings), settings)
        if not passes(settings, "test_type:unit"):
            raise ValueError("a unit test fails without any mistake")
        caught = [noticed(mutant, settings) for mutant in MUTANTS]
    print(f"sql: {sum(caught)} of {len(caught)} caught")


def noticed(mutant: SqlMutant, settings: Settings) -> bool:
    path = PROJECT_ROOT / mutant.path
    right = path.read_text(encoding="utf-8")
    if right.count(mutant.before) != 1:
        raise ValueError(f"{mutant.path}: expected once, found {right.count(mutant.before)} "
                         f"times: {mutant.before}")  # fmt: skip
    of_model = "" if mutant.path.is_relative_to(MACROS) else f"{mutant.path.stem},"
    path.write_text(right.replace(mutant.before, mutant.after), encoding="utf-8")
    try:
        caught = not passes(settings, f"{of_model}test_type:unit")
    finally:
        path.write_text(right, encoding="utf-8")
    line = right[: right.index(mutant.before)].count("\n") + 1
    print(f"{'caught' if caught else 'survived'}: {mutant.path}:{line}: {mutant.before} → "
          f"{mutant.after}", flush=True)  # fmt: skip
    return caught


if __name__ == "__main__":
    main()
