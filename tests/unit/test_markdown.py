"""Markdown for Dagster's UI that is made of names from dumps."""

import pytest
from markdown_it import MarkdownIt

from orchestration.assets.common import markdown_table, markdown_text

RENDER = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render


@pytest.mark.parametrize(
    "name",
    [
        "![x](https://evil.example/x.png)",
        "[x](javascript:alert(1))",
        "<img src=https://evil.example/x>",
        "a`<img src=x>`b",
        "`` ![x](y) ``",
        "x | y\n\n![x](y)",
        "&lt;b&gt;",
        "https://evil.example",
        "www.evil.example",
        "<https://evil.example>",
        "a@evil.example",
        "\\![x](y)",
    ],
)
def test_a_name_loads_and_links_nothing(name: str) -> None:
    for page in (RENDER(f"- {markdown_text(name)}"), RENDER(markdown_table(["n"], [[name]]))):
        assert "<code>" in page
        assert not any(tag in page for tag in ("<img", "<a ", "<b>", "<script")), page


@pytest.mark.parametrize(
    "name",
    ["deepseek/deepseek-chat-v3:free", "2026-02-11", "1.5 %", "price_changed", "Baidu (文心)"],
)
def test_a_harmless_name_is_shown_as_it_is(name: str) -> None:
    assert markdown_text(name) == name
    assert markdown_text(None) == ""
