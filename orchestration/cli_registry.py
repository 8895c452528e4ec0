"""`tokenshare registry …`: the commands explain, check and diff, for a terminal and as JSON."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from orchestration.errors import RegistryFindingsError, TokenshareError
from orchestration.registry import View
from orchestration.settings import PRIMARY_SOURCE
from orchestration.terminal import (
    NO_BREAK,
    AsJson,
    DataDir,
    epilog,
    print_json,
    print_notices,
    print_table,
    print_text,
    settings_of,
)

registry_app = typer.Typer(
    no_args_is_help=True,
    help="Whose model is it? What the registry states, what it lacks, and what a change moves.",
    epilog=epilog(
        "tokenshare registry check",
        "tokenshare registry explain deepseek/deepseek-v4-pro-20260423",
        "tokenshare registry diff latest working",
    ),
)

WhichRegistry = Annotated[
    str,
    typer.Option(
        "--registry",
        help="working (the seeds of this checkout), latest, a vintage, or a folder of seeds.",
    ),
]


def _today() -> date:
    return datetime.now(UTC).date()


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _usd(price: Decimal | None) -> str:
    return "" if price is None else f"{price.normalize():f}"


def _period(first: object, until: object) -> str:
    return f"{first or 'always'} → {until or 'open'}"


@registry_app.command(
    epilog=epilog(
        "tokenshare registry explain minimax/minimax-m3-20260531",
        "tokenshare registry explain '~Deepseek/DeepSeek-V4-Pro-20260423:free'",
        "tokenshare registry explain openrouter/hunter-alpha --json",
    )
)
def explain(
    slug: Annotated[
        str,
        typer.Argument(
            help="author/model, in upper or lower case, with or without ~ and a variant such as "
            ":free. The date may be left out if only one dated model has that name."
        ),
    ],
    registry: WhichRegistry = "working",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show everything that is known about a slug, with its evidence.

    Its class, lab, origin under each lens, license and price over time, its stealth reveal, and
    second opinions.
    """
    from orchestration.registry.explain import explain as ask
    from orchestration.registry.registry import find_version

    settings = settings_of(data_dir)
    answer = ask(slug, settings, _today(), find_version(registry, settings))
    print_notices(answer["notices"])
    if as_json:
        print_json(answer)
        return
    _show_now(answer)
    _show_periods(answer)
    _show_evidence(answer)
    _show_prices(answer["prices"])
    _show_opinions(answer["second_opinions"])
    where = f"vintage {answer['vintage']}" if answer["vintage"] else "no vintage"
    print_text(f"\nregistry: {answer['registry']} · usage and prices: {where}", style="dim")


def _show_now(answer: dict[str, Any]) -> None:
    now = answer["today"]
    reason = next((r["reason"] for r in answer["rows"]["unattributed_authors"]), None)
    said = now["identification"] + (f" ({reason})" if reason else "")
    base = f"base by {now['base_lab_id']}" if now["base_lab_id"] else "no base lab in the registry"
    rows = [
        ("class", said, _decided_by(answer)),
        ("lab", f"{now['lab_name']} ({now['lab_id']})" if now["lab_id"] else "", ""),
        ("origin by author_hq", now["headquarters"] or "unidentified", "headquarters"),
        ("origin by base_lineage", now["base_headquarters"] or "unidentified", base),
        # No published table tells it by slug: usage_daily sums over providers.
        ("origin by serving_hq", "not known", "usage_daily does not say who served a slug"),
        ("license", now["license"], _license_name(answer)),
    ]
    rows += [
        (
            "stealth", f"{row['base_slug']} = {row['revealed_as']}",
            f"revealed {_text(row['revealed_on'])}, known from {row['known_from'] or 'always'}",
        )
        for row in answer["stealth"]
    ]  # fmt: skip
    rows += [
        (
            "use", f"{usage['tokens']:,} tokens",
            f"{usage['first_day']} to {usage['last_day']}, {usage['days']} days; "
            f"{_percent(usage['share_of_window'])} of {usage['source']}, "
            f"{_percent(usage['best_month_share'])} of {usage['best_month']:%Y-%m}",
        )
        for usage in answer["usage"]
    ]  # fmt: skip
    print_table(("what", "answer", "from"), rows, f"{answer['slug']}, as known now")


