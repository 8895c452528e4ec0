"""Everything that is known about one slug, with its evidence."""

import difflib
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.errors import TokenshareError, VerificationError, safe_text
from orchestration.registry import opinions
from orchestration.registry.attribution import attribute
from orchestration.registry.registry import (
    PRICE_SEED,
    SEEDS_DIR,
    WORKING,
    Version,
    latest_tables,
    load,
    load_table,
)
from orchestration.settings import Settings
from orchestration.tables import parquet, restrict_file_access, rows

if TYPE_CHECKING:
    import duckdb

# Dates that may follow a name of the catalogue: -20260423, -2025-08-07, -04-28, -0528.
_DATE_SUFFIX = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{2}|\d{4})")
_DATE_SUFFIX_AT_END = re.compile(_DATE_SUFFIX.pattern + "$")
_ANSWER = (
    "identification", "lab_id", "lab_name", "headquarters", "base_lab_id", "base_headquarters",
    "license",
)  # fmt: skip

# The base slug of a permaslug, as in stg_usage.
_BASE = "split_part(lower(regexp_replace(model_permaslug, '^~', '')), ':', 1)"

# Days on which an answer may change: days of use, the first and last days of the rows that concern
# the slug, and today.
_SLUG_DAYS = """
    create table slug_days as
    with days as (
        select usage_date from usage
        union select unnest([valid_from, valid_to, known_from, revealed_on])
            from registry.models where base_slug = $slug
        union select unnest([valid_from, valid_to, known_from])
            from registry.authors where author = $author
        union select unnest([valid_from, valid_to, known_from]) from registry.labs
            where lab_id in (
                select lab_id from registry.models where base_slug = $slug
                union select base_lab_id from registry.models where base_slug = $slug
                union select lab_id from registry.authors where author = $author
            )
        union select $today
    )
    select
        usage_date,
        $slug as base_slug,
        $author as author,
        usage_date in (select usage_date from days) as is_shown
    from (
        select usage_date from days
        union select seen_on from registry.second_opinions where subject = $slug
    )
    where usage_date is not null
"""

_PERIODS = """
    with answers as (
        select *, {answer} as answer, lag({answer}) over views as before
        from registry.attribution
        where usage_date in (select usage_date from slug_days where is_shown)
        window views as (partition by registry_view order by usage_date)
    ),
    numbered as (
        select
            *,
            sum(cast(answer is distinct from before as integer)) over (
                partition by registry_view order by usage_date
            ) as number
        from answers
    )
    select
        registry_view,
        min(usage_date) as first_day,
        max(usage_date) as last_day,
        {columns}
    from numbered
    group by registry_view, number
    order by registry_view, first_day
"""

_PRICES = """
    with prices as (
        select * from price_history where {base} = $slug
    ),
    cuts as (
        select model_permaslug, valid_from as day from prices
        union select model_permaslug, valid_to as day from prices where valid_to is not null
    ),
    spans as (
        select *, lead(day) over (partition by model_permaslug order by day) as until from cuts
    )
    select
        spans.model_permaslug,
        spans.day as valid_from,
        spans.until as valid_to,
        {kinds},
        string_agg(distinct prices.price_source, ' ' order by prices.price_source) as price_source
    from spans
    inner join prices
        on spans.model_permaslug = prices.model_permaslug
        and prices.valid_from <= spans.day
        and (prices.valid_to is null or spans.day < prices.valid_to)
    group by all
    order by spans.model_permaslug, spans.day
"""
_KINDS = ("prompt", "completion", "input_cache_read", "input_cache_write")

_USAGE = """
    with daily as (
        select usage_date, sum(tokens) as all_tokens from all_usage
        where source = $source group by usage_date
    ),
    mine as (
        select usage_date, sum(tokens) as tokens from usage
        where source = $source group by usage_date
    ),
    joined as (
        select
            daily.usage_date,
            date_trunc('month', daily.usage_date)::date as month,
            mine.usage_date is not null as used,
            coalesce(mine.tokens, 0) as tokens,
            daily.all_tokens
        from daily left join mine using (usage_date)
    ),
    months as (
        select month, sum(tokens) / sum(all_tokens) as share from joined group by month
    )
    select
        cast(sum(tokens) as bigint) as tokens,
        cast(sum(tokens) / sum(all_tokens) as double) as share_of_window,
        count(*) filter (where used) as days,
        min(usage_date) filter (where used) as first_day,
        max(usage_date) filter (where used) as last_day,
        (select cast(max(share) as double) from months) as best_month_share,
        (select max_by(month, share) from months) as best_month
    from joined
"""


def normalized(asked: str) -> str:
    """The base slug of a slug in any case, without `~` and variant, as in stg_usage."""
    return asked.strip().lower().removeprefix("~").split(":", 1)[0]


