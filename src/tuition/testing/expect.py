"""Say what does not hold; `assert` would say nothing outside a test runner."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

__all__ = ["expect", "expect_error", "listed"]


def expect(holds: object, sentence: str) -> None:
    """Raise an AssertionError with the sentence where something does not hold."""
    if not holds:
        raise AssertionError(sentence)


def expect_error(kind: type[Exception], act: Callable[[], object], sentence: str) -> Exception:
    """Raise an AssertionError with the sentence where an act does not end in such an error, else give it."""
    try:
        act()
    except kind as error:
        return error
    raise AssertionError(sentence)


@contextmanager
def listed(part: Any, known: Mapping[str, Any]) -> Generator[str]:
    """Give the name of a part; one that is no name joins the list for as long as it is looked at."""
    if isinstance(part, str):
        yield part
        return
    parts = cast("dict[str, Any]", known)
    name = f"{getattr(part, '__name__', type(part).__name__)} under test"
    parts[name] = part
    try:
        yield name
    finally:
        del parts[name]
