"""Read and check `configuration/rule_sets.yml` and `configuration/claims/*.yml`.

docs/method.md explains what the entries mean. The dbt models compute their results.
"""

from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationInfo, model_validator

from orchestration.configuration.files import SourceName, Strict, Text, read
from orchestration.errors import TokenshareError
from orchestration.settings import CONFIGURATION_DIR, PRIMARY_SOURCE

RULE_SETS_FILE = CONFIGURATION_DIR / "rule_sets.yml"
CLAIMS_DIR = CONFIGURATION_DIR / "claims"
DEFAULT_RULE_SET = "all_rows"

Universe = Literal["all", "identified_only", "top_n", "labs"]
Denominator = Literal["universe", "all_rows"]
Lens = Literal["author_hq", "base_lineage"]
WindowKind = Literal[
    "day",
    "iso_week",
    "trailing_7d",
    "trailing_30d",
    "month_sum",
    "month_mean_of_weeks",
    "year",
    "span",
    "span_mean_of_weeks",
    "span_max_of_weeks",
    "span_min_of_weeks",
]
# Kinds of window that are searched for any claim. A span is used only if a claim states it.
SEARCHED_KINDS: tuple[WindowKind, ...] = (
    "day",
    "iso_week",
    "trailing_7d",
    "trailing_30d",
    "month_sum",
    "month_mean_of_weeks",
    "year",
)
Metric = Literal[
    "share",
    "tokens",
    "lead",
    "first_lead_date",
    "license_share",
    "price_gap",
    "price_quality",
    "none",
]
Unit = Literal["percent", "trillion_tokens", "date", "none"]
_UNITS: dict[str, tuple[str, ...]] = {
    "share": ("percent",),
    "license_share": ("percent",),
    "tokens": ("trillion_tokens",),
    "lead": ("trillion_tokens",),
    "first_lead_date": ("date",),
    "price_gap": ("percent",),
    "price_quality": ("percent",),
    "none": ("none", "percent", "trillion_tokens"),
}
_PAIRED = ("lead", "first_lead_date", "price_gap", "price_quality")
_EXTREMES = ("span_max_of_weeks", "span_min_of_weeks")
# Who asks: a publisher, or we. A question of our own is never shown as somebody else's claim.
AskedBy = Literal["publisher", "us"]
OURSELVES = "tokenshare"
# The percentage of `claim_90_80` in the table price_quality; the metric price_quality reads it.
PRICE_QUALITY_CLAIM = 80

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Origin = Annotated[str, StringConstraints(pattern=r"^([A-Z]{2}|unidentified)$")]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._/-]*$")]
Identification = Literal["attributed", "tail", "stealth", "router", "unmapped"]
License = Literal["open_weight", "closed", "unknown"]


class Excluded(Strict):
    """What a group leaves out although its other terms would include it."""

    origins: tuple[Origin, ...] = ()
    labs: tuple[Slug, ...] = ()
    authors: tuple[Slug, ...] = ()


class Group(Strict):
    """The rows whose share is measured: those that match any term and, if licenses are given, one
    of the licenses."""

    origins: tuple[Origin, ...] = ()
    labs: tuple[Slug, ...] = ()
    authors: tuple[Slug, ...] = ()
    models: tuple[Slug, ...] = ()
    identifications: tuple[Identification, ...] = ()
    licenses: tuple[License, ...] = ()
    excludes: Excluded = Excluded()

    def terms(self) -> Iterator[tuple[str, str, bool]]:
        """(attribute, value, excluded) for the working database; `any` if there are no terms."""
        for attribute in ("origin", "lab", "author", "model", "identification", "license"):
            for value in getattr(self, f"{attribute}s"):
                yield attribute, value, False
        if not any((self.origins, self.labs, self.authors, self.models, self.identifications)):
            yield "any", "", False
        for attribute in ("origin", "lab", "author"):
            for value in getattr(self.excludes, f"{attribute}s"):
                yield attribute, value, True


