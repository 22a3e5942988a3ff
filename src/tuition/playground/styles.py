"""How a teacher program words a solution: terse, in full sentences, numbered. Knows no domain, no teacher."""

from __future__ import annotations

from dataclasses import dataclass

from tuition.playground.domain import Solution

__all__ = ["STYLES", "Style", "tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """A way of wording steps; each tuple holds what sample 0, 1, … uses in turn."""

    reasons: tuple[str, ...]
    """For a step with a reason: `{why}` and `{what}`."""
    facts: tuple[str, ...]
    """For a plain fact: `{what}`."""
    joint: str = " "
    """What stands between two steps."""
    is_numbered: bool = False
    """Whether each step begins with its number."""


STYLES: dict[str, Style] = {
    "plain": Style(
        reasons=("{why}: {what}.", "{why} makes {what}.", "{why}, then {what}."),
        facts=("{what}.", "First, {what}.", "Note: {what}."),
    ),
    "full": Style(
        reasons=("{why}, giving {what}.", "{why}, and so {what}.", "{why}; that leads to {what}."),
        facts=("{what}.", "We know this: {what}.", "It is known: {what}."),
    ),
    "numbered": Style(
        reasons=("{why}: {what}.", "{why}, so {what}.", "{why} = {what}."),
        facts=("{what}.", "Given: {what}.", "Fact: {what}."),
        joint="\n",
        is_numbered=True,
    ),
    "terse": Style(
        reasons=("{what}.", "{what};", "-> {what}"), facts=("{what}.", "{what};", "-> {what}"), joint="\n"
    ),
    "chatty": Style(
        reasons=("{why}, okay, {what}.", "{why}, well, {what}.", "{why}, right, {what}."),
        facts=("{what}, okay.", "{what}, well.", "{what}, right."),
    ),
}
"""Every style by its name."""


def tell(solution: Solution, style: Style, sample: int, *, first: int = 1) -> tuple[str, ...]:
    """Word the steps of a solution; sample 0 is the usual wording of a style, `first` the first number."""
    texts: list[str] = []
    for i, step in enumerate(solution.steps, start=first):
        forms = style.reasons if step.why else style.facts
        text = forms[sample % len(forms)].format(why=step.why, what=step.what)
        # A step that is its result alone keeps the result's letters: `t-n-g` is an answer, `T-n-g` is not.
        text = text[0].upper() + text[1:] if "{why}" in style.reasons[0] else text
        texts.append(f"{i}. {text}" if style.is_numbered else text)
    return tuple(texts)
