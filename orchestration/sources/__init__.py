"""Reading a dump. One module per raw format reads bytes into rows of strings and checks only the
form of the file. `checks` checks the values against the raw contract; `kept` stores the result.

`SOURCES` is the only list of sources: help, landing, raw tables and error messages follow it."""

from orchestration.errors import RefusedDumpError, plain_names, quoted
from orchestration.sources import (
    openrouter_app_rankings,
    openrouter_models,
    openrouter_providers,
    openrouter_rankings,
    openrouter_task_classifications,
    vercel_leaderboard,
)
from orchestration.sources.base import Dump, ParsedDump, Source

SOURCES: dict[str, Source] = {
    s.name: s
    for s in (
        openrouter_rankings.SOURCE,
        openrouter_models.SOURCE,
        openrouter_providers.SOURCE,
        openrouter_app_rankings.SOURCE,
        openrouter_task_classifications.SOURCE,
        vercel_leaderboard.SOURCE,
    )
}


def find_source(dump: Dump, name: str | None = None) -> Source:
    """The source with this name or, without a name, the source that recognizes the dump.

    Raises RefusedDumpError if the name is unknown or no source recognizes the content.
    """
    if name is not None:
        if name not in SOURCES:
            raise RefusedDumpError(
                f"{dump.name}: --source {quoted(name)} is not a source; expected one of "
                f"{', '.join(SOURCES)}"
            )
        return SOURCES[name]
    for source in SOURCES.values():
        if source.recognizes(dump):
            return source
    # Only a header is shown: the first line of anything else may be a piece of a prompt.
    names = dump.first_line.split(",")
    is_header = len(names) > 1 and plain_names(names) == ", ".join(names)
    begins = quoted(dump.first_line, 60) if is_header else "a line that is not a header of names"
    expected = "; ".join(f"{s.name}: {s.layouts}" for s in SOURCES.values())
    raise RefusedDumpError(
        f"{dump.name}: begins with {begins}, which no source recognizes. "
        f"Expected one of: {expected}. Name the source with --source to see what is wrong."
    )


def parse(dump: Dump, source: Source) -> ParsedDump:
    """The rows of the dump as strings.

    Raises RefusedDumpError if the dump does not have the form of its source, or has no rows.
    """
    parsed = source.parse(dump)
    if not parsed.rows:
        raise RefusedDumpError(
            f"{dump.name}: has a valid {parsed.layout} header but no rows; fetch it again"
        )
    return parsed


__all__ = ["SOURCES", "Dump", "ParsedDump", "Source", "find_source", "parse"]