def explain(
    asked: str, settings: Settings, today: date, version: Version = WORKING
) -> dict[str, Any]:
    """Everything that registry, prices, usage and second opinions state about a slug.

    Raises TokenshareError, which suggests similar slugs, if the slug is unknown.
    """
    import duckdb

    latest = latest_tables(settings)
    with duckdb.connect() as connection:
        notices = load(connection, version, "registry")
        _create_views(connection, latest[1] if latest else None)
        slug = _resolve(connection, asked)
        author = slug.split("/", 1)[0]
        if slug != normalized(asked):
            notices.append(f"{normalized(asked)} is the undated name of {slug}")
        if latest is None:
            notices.append("nothing is published yet: seeds only, no usage")
        names = {"slug": slug, "author": author}
        connection.execute(
            "create table usage as select * from all_usage where base_slug = ?", [slug]
        )
        connection.execute(_SLUG_DAYS, {**names, "today": today})
        attribute(connection, "registry", "slug_days", today)
        answer = f"struct_pack({', '.join(f'{c} := {c}' for c in _ANSWER)})"
        periods = rows(
            connection,
            _PERIODS.format(
                answer=answer, columns=", ".join(f"any_value({c}) as {c}" for c in _ANSWER)
            ),
        )
        (current,) = rows(
            connection,
            "select * from registry.attribution where usage_date = ? and registry_view = 'now'",
            [today],
        )
        used = _rows_behind(connection, slug, author)
        return {
            "slug": slug,
            "asked": asked,
            "author": author,
            "today": current,
            "periods": periods,
            "rows": used,
            "stealth": rows(
                connection,
                "select base_slug, lab_id, revealed_as, revealed_on, known_from, evidence_url "
                "from registry.models where revealed_as is not null "
                "and (base_slug = $1 or revealed_as = $1) order by all",
                [slug],
            ),
            "prices": rows(
                connection,
                _PRICES.format(
                    base=_BASE,
                    kinds=", ".join(
                        f"max(usd_per_million_tokens) filter (where price_kind = '{k}') as {k}"
                        for k in _KINDS
                    ),
                ),
                {"slug": slug},
            ),
            "usage": [
                {"source": source, **figures}
                for (source,) in connection.execute(
                    "select distinct source from usage order by all"
                ).fetchall()
                for figures in rows(connection, _USAGE, {"source": source})
            ],
            "second_opinions": opinions.compare(
                connection,
                "registry",
                today,
                version.judgements,
                subjects=(slug, *{row["lab_id"] for row in used["labs"]}),
                attributed=True,
            ),
            "registry": version.label,
            "vintage": latest[0] if latest else None,
            "notices": notices,
        }


def _create_views(connection: "duckdb.DuckDBPyConnection", tables: Path | None) -> None:
    """Create `all_usage` and `price_history` from the vintage; without one, from the price seed and
    without usage."""
    import duckdb

    usage = tables / "usage_daily.parquet" if tables else None
    prices = tables / "price_history.parquet" if tables else None
    usage, prices = (p if p and p.exists() else None for p in (usage, prices))
    try:
        if usage:
            connection.execute(f"create view all_usage as select * from {parquet(usage)}")
        else:
            connection.execute(
                "create table all_usage (source varchar, usage_date date, base_slug varchar, "
                "author varchar, tokens bigint)"
            )
        load_table(connection, prices or SEEDS_DIR / "price_seed.csv", "price_history", PRICE_SEED)
    except duckdb.Error as error:
        raise VerificationError(f"{tables}: cannot be read: {safe_text(error)}") from error
    restrict_file_access(connection, [usage] if usage else [])


def _resolve(connection: "duckdb.DuckDBPyConnection", asked: str) -> str:
    """The slug that is meant: the same one, or the only dated slug of an undated name."""
    known: set[str] = {
        slug
        for (slug,) in connection.execute(
            "select base_slug from registry.models union select base_slug from registry.routers "
            f"union select base_slug from all_usage union select {_BASE} from price_history"
        ).fetchall()
    }
    slug = normalized(asked)
    if slug in known:
        return slug
    dated = sorted(
        k for k in known if k.startswith(slug) and _DATE_SUFFIX.fullmatch(k[len(slug) :])
    )
    if len(dated) == 1:
        return dated[0]
    near = dated or _near(slug, known)
    hint = f"; did you mean {', '.join(near)}?" if near else ""
    what = "is the name of several models" if dated else "is not in the registry, usage or prices"
    raise TokenshareError(f"{asked!r} {what}; expected author/model{hint}")


def _near(slug: str, known: set[str]) -> list[str]:
    """Slugs that begin with this one or, if there are none, similar ones, dates aside."""
    begin = sorted(k for k in known if k.startswith(slug)) if len(slug) > 3 else []
    if begin:
        return begin[:5]
    undated: dict[str, list[str]] = {}
    for k in sorted(known):
        undated.setdefault(_DATE_SUFFIX_AT_END.sub("", k), []).append(k)
    alike = difflib.get_close_matches(slug, undated, n=5, cutoff=0.7)
    # Without its author, or with the wrong one.
    tail = slug.split("/", 1)[-1]
    tails = {u.split("/", 1)[-1]: u for u in undated}
    alike += [tails[t] for t in difflib.get_close_matches(tail, tails, n=3, cutoff=0.8)]
    # claude-sonnet-4.5 is claude-4.5-sonnet: catalogue and usage have words in another order.
    same_words = [u for u in undated if _words(u) == _words(slug)]
    return [k for u in dict.fromkeys(same_words + alike) for k in undated[u]][:5]


def _words(slug: str) -> list[str]:
    return sorted(re.findall(r"[a-z]+|[0-9]+(?:\.[0-9]+)*", slug))


def _rows_behind(
    connection: "duckdb.DuckDBPyConnection", slug: str, author: str
) -> dict[str, list[dict[str, Any]]]:
    """The rows of the registry that concern this slug, by table."""
    behind = {
        "models": ("base_slug = $slug", "valid_from nulls first, known_from nulls first"),
        "authors": (
            "author = $author and $author not in ('openrouter', 'stealth')",
            "valid_from nulls first, known_from nulls first",
        ),
        "labs": (
            "lab_id in (select lab_id from registry.attribution "
            "union select base_lab_id from registry.attribution)",
            "lab_id, valid_from nulls first, known_from nulls first",
        ),
        "routers": ("base_slug = $slug", "base_slug"),
        "unattributed_authors": ("author = $author", "author"),
    }
    found = {}
    for table, (condition, order) in behind.items():
        used = {k: v for k, v in {"slug": slug, "author": author}.items() if f"${k}" in condition}
        found[table] = rows(
            connection,
            f"select * from registry.{table} where {condition} order by {order}",
            used,
        )
    return found