class RuleSet(Strict):
    """How a publisher counts."""

    rule_set: Name
    description: Text
    universe: Universe = "all"
    top_n: Annotated[int, Field(ge=1, le=1000)] | None = None
    top_of: Literal["rows", "base_models"] | None = None
    labs: tuple[Slug, ...] = ()
    denominator: Denominator = "universe"
    lens: Lens = "author_hq"
    registry_view: Literal["then", "now"] = "then"
    free_variants: Literal["included", "excluded"] = "included"
    windows: Annotated[tuple[WindowKind, ...], Field(min_length=1)] = SEARCHED_KINDS
    groups: dict[str, Group] = Field({})
    only_own_groups: bool = False

    @model_validator(mode="after")
    def _universe_is_complete(self) -> "RuleSet":
        top = self.universe == "top_n"
        if top != (self.top_n is not None) or top != (self.top_of is not None):
            raise ValueError(
                "top_n and top_of are required with universe top_n and not allowed with any other"
            )
        if (self.universe == "labs") != bool(self.labs):
            raise ValueError("labs are required with universe labs and not allowed with any other")
        if self.only_own_groups and not self.groups:
            raise ValueError("only_own_groups needs groups")
        return self


class RuleSets(Strict):
    """The file: groups that every rule set has, and the rule sets."""

    groups: dict[str, Group]
    rule_sets: tuple[RuleSet, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> "RuleSets":
        names = [r.rule_set for r in self.rule_sets]
        if twice := sorted({n for n in names if names.count(n) > 1}):
            raise ValueError(f"rule_set {', '.join(twice)} is defined more than once")
        if DEFAULT_RULE_SET not in names:
            raise ValueError(f"rule_set {DEFAULT_RULE_SET}, the default of claims, is missing")
        return self

    def groups_of(self, rule_set: RuleSet) -> dict[str, Group]:
        """The groups of a rule set: the shared ones, and its own, which replace those of the same
        name."""
        return rule_set.groups if rule_set.only_own_groups else {**self.groups, **rule_set.groups}


class Window(Strict):
    """The period that a statement is about. `end` is its last day; only the span kinds state it."""

    kind: WindowKind
    start: date
    end: date | None = None

    @model_validator(mode="after")
    def _fits_its_kind(self) -> "Window":
        if self.kind.startswith("span") != (self.end is not None):
            raise ValueError(
                "end is required with the kinds that begin with span; other kinds imply it"
            )
        if self.end is not None and self.end < self.start:
            raise ValueError(f"end {self.end} is before start {self.start}")
        if self.kind == "iso_week" and self.start.weekday() != 0:
            raise ValueError(f"an iso_week starts on a Monday; {self.start} is not a Monday")
        if self.kind.startswith("month") and self.start.day != 1:
            raise ValueError(f"a month starts on the first, not on {self.start}")
        if self.kind == "year" and (self.start.month, self.start.day) != (1, 1):
            raise ValueError(f"a year starts on January 1, not on {self.start}")
        return self


class Claim(Strict):
    """One published figure, one statement without a figure, or one question of our own."""

    claim_id: Name
    statement_id: Name
    statement: Text
    asked_by: AskedBy = "publisher"
    published_by: Text
    published_on: date | None = None
    url: Annotated[str, StringConstraints(pattern=r"^https?://\S+$")] | None = None
    source: SourceName = PRIMARY_SOURCE
    metric: Metric
    group: str | None = None
    over: str | None = None
    rule_set: Name = DEFAULT_RULE_SET
    rules_are_stated: bool = False
    window: Window | None = None
    window_is_stated: bool = True
    published_value: float | None = None
    published_date: date | None = None
    unit: Unit = "none"
    tolerance: Annotated[float, Field(ge=0)] | None = None
    tolerance_above: Annotated[float, Field(ge=0)] | None = None
    comparison: Literal["equals", "at_least", "above", "below"] = "equals"
    measurable: bool = True
    reason: Text | None = None
    note: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _ours_has_no_publisher(cls, entry: Any) -> Any:
        if not isinstance(entry, dict) or entry.get("asked_by") != "us":
            return entry
        if foreign := [n for n in ("published_by", "published_on", "url") if n in entry]:
            raise ValueError(
                f"asked_by us does not allow {', '.join(foreign)}: nobody published the question"
            )
        return {**entry, "published_by": OURSELVES}

    @model_validator(mode="after")
    def _references_exist(self, info: ValidationInfo) -> "Claim":
        groups: dict[str, dict[str, Group]] | None = (info.context or {}).get("groups")
        if groups is None:
            return self
        if self.rule_set not in groups:
            raise ValueError(f"rule_set = {self.rule_set!r}: expected one of {', '.join(groups)}")
        known = groups[self.rule_set]
        for field, value in (("group", self.group), ("over", self.over)):
            if value is not None and value not in known:
                raise ValueError(
                    f"{field} = {value!r}: expected a group of rule set {self.rule_set}: "
                    f"{', '.join(known)}"
                )
        return self

    @model_validator(mode="after")
    def _fields_fit_the_metric(self) -> "Claim":
        if self.measurable == (self.reason is not None):
            raise ValueError(
                "a reason is required with measurable: false and not allowed otherwise"
            )
        if self.unit not in _UNITS[self.metric]:
            raise ValueError(
                f"unit = {self.unit!r}: expected one of {', '.join(_UNITS[self.metric])} for "
                f"metric {self.metric}"
            )
        if not self.measurable:
            return self
        if self.metric == "none":
            raise ValueError("metric none needs measurable: false and a reason")
        needed: dict[str, object] = {"group": self.group}
        if self.comparison in ("equals", "at_least"):
            needed["tolerance"] = self.tolerance
        elif self.tolerance is not None:
            raise ValueError(
                f"comparison {self.comparison} does not allow a tolerance: the bounds decide"
            )
        if self.tolerance is None and self.tolerance_above is not None:
            raise ValueError("tolerance_above needs tolerance")
        if self.metric in _PAIRED:
            needed["over"] = self.over
        if self.metric == "first_lead_date":
            needed["published_date"] = self.published_date
        else:
            needed |= {"window": self.window, "published_value": self.published_value}
        if missing := [name for name, value in needed.items() if value is None]:
            raise ValueError(f"metric {self.metric} needs {', '.join(missing)}")
        if self.metric not in _PAIRED and self.over is not None:
            raise ValueError(f"metric {self.metric} does not allow `over`")
        kind = self.window.kind if self.window else None
        if kind in _EXTREMES and self.metric not in ("share", "license_share"):
            raise ValueError(
                f"window {kind} is allowed for a share only, not for metric {self.metric}"
            )
        if self.metric == "price_quality" and (
            self.published_value != PRICE_QUALITY_CLAIM or self.comparison != "at_least"
        ):
            raise ValueError(
                "metric price_quality follows the rule of claim_90_80; expected comparison "
                f"at_least and published_value {PRICE_QUALITY_CLAIM}"
            )
        return self


# Keys that the claims of a file share; they are written once, above the claims.
_SHARED = (
    "statement_id",
    "asked_by",
    "published_by",
    "published_on",
    "url",
    "source",
    "rule_set",
    "rules_are_stated",
    "window",
    "window_is_stated",
    "note",
)


class ClaimFile(Strict):
    """One statement: the keys that its figures share, and the figures."""

    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]

    @classmethod
    def allowed_keys(cls) -> tuple[str, ...]:
        return (*_SHARED, "claims")

    @model_validator(mode="before")
    @classmethod
    def _copy_shared_keys(cls, document: Any, info: ValidationInfo) -> Any:
        if not isinstance(document, dict) or not isinstance(document.get("claims"), list):
            return document
        shared = {k: document[k] for k in _SHARED if k in document}
        named = {"statement_id": (info.context or {}).get("name")}
        return {
            **{k: v for k, v in document.items() if k not in shared},
            "claims": [
                {**named, **shared, **entry} if isinstance(entry, dict) else entry
                for entry in document["claims"]
            ],
        }


def read_claims(folder: Path, rule_sets: RuleSets) -> tuple[Claim, ...]:
    """The claims in all files of a folder, by id. Each names a rule set and groups that exist.

    Raises TokenshareError that names the file, line, claim, field and value.
    """
    groups = {r.rule_set: rule_sets.groups_of(r) for r in rule_sets.rule_sets}
    found: dict[str, Claim] = {}
    for path in sorted(folder.glob("*.yml")):
        for claim in read(path, ClaimFile, name=path.stem, groups=groups).claims:
            if claim.claim_id in found:
                raise TokenshareError(
                    f"{path}: {claim.claim_id}: claim_id: another claim has the same id; choose "
                    "another one"
                )
            found[claim.claim_id] = claim
    return tuple(found[name] for name in sorted(found))


@cache
def rule_sets_and_claims() -> tuple[RuleSets, tuple[Claim, ...]]:
    """The rule sets and claims of this checkout; read once per process."""
    rule_sets = read(RULE_SETS_FILE, RuleSets)
    return rule_sets, read_claims(CLAIMS_DIR, rule_sets)
