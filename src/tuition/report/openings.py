"""Say how often the test sets of run folders were opened by runs of the same store."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tuition.core.store import times_opened
from tuition.report.rows import run_folders

__all__ = ["openings"]


def openings(folder: Path) -> list[str]:
    """Say of each test set how many runs opened it; choosing between them by its figures is choosing on test.

    Args:
        folder: A run folder, or one that holds some.

    Returns:
        A sentence for each test set of each store; none of a run whose store is not there any more.
    """
    found: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for name, path in run_folders(folder).items():
        store = tomllib.loads((path / "config.toml").read_text(encoding="utf-8"))["store"]
        opened = times_opened(Path(store), (path / "run_id").read_text(encoding="utf-8"))
        if opened is not None:
            test, n = opened
            found.setdefault((store, test), (n, []))[1].append(name)
    return [
        f"The test set of {_named(names)} was opened {n} {'time' if n == 1 else 'times'} by runs of this "
        f"store ({store})."
        for (store, _), (n, names) in found.items()
    ]


def _named(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
