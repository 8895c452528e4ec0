"""Mistakes in the models' SQL: ours, as no maintained tool makes them for dbt."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MODELS = Path("dbt_project/models")
UNIT_TESTS = ("tests/integration/test_dbt.py", "-k", "every_unit_test")
PROPERTIES = ("tests/integration/test_metric_properties.py",)


@dataclass(frozen=True)
class SqlMutant:
    """One textual change of one file, and the tests that must notice it."""

    path: Path
    before: str
    after: str
    tests: tuple[str, ...] = UNIT_TESTS


MACROS = Path("dbt_project/macros")
MUTANTS: list[SqlMutant] = [
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
        "max(period_start) filter (where not is_tie and leads <> led_before)",
        "max(period_start) filter (where leads <> led_before)",
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


def run(folder: Path, environment: dict[str, str]) -> None:
    """Make each mistake in the copy of the project in `folder`; print score and survivors.

    Raises ValueError if a mutant no longer fits its file.
    """
    survivors = []
    for mutant in MUTANTS:
        path = folder / mutant.path
        right = path.read_text(encoding="utf-8")
        if right.count(mutant.before) != 1:
            raise ValueError(f"{mutant.path}: expected once, found {right.count(mutant.before)} "
                             f"times: {mutant.before}")  # fmt: skip
        path.write_text(right.replace(mutant.before, mutant.after), encoding="utf-8")
        try:
            tested = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "-x", *mutant.tests],
                cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False,
            )  # fmt: skip
        finally:
            path.write_text(right, encoding="utf-8")
        if tested.returncode not in (0, 1):
            raise RuntimeError(tested.stdout + tested.stderr)
        said = "survived" if tested.returncode == 0 else "caught"
        print(f"{said}: {mutant.path.name}: {mutant.before} → {mutant.after}", flush=True)
        survivors += [mutant] if tested.returncode == 0 else []
    print(f"sql: {len(MUTANTS) - len(survivors)} of {len(MUTANTS)} caught")
