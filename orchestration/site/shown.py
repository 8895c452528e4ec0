"""What a site says about one of its vintages, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.diff.usage import Difference
from orchestration.errors import safe_text
from orchestration.publication.manifest import Withheld, vintage_time
from orchestration.publication.retention import leader
from orchestration.settings import PRIMARY_SOURCE
from orchestration.words import country, percent, points, tokens

_MOST_ORIGINS = 5


@dataclass(frozen=True)
class Shown:
    """A vintage on the site. `before` is the next older one there, and `difference` what changed
    since then, or why that cannot be said."""

    manifest: dict[str, Any]
    newest_days: Mapping[str, str]
    bytes: int
    is_signed: bool
    has_explorer: bool
    made_for: str
    before: str | None
    difference: Difference | str | None
    holds_request_logs: bool

    @property
    def vintage_id(self) -> str:
        return str(self.manifest["vintage_id"])

    @property
    def folder(self) -> str:
        """Its permanent path on the site."""
        return f"vintages/{self.vintage_id}/"

    @property
    def made_at(self) -> str:
        """When it was made, as its id states it: that was checked, and can be sorted."""
        made = vintage_time(self.vintage_id)
        assert made is not None  # `read_manifest` accepts no other id
        return f"{made:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def newest_day(self) -> str:
        """The newest day of the rankings, or else of any source."""
        days = self.newest_days
        return days.get(PRIMARY_SOURCE) or max(days.values(), default="none")

    @property
    def citations(self) -> list[str]:
        """What must be cited, a line each, without characters that XML cannot hold."""
        return [safe_text(line, 1000) for line in self.manifest["citations"]]

    @property
    def leads(self) -> str:
        """Who leads, with the upper bound; "" if the headline does not say."""
        first = leader(self.manifest)
        try:
            share, high = percent(first["share"]), percent(first["share_high"])
            who, week = country(safe_text(first["origin"])), safe_text(first["period_start"])
            return (
                f"Week of {week}: {who} "
                f"{share} of all tokens, at most {high}, as known then, by the headquarters of "
                "the lab."
            )
        except (KeyError, TypeError, ValueError):
            return ""

    @property
    def changes(self) -> list[str]:
        """What changed, a sentence each."""
        said = [f"Newest day: {self.newest_day}. Made for: {safe_text(self.made_for)}."]
        if self.before is None:
            said.append("The oldest vintage on this site.")
        elif isinstance(self.difference, str):
            said.append(f"Beside {self.before}: {self.difference}.")
        elif self.difference is not None:
            said.append(_changed(self.before, self.difference))
        said += [
            Withheld.model_validate(entry).describe() + "."
            for entry in self.manifest.get("withheld", ())
        ]
        return said

    def entry(self) -> dict[str, Any]:
        """What `index.json` says of it."""
        return {
            "vintage_id": self.vintage_id,
            "made_at": self.made_at,
            "manifest_sha256": self.manifest["manifest_sha256"],
            "data_interface_version": self.manifest.get("data_interface_version"),
            "path": self.folder,
            "bytes": self.bytes,
            "newest_days": dict(self.newest_days),
            "is_signed": self.is_signed,
            "holds_request_logs": self.holds_request_logs,
            "changes": self.changes,
        }


def _changed(before: str, found: Difference) -> str:
    new, gone = len(found.days_only_after), len(found.days_only_before)
    days = f"{new} new day(s)" + (f", {gone} gone" if gone else "")
    if not found.rows_changed:
        return f"Beside {before}: {days}; no figure of the {found.days_compared} common days moved."
    moved = "; ".join(
        ("" if row["source"] == PRIMARY_SOURCE else f"{safe_text(row['source'])}: ")
        + f"{country(safe_text(row['origin']))} {points(row['share_moved'], 4)} points"
        for row in found.origins[:_MOST_ORIGINS]
    )
    return (
        f"Beside {before}: {days}; on the {found.days_compared} common days {found.rows_changed} "
        f"rows differ and {tokens(found.tokens_moved)} tokens moved"
        + (f" ({moved} of these days)." if moved else ".")
    )
