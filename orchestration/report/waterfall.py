"""The bars of a waterfall chart, from one share to another, step by step."""

from collections.abc import Sequence

from orchestration.report.section import Row, rounded
from orchestration.words import percent, points

_STEPS = 8


def bars(changes: Sequence[tuple[str, float]], start: float, stop: float, kind: str) -> list[Row]:
    """Both shares, the changes that are largest, and the others as one bar.

    `changes` are label and share points, the largest first; `kind` is what they are of (`labs`).
    """
    moves = sorted(changes[:_STEPS], key=lambda m: -m[1])
    if rest := changes[_STEPS:]:
        moves.append((f"{len(rest)} other {kind}", sum(delta for _, delta in rest)))
    made = [_bar("Earlier", 0, 0.0, start, "share", percent(start))]
    level = start
    for label, delta in moves:
        sign = "gain" if delta >= 0 else "loss"
        made.append(_bar(label, len(made), level, level + delta, sign, points(delta)))
        level += delta
    return [*made, _bar("Later", len(made), 0.0, stop, "share", percent(stop))]


def _bar(label: str, position: int, start: float, stop: float, kind: str, text: str) -> Row:
    return {
        "label": label, "position": position, "start": rounded(start), "stop": rounded(stop),
        "edge": rounded(max(start, stop)), "kind": kind, "text": text,
    }  # fmt: skip
