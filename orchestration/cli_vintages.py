"""`tokenshare vintages …`: what is published and kept, and going back to an earlier vintage."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestration.errors import VerificationError, safe_text
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

if TYPE_CHECKING:
    from orchestration.diff.usage import Difference
    from orchestration.publication.retention import Kept
    from orchestration.settings import Settings

vintages_app = typer.Typer(
    no_args_is_help=True,
    help="What is published: list and compare vintages, keep them or let them go, and go back to "
    "an earlier one. A vintage is named by its id or the start of its id.",
    epilog=epilog(
        "tokenshare vintages list",
        "tokenshare vintages pin 20261128T02 --reason 'quoted in an article'",
        "tokenshare vintages rollback 20261127 --reason 'wrong prices'",
    ),
)

Name = Annotated[
    str, typer.Argument(help="A vintage: its id, the start of its id, its folder, or `latest`.")
]
Reason = Annotated[
    str, typer.Option("--reason", help="Why; published/history.jsonl keeps it, with the time.")
]
_MB = 10**6


def _described(kept: "Kept", settings: "Settings") -> dict[str, Any]:
    """What `list` shows of one vintage; `problem` replaces what a damaged one cannot state."""
    from orchestration.publication.freshness import newest_days
    from orchestration.publication.manifest import read_manifest
    from orchestration.publication.retention import folder_bytes, leader, made_for

    shown: dict[str, Any] = {
        "vintage_id": kept.vintage_id,
        "bytes": folder_bytes(kept.path),
        "kept": list(kept.why),
        "pinned": any(why.startswith("pinned") for why in kept.why),
    }
    try:
        manifest = read_manifest(kept.path)
        newest = newest_days(kept.path, manifest)
    except VerificationError as error:
        return {**shown, "problem": str(error)}
    first = leader(manifest)
    return {
        **shown,
        "created_at": manifest.get("created_at"),
        "newest_days": {source: day.isoformat() for source, day in sorted(newest.items())},
        "leader": {k: first.get(k) for k in ("origin", "period_start", "share", "share_high")},
        "made_for": made_for(manifest, settings),
        "manifest_sha256": manifest["manifest_sha256"],
    }


@vintages_app.command(
    "list",
    epilog=epilog("tokenshare vintages list", "tokenshare vintages list --json"),
)
def list_vintages(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the vintages, newest first: the newest day of the rankings, the leading origin of the
    newest week as known then, the size, what the vintage was made for, and why it is kept.

    A vintage without a reason in the last column is deleted by the next prune.
    """
    from orchestration.publication.retention import plan
    from orchestration.settings import PRIMARY_SOURCE

    settings = settings_of(data_dir)
    found = [_described(kept, settings) for kept in plan(settings, even_if_damaged=True)]
    if as_json:
        print_json({"vintages": found})
        return
    rows = []
    for one in found:
        first = one.get("leader") or {}
        share = f"{first['origin']} {first['share']:.1%}" if first.get("share") else ""
        rows.append(
            (
                one["vintage_id"],
                one.get("newest_days", {}).get(PRIMARY_SOURCE, ""),
                safe_text(share),
                f"{one['bytes'] / _MB:.1f}",
                safe_text(one.get("made_for", "damaged: see --json")),
                "; ".join(one["kept"]) or "– (the next prune deletes it)",
            )
        )
    print_table(("vintage", "newest day", "leader", ">MB", "made for", "kept for"), rows)
    total = sum(one["bytes"] for one in found)
    print_text(f"{len(found)} vintage(s), {total / _MB:,.1f}{NO_BREAK}MB")


