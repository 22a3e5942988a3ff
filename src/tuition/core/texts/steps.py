"""Cut a rationale into steps, join and compare them. Knows no task and no model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tuition.core.texts.spill import before_spill

__all__ = ["before_spill", "first_difference", "join_steps", "split_steps"]

_MATH = re.compile(r"\$\$.+?\$\$|\$[^$\n]+?\$|\\\(.+?\\\)|\\\[.+?\\\]", re.DOTALL)
_ABBREVIATION = re.compile(
    r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|vs|etc|al|Fig|No|Eq|approx|[A-Z])|\be\.g|\bi\.e|\ba\.m|\bp\.m)\.$"
)
_SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9#*\-])")
_MARKER = re.compile(r"^(?:#?\d{1,2}[.)]|[-*•]|[Ss]tep \d+[:.])$")


def split_steps(rationale: str) -> tuple[str, ...]:
    """Cut a rationale into its steps.

    Lines first; a text of one line falls into sentences, safe for decimals, abbreviations, numbered markers
    and mathematics between dollar signs.

    Source: after ELAD (arXiv 2402.13098); its splitter is not published, the definition is ours.
    """
    lines = [line.strip() for line in rationale.splitlines() if line.strip()]
    if len(lines) != 1:
        return tuple(lines)
    [line] = lines
    protected = [match.span() for match in _MATH.finditer(line)]
    steps: list[str] = []
    start = 0
    for match in _SENTENCE_END.finditer(line):
        head = line[start : match.end()].strip()
        in_math = any(left <= match.start() < right for left, right in protected)
        if in_math or _ABBREVIATION.search(head) or _MARKER.match(head):
            continue
        steps.append(head)
        start = match.end()
    last = line[start:].strip()
    return (*steps, last) if last else tuple(steps)


def join_steps(steps: Sequence[str]) -> str:
    """Write steps as one rationale, a line each."""
    return "\n".join(steps)


def first_difference(left: Sequence[str], right: Sequence[str]) -> int | None:
    """Find the first step in which two rationales part.

    Returns:
        The 0-based index, equal to the shorter length where one begins the other; None where they are equal.
    """
    for i, (a, b) in enumerate(zip(left, right, strict=False)):
        if a != b:
            return i
    return None if len(left) == len(right) else min(len(left), len(right))