def _decided_by(answer: dict[str, Any]) -> str:
    if answer["rows"]["routers"]:
        return "row of routers.csv"
    if any(row["lab_id"] for row in answer["rows"]["models"]):
        return "row of models.csv"
    if answer["rows"]["authors"]:
        return f"author {answer['author']}"
    return "no row of the registry"


def _license_name(answer: dict[str, Any]) -> str:
    names = [row["license_name"] for row in answer["rows"]["models"] if row["license_name"]]
    return names[-1] if names else ""


def _show_periods(answer: dict[str, Any]) -> None:
    by_view = {
        view: [p for p in answer["periods"] if p["registry_view"] == view]
        for view in ("then", "now")
    }
    said = [
        [{k: v for k, v in p.items() if k != "registry_view"} for p in by_view[v]] for v in by_view
    ]
    if said[0] == said[1]:
        if len(said[0]) < 2:
            return
        views = {"then and now": by_view["now"]}
    else:
        views = {"then": by_view["then"], "now": by_view["now"]}
    print_table(
        ("as known", "days", "class", "lab", "author_hq", "base_lineage", "license"),
        [
            (
                view, f"{p['first_day']} to {p['last_day']}", p["identification"],
                _text(p["lab_id"]), p["headquarters"] or "–", p["base_headquarters"] or "–",
                p["license"],
            )
            for view, periods in views.items()
            for p in periods
        ],
        "\nOver time (days of use, borders of rows, today)",
    )  # fmt: skip


def _show_evidence(answer: dict[str, Any]) -> None:
    """Print blocks instead of a table: the notes are long."""
    found = [(name, row) for name, listed in answer["rows"].items() for row in listed]
    if not found:
        return
    print_text("\nRows of the registry", style="bold")
    for name, row in found:
        facts = [
            _row_facts(name, row),
            _period(row.get("valid_from"), row.get("valid_to")) if "valid_from" in row else None,
            f"known from {row['known_from']}" if row.get("known_from") else None,
            f"checked {row['checked_on']}",
            f"confidence {row['confidence']}" if row.get("confidence") else None,
        ]
        print_text(f"{name}: " + " · ".join(f for f in facts if f), indent=2)
        said = f"says: {row['states']}" if row.get("states") else None
        for text in (row.get("evidence_url"), said, row.get("note")):
            if text:
                print_text(text, indent=6, style="dim")


def _row_facts(table: str, row: dict[str, Any]) -> str:
    if table == "labs":
        return f"{row['lab_name']}: {row['headquarters'] or 'headquarters unknown'}"
    if table == "authors":
        return f"{row['author']} is {row['lab_id']}"
    if table == "models":
        name = f" ({row['license_name']})" if row["license_name"] else ""
        base = (
            f", base {row['base_model'] or 'model'} by {row['base_lab_id']}"
            if row["base_lab_id"]
            else ""
        )
        return f"{row['lab_id'] or 'no lab'}, {row['license'] or 'license unknown'}{name}{base}"
    return _text(row.get("reason")) or "router"


_PRICES_SHOWN = 12


def _show_prices(prices: list[dict[str, Any]]) -> None:
    if not prices:
        return
    print_table(
        ("variant", "valid", ">prompt", ">completion", ">cache read", ">cache write", "source"),
        [
            (
                row["model_permaslug"].partition(":")[2] or "standard",
                _period(row["valid_from"], row["valid_to"]),
                *(
                    _usd(row[kind])
                    for kind in ("prompt", "completion", "input_cache_read", "input_cache_write")
                ),
                row["price_source"],
            )
            for row in prices[-_PRICES_SHOWN:]
        ],
        "\nList price, US dollars per million tokens",
    )
    if (left_out := len(prices) - _PRICES_SHOWN) > 0:
        print_text(f"and {left_out} before these: --json", style="dim")


def _show_opinions(compared: list[dict[str, Any]], title: str = "\nSecond opinions") -> None:
    if not compared:
        return
    rows = []
    for o in compared:
        verdict = o["verdict"] + (f", judged: {o['judgement']}" if o["judgement"] else "")
        rows.append(
            (
                o["subject"], o["field"], o["value"], o["registry_says"] or "–",
                f"{o['opinion_source']} {o['seen_on']}",
                Text(verdict, style="yellow" if verdict == "contradicts" else ""),
            )
        )  # fmt: skip
    columns = ("about", "field", "they say", "registry", "who, when seen", "verdict")
    print_table(columns, rows, title)