@vintages_app.command(epilog=epilog("tokenshare vintages diff 20261127 latest --limit 5"))
def diff(
    before: Name,
    after: Name = "latest",
    limit: Annotated[int, typer.Option(min=0, help="Rows to show; --json prints all.")] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what changed between two vintages, as `tokenshare diff` does."""
    from orchestration.diff.usage import compare_vintages
    from orchestration.publication.manifest import find_vintage

    settings = settings_of(data_dir)
    found = compare_vintages(find_vintage(before, settings), find_vintage(after, settings))
    print_difference(found, limit, as_json)


@vintages_app.command(
    epilog=epilog("tokenshare vintages pin 20261128T02 --reason 'quoted in an article'")
)
def pin(name: Name, reason: Reason, data_dir: DataDir = None) -> None:
    """Keep a vintage for ever, for example because somebody quotes it."""
    from orchestration import pipeline

    print_text(f"pinned {pipeline.pin_vintage(name, reason, settings_of(data_dir), pinned=True)}")


@vintages_app.command(
    epilog=epilog("tokenshare vintages unpin 20261128T02 --reason 'the article is gone'")
)
def unpin(name: Name, reason: Reason, data_dir: DataDir = None) -> None:
    """Take a pin away. The vintage then lives as long as any other of its age."""
    from orchestration import pipeline

    settings = settings_of(data_dir)
    print_text(f"unpinned {pipeline.pin_vintage(name, reason, settings, pinned=False)}")


@vintages_app.command(epilog=epilog("tokenshare vintages prune", "tokenshare vintages prune --yes"))
def prune(
    yes: Annotated[
        bool, typer.Option("--yes", help="Delete them; without it, they are only listed.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Delete old vintages. Kept are the latest one and what is newer, pinned ones, all younger than
    TOKENSHARE_KEEP_VINTAGES_DAYS (30), the newest of each week for a year, and the newest of each
    month for ever.

    A run that publishes does the same, unless TOKENSHARE_PRUNE_AFTER_RUN is false. Dumps are never
    deleted. A reader who has opened files of a vintage keeps them until they are closed.
    """
    from orchestration import pipeline

    pruned, notices = pipeline.prune_vintages(settings_of(data_dir), dry_run=not yes)
    print_notices([*notices, *pruned.notices])
    if as_json:
        print_json({"deleted": yes, "vintages": list(pruned.vintage_ids), "bytes": pruned.bytes})
        return
    for vintage_id in pruned.vintage_ids:
        print_text(f"{'deleted' if yes else 'would delete'} {vintage_id}")
    what = "deleted" if yes else "to delete; --yes deletes them"
    size = f"{pruned.bytes / _MB:,.1f}{NO_BREAK}MB"
    print_text(f"{len(pruned.vintage_ids)} vintage(s), {size} {what}")


@vintages_app.command(
    epilog=epilog("tokenshare vintages rollback 20261127 --reason 'prices were wrong'")
)
def rollback(name: Name, reason: Reason, data_dir: DataDir = None) -> None:
    """Make latest.json name another vintage, which is verified first.

    A run on the same dumps and code leaves it so. The next run with anything new compares with this
    vintage and publishes again: remove or correct what was wrong before. The vintage that is left
    stays where it is; the same command goes forward to it again.
    """
    from orchestration import pipeline

    vintage_id, before, notices = pipeline.roll_back_to(name, reason, settings_of(data_dir))
    print_notices(notices)
    print_text(f"latest.json names {vintage_id} now, before: {before or 'nothing readable'}")


def print_difference(found: "Difference", limit: int, as_json: bool) -> None:
    """Print a difference between two vintages or dumps, with so many of its rows."""
    if as_json:
        print_json(asdict(found))
        return
    print_text(
        f"{found.before.kind} {found.before.name} (as of {found.before.as_of}) → "
        f"{found.after.name} (as of {found.after.as_of})\n"
        f"{found.days_compared} days in both, {found.first_day} to {found.last_day}; "
        f"{len(found.days_only_before)} only in the first, "
        f"{len(found.days_only_after)} only in the second"
    )
    for side in (found.before, found.after):
        if side.withheld:
            print_text(f"withheld from {side.name}: {', '.join(side.withheld)}")
    if not found.rows_changed:
        print_text("no row differs on these days")
        return
    print_text(
        f"{found.rows_changed} rows differ, {found.tokens_moved:,} tokens moved: "
        f"{found.tokens_before:,} → {found.tokens_after:,}\n"
    )
    print_table(
        ("source", "origin", ">tokens before", ">after", ">change", ">share before", ">after",
         ">points"),
        [
            (
                safe_text(row["source"]),
                safe_text(row["origin"]),
                *(f"{row[k]:,}" for k in ("tokens_before", "tokens_after")),
                f"{row['tokens_changed']:+,}",
                *(f"{row[k]:.3%}" for k in ("share_before", "share_after")),
                f"{100 * row['share_moved']:+.4f}",
            )
            for row in found.origins
        ],
        "By origin, over all days that are in both",
    )  # fmt: skip
    if shown := found.rows[:limit]:
        print_table(
            ("day", "model", "origin", ">tokens before", ">after", ">change", ">relative",
             ">points"),
            map(_row_cells, shown),
            f"\nBy day and model, {len(shown)} of {found.rows_changed}; points of the day",
        )  # fmt: skip


def _row_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """What `print_difference` shows of a day and model."""
    origin = row["origin_after"] or row["origin_before"]
    if row["origin_before"] and row["origin_after"] and origin != row["origin_before"]:
        origin = f"{row['origin_before']} → {origin}"
    relative = row["relative_change"]
    return (
        f"{row['usage_date']}",
        safe_text(row["model_permaslug"]),
        safe_text(origin),
        *(f"{row[k]:,}" for k in ("tokens_before", "tokens_after")),
        f"{row['tokens_changed']:+,}",
        "new" if relative is None else f"{relative:+.3%}",
        f"{100 * (row['share_after'] - row['share_before']):+.4f}",
    )
