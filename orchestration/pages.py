"""The HTML pages of a vintage: their templates, and the filters that the templates may use."""

import json
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from orchestration import words


def safe_json(document: Any) -> Markup:
    """JSON that is safe inside a script element."""
    text = json.dumps(document, default=str, separators=(",", ":"), ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704  # escaped on this line


@cache
def environment() -> Environment:
    """The Jinja environment of `orchestration/templates`: it escapes, and an undefined name is an
    error."""
    made = Environment(
        loader=PackageLoader("orchestration", "templates"),
        autoescape=select_autoescape(default_for_string=True, default=True),
        undefined=StrictUndefined,
    )
    made.filters.update(
        percent=words.percent, points=words.points, tokens=words.tokens, week=words.week,
        country=words.country, adjective=words.adjective, number=words.number, money=words.money,
        month=words.month, spaced=words.spaced, bounded=words.bounded,
        cheaper=words.cheaper, amount=words.amount, dollars=words.dollars,
    )  # fmt: skip
    return made