@registry_app.command(
    epilog=epilog(
        "tokenshare registry check",
        "tokenshare registry check --strict --max-age-days 90",
        "tokenshare registry check --json | jq '.unmapped[:5]'",
        note="--strict exits 9 if a slug whose author is in no seed has more than 0.1 % of the "
        "tokens of a month, if a contradiction is not judged in "
        "configuration/registry_judgements.yml, or if a row is stale. A bad row, and a "
        "judgement that no longer quotes what both sides state, always exit 9.",
    )
)
def check(
    max_age_days: Annotated[
        int, typer.Option(min=0, help="Evidence that was checked more days ago is stale.")
    ] = 180,
    strict: Annotated[bool, typer.Option("--strict", help="For CI: exit 9 on findings.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Show whole lists, and judged contradictions too.")
    ] = False,
    source: Annotated[
        str, typer.Option(help="The source whose usage is checked.")
    ] = PRIMARY_SOURCE,
    registry: WhichRegistry = "working",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Find bad rows, then show what the registry lacks, largest first.

    A bad row is named with its file, line and column, and with what was expected. The lists:
    unmapped slugs, models without a row, unknown licenses, stale evidence, and contradictions with
    second opinions.
    """
    from orchestration.registry.check import check as look
    from orchestration.registry.registry import find_version

    settings = settings_of(data_dir)
    version = find_version(registry, settings)
    found = look(settings, _today(), max_age_days, source, version)
    print_notices(found["notices"])
    if as_json:
        print_json(found)
    else:
        _show_check(found, everything)
    if found["outdated_judgements"]:
        raise RegistryFindingsError(
            f"{version.judgements}: judge again:\n" + "\n".join(found["outdated_judgements"])
        )
    if strict and found["vintage"] is None:
        raise TokenshareError("--strict needs usage; `tokenshare run` publishes a vintage")
    if strict and found["failures"]:
        raise RegistryFindingsError("the registry needs work: " + "; ".join(found["failures"]))


@registry_app.command(
    epilog=epilog(
        "tokenshare registry draft",
        "tokenshare registry draft --json | jq .slugs",
        note="A draft is never used: it is in the data folder. To accept one, move its line to the "
        "seed, open the address, and fill in license, states and confidence; `tokenshare registry "
        "check` refuses it as it is.",
    )
)
def draft(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Write a draft row for every slug that landed sources name and the registry lacks.

    Each field has what the sources state and the address: the usage of the latest vintage, the
    newest landed catalogue and provider list, and second opinions.
    """
    from orchestration.registry.draft import draft as write

    drafts = write(settings_of(data_dir), _today())
    if as_json:
        print_json({**vars(drafts), "facts": [vars(fact) for fact in drafts.facts]})
        return
    rows = [
        (slug, f"{fact.field}: {fact.value}", f"{fact.source} {fact.seen_on}")
        for slug in drafts.slugs[:_ROWS_SHOWN]
        for fact in drafts.facts
        if fact.slug == slug
    ]
    title = f"Drafts: {len(drafts.slugs)}"
    _print_listed(("slug", "what is stated", "by"), rows, title, everything=True)
    if (left_out := len(drafts.slugs) - _ROWS_SHOWN) > 0:
        print_text(f"and {left_out} more: --json", style="dim")
    print_text(f"authors without a row: {', '.join(drafts.authors) or 'none'}")
    print_text(f"in {drafts.folder}: models.csv, authors.csv, labs.csv, facts.csv")


@registry_app.command(
    epilog=epilog(
        "tokenshare registry audit --sample 40 --seed 7",
        "tokenshare registry audit --keep data/audits/seed-7.csv --name december",
    )
)
def audit(
    sample: Annotated[int, typer.Option(min=1, help="How many rows to draw.")] = 40,
    seed: Annotated[int, typer.Option(help="Draws the same rows again if nothing changed.")] = 1,
    keep: Annotated[
        Path | None, typer.Option(help="A sample with all answers, to be kept and counted.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the audit whose answers are kept.")] = "",
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Draw rows of the registry by tokens for a reader to check, or keep the answers.

    The sample is a CSV file: open each address and fill in answer (confirmed, weak or wrong),
    answered_by and answered_on. With --keep the answers are stored in
    configuration/registry_audits, and the next vintage publishes the error rate with its interval.
    """
    from orchestration.registry import audit as audits

    if keep is not None:
        counted = audits.keep(keep, name)
        if as_json:
            print_json(counted)
            return
        said = ", ".join(f"{counted[answer]} {answer}" for answer in audits.ANSWERS)
        print_text(f"kept {counted['audit']}: {counted['sampled_rows']} rows, {said}")
        return
    settings = settings_of(data_dir)
    path = settings.data_dir / "audits" / f"seed-{seed}.csv"
    drawn = audits.draw(settings, _today(), sample, seed)
    audits.write_sample(path, drawn)
    if as_json:
        print_json({"path": str(path), "rows": drawn})
        return
    rows = [
        (row["seed"], row["registry_row"], row["claim"], f"{row['tokens']:,}")
        for row in drawn[:_ROWS_SHOWN]
    ]
    print_table(("seed", "row", "claims", ">tokens"), rows, f"Rows to check: {len(drawn)}")
    print_text(f"all with their evidence in {path}")


_ROWS_SHOWN = 15


def _show_check(found: dict[str, Any], everything: bool) -> None:
    if found["vintage"]:
        _show_slugs("Unmapped slugs", found["unmapped"], everything)
        _show_slugs(
            "Models without a row that had 0.1 % of a day", found["models_without_row"], everything
        )
        _show_slugs("Unknown license", found["unknown_license"], everything)
        _show_slugs("Lab known, country unknown", found["headquarters_unknown"], everything)
        _show_slugs("Country of the base model unknown", found["base_lineage_unknown"], everything)
    stale = found["stale"]
    title = f"Rows whose evidence is older than {found['max_age_days']} days: {len(stale)}"
    rows = [
        (
            row["registry_table"], row["name"], _text(row["valid_from"]),
            _text(row["checked_on"]), _text(row["age_days"]),
        )
        for row in stale
    ]  # fmt: skip
    columns = ("seed", "row", "valid from", "checked", ">days ago")
    _print_listed(columns, rows, title, everything)
    judged = [o for o in found["contradictions"] if o["judgement"]]
    new = (
        found["contradictions"]
        if everything
        else [o for o in found["contradictions"] if not o["judgement"]]
    )
    title = f"Contradictions with second opinions: {len(found['contradictions'])}"
    _show_opinions(new, f"\n{title}, {len(judged)} of them judged")
    if not new:
        print_text(f"\n{title}, {len(judged)} of them judged", style="bold")
    counts = found["opinions"]
    print_text(
        f"{counts['agrees']} opinions agree; on {counts['silent']} the registry states nothing "
        "(--json lists them)", style="dim",
    )  # fmt: skip
    where = f"{found['source']} of vintage {found['vintage']}" if found["vintage"] else "none"
    print_text(f"\nregistry: {found['registry']} · usage: {where}", style="dim")


def _show_slugs(title: str, slugs: list[dict[str, Any]], everything: bool) -> None:
    share = sum(slug["share_of_window"] for slug in slugs)
    title = f"{title}: {len(slugs)}, together {share:.2%} of all tokens"
    rows = [
        (
            slug["base_slug"], slug["left_unmapped_because"] or slug["identification"],
            _percent(slug["share_of_window"]), _percent(slug["best_day_share"]),
            _percent(slug["best_month_share"]), f"{slug['best_month']:%Y-%m}",
            _text(slug["last_day"]),
        )
        for slug in slugs
    ]  # fmt: skip
    columns = ("slug", "class", ">of all", ">best day", ">best month", "month", "last day")
    _print_listed(columns, rows, title, everything)


def _print_listed(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str,
    everything: bool = False,
) -> None:
    """Print the first rows of a table, or all; without rows only its title."""
    if not rows:
        print_text(f"\n{title}", style="bold")
        return
    shown = rows if everything else rows[:_ROWS_SHOWN]
    print_table(columns, shown, f"\n{title}")
    if left_out := len(rows) - len(shown):
        print_text(f"and {left_out} more: --all", style="dim")


@registry_app.command(
    epilog=epilog(
        "tokenshare registry diff",
        "tokenshare registry diff 20261124T12 latest",
        "tokenshare registry diff old/dbt_project/seeds working --view then --json",
    )
)
def diff(
    a: Annotated[
        str,
        typer.Argument(
            help="A vintage (its id, the start of its id, its folder, or `latest`), a folder of "
            "seeds, or `working`: the seeds of this checkout."
        ),
    ] = "latest",
    b: Annotated[str, typer.Argument(help="The version to compare it with.")] = "working",
    view: Annotated[
        View,
        typer.Option(
            help="Compare both as known today (now), or as known on each day of use (then), which "
            "is the default of a run.",
        ),
    ] = "now",
    source: Annotated[
        str, typer.Option(help="The source whose usage is counted.")
    ] = PRIMARY_SOURCE,
    everything: Annotated[bool, typer.Option("--all", help="Show whole lists.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what differs between two versions of the registry.

    Rows, and the share points that they move by lens, origin and license, on the usage of the
    latest vintage.
    """
    from orchestration.diff.registry import diff as compare

    found = compare(a, b, settings_of(data_dir), _today(), view, source)
    print_notices(found["notices"])
    if as_json:
        print_json(found)
        return
    _show_row_changes(found, everything)
    if found["vintage"]:
        _show_moves(found, everything)
    where = f"{found['source']} of vintage {found['vintage']}" if found["vintage"] else "none"
    print_text(
        f"\nA: {found['a']['version']} · B: {found['b']['version']} · as known "
        f"{found['view']} · usage: {where}",
        style="dim",
    )


_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def _show_row_changes(found: dict[str, Any], everything: bool) -> None:
    changes = found["rows"]
    counts = ", ".join(f"{sum(c['change'] == what for c in changes)} {what}" for what in _SIGNS)
    title = f"Rows from A to B: {counts}"
    rows = []
    for change in sorted(changes, key=_is_minor_change):
        since = f" from {change['valid_from']}" if change["valid_from"] else ""
        known = f", known from {change['known_from']}" if change["known_from"] else ""
        rows.append(
            (
                _SIGNS[change["change"]], change["table"], f"{change['name']}{since}{known}",
                _what_changed(change),
            )
        )  # fmt: skip
    _print_listed(("", "seed", "row", "what"), rows, title, everything)


# Columns with the evidence of a row; they are shown only if nothing else differs.
_PROVENANCE = ("evidence_url", "states", "checked_on", "note")


_MINOR_COLUMNS = {*_PROVENANCE, "aliases", "confidence", "license_name", "lab_name", "base_model"}


def _is_minor_change(change: dict[str, Any]) -> bool:
    """Does the change leave the answer for every day as it was? Such rows are listed last."""
    return change["change"] == "changed" and set(change["columns"]) <= _MINOR_COLUMNS


def _what_changed(change: dict[str, Any]) -> str:
    side = 0 if change["change"] == "removed" else 1
    said = {c: v for c, v in change["columns"].items() if c not in _PROVENANCE}
    if change["change"] == "changed":
        parts = [
            f"{c}: {_text(old) or 'empty'} → {_text(new) or 'empty'}"
            for c, (old, new) in said.items()
        ]
        return "; ".join(parts) or ", ".join(change["columns"]) + " only"
    shown = ("lab_id", "headquarters", "license", "base_lab_id", "revealed_as", "reason")
    return ", ".join(f"{c} {said[c][side]}" for c in shown if c in said and said[c][side])


def _show_moves(found: dict[str, Any], everything: bool) -> None:
    shares = found["shares"]
    title = "Share points moved over the whole window"
    if not shares:
        print_text(f"\n{title}: none", style="bold")
        return
    print_table(
        ("cut", "value", ">A", ">B", ">points", "months most affected"),
        [
            (
                row["cut"], row["value"], _percent(row["old_share"]), _percent(row["new_share"]),
                f"{row['points']:+.3f}",
                ", ".join(
                    f"{m['month']:%Y-%m}{NO_BREAK}{m['points']:+.2f}" for m in row["months"]
                ),
            )
            for row in shares
        ],
        f"\n{title}",
    )  # fmt: skip
    slugs = found["slugs"]
    rows = [
        (
            slug["cut"], slug["base_slug"], slug["old_value"], slug["new_value"],
            f"{slug['points']:.3f}", f"{slug['first_day']} to {slug['last_day']}",
        )
        for slug in slugs
    ]  # fmt: skip
    _print_listed(
        ("cut", "slug", "from", "to", ">points", "days"),
        rows,
        f"Slugs that moved: {len({s['base_slug'] for s in slugs})}",
        everything,
    )
