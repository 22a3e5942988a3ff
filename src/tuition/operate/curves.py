"""Learning curves in money from run folders: which runs are one setting, and what it reached for how much."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tuition.core.config import read_toml
from tuition.core.errors import DataError, some_of
from tuition.core.records import Record, canonical_json
from tuition.core.rows import read_metrics
from tuition.core.run import check_begun, essentials
from tuition.evaluation.curve import (
    Curve,
    Point,
    area,
    common_range,
    learning_curve,
    mean_interval,
    money_to_reach,
)
from tuition.experiment.defaults import completed

__all__ = ["Curves", "Setting", "curves_of", "points_of"]

_KEYS_SHOWN = 4
"""Differing keys in the name of a setting, at most."""
_OPEN = object()

Split = Literal["valid", "test"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting(Record):
    """Runs whose configurations are equal but for the seed, where they lie, and what they may spend."""

    name: str
    """The recipe, and what tells the setting from the others of that recipe."""
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    unfinished: int
    """Runs that are not at their end; their rounds so far count."""
    curve: Curve
    usd: float
    """Mean over runs of what all answers used had cost at the last point, dollars."""
    area: float | None
    """Mean accuracy over the range of money that all settings share; None: this one has a single point."""
    area_ci95: tuple[float, float] | None
    """Over seeds, by Student's t; None: there is one, or no area."""
    usd_to_reach: float | None
    """Money until the mean curve is at the accuracy asked for; None: never, or none was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves(Record):
    """What `tuition curve` shows."""

    split: str
    at: float | None
    """The accuracy whose price is asked."""
    area_between: tuple[float, float] | None
    """The range of money of the areas, dollars; None: the settings share none."""
    is_simulated: bool
    """Whether any run's teachers are programs, and its money therefore play money."""
    readers: tuple[str, ...]
    """Who graded, each reader once; of more than one the figures are no one measure."""
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One run folder, read."""

    folder: Path
    seed: int
    config: dict[str, Any]
    """Whole, without what may differ between the runs of one setting."""
    written: dict[str, Any]
    """As it stands in the folder; only what is written there is worth a name."""
    points: tuple[Point, ...]
    is_done: bool
    is_simulated: bool
    readers: tuple[str, ...]


def curves_of(folders: Sequence[Path], *, split: Split = "valid", at: float | None = None) -> Curves:
    """Read runs, or folders that hold some, group those that differ by seed alone, and reckon their curves.

    An unfinished run counts with its rounds so far. `valid` has one point a round, `test` one a run, for it
    is opened once; `at` is an accuracy in [0, 1] whose price is asked. Settings stand in the order in which
    the folders name them first.
    """
    runs = [_read(folder, split) for folder in _run_folders(folders)]
    groups: dict[str, list[_Run]] = {}
    for run in runs:
        groups.setdefault(canonical_json(run.config), []).append(run)
    for group in groups.values():
        counts = Counter(run.seed for run in group)
        if twins := [run for run in group if counts[run.seed] > 1]:
            # A run counted twice would make its setting look surer than it is.
            raise DataError(
                f"{some_of([str(run.folder) for run in twins])} have the same configuration and a seed in "
                f"common ({twins[0].seed}); name each run once, or give them other seeds."
            )
    drawn = [learning_curve([run.points for run in group]) for group in groups.values()]
    between = common_range(drawn)
    names = _names(list(groups.values()))
    return Curves(
        split=split,
        at=at,
        area_between=between,
        is_simulated=any(run.is_simulated for run in runs),
        readers=tuple(sorted({reader for run in runs for reader in run.readers})),
        settings=tuple(
            _setting(name, group, curve=curve, between=between, at=at)
            for name, group, curve in zip(names, groups.values(), drawn, strict=True)
        ),
    )


def points_of(folder: Path, *, split: Split = "valid") -> list[Point]:
    """Read what a run had reached for how much money: on validation a point a round, if it has rounds."""
    metrics = read_metrics(folder)
    # Of a run that is not at its end: what each round that is over wrote down.
    paths = sorted(folder.glob("rounds/*/round.json"))
    rounds = metrics.get("rounds") or [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    if split == "valid" and rounds:
        return [
            _point(
                folder, usd=row.get("usd", _OPEN), accuracy=row.get("valid_accuracy"), ends=row.get("ci95")
            )
            for row in rounds
        ]
    figures = metrics.get(split)
    if not figures:
        state = f"no figures on {split}" if metrics else f"no figures on {split} yet"
        raise DataError(
            f"{str(folder)!r} has {state}; choose the other --split, leave it out, or go on with it: "
            f"tuition resume {folder}"
        )
    usd = metrics["spend"]["usd"]
    return [_point(folder, usd=usd, accuracy=figures["accuracy"], ends=figures["ci95"])]


def _point(folder: Path, *, usd: Any, accuracy: Any, ends: Any) -> Point:
    if usd is _OPEN or accuracy is None or ends is None:
        raise DataError(
            f"{str(folder)!r} has a round without usd, valid_accuracy or ci95; it was written by another "
            "version, or has no validation split: run it anew in another folder."
        )
    if usd is None or not math.isfinite(usd):
        raise DataError(
            f"{str(folder)!r} used answers of unknown price, so it has no place on an axis of money; leave "
            "it out, or set price_prompt and price_completion of its teachers and run it anew."
        )
    return Point(usd=usd, accuracy=accuracy, low=ends[0], high=ends[1])


def _run_folders(folders: Sequence[Path]) -> list[Path]:
    """Runs as they are named; of a folder that is no run, the runs directly within it. Each once."""
    found: dict[Path, Path] = {}
    for folder in folders:
        inside = sorted(path.parent for path in folder.glob("*/config.toml"))
        here = [folder] if (folder / "config.toml").exists() else inside
        if not here:
            check_begun(folder)
        for path in here:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _read(folder: Path, split: Split) -> _Run:
    path, metrics = folder / "config.toml", read_metrics(folder)
    written = read_toml(path)
    config = essentials(completed(written, where=str(path)))
    seed = int(config.pop("seed", 0))
    # A run in rounds may have been graded by several readers.
    last = (metrics.get(split) or {}).get("reader")
    readers = metrics.get("readers", ()) if split == "valid" and metrics.get("rounds") else ()
    is_program = any(teacher.get("kind") == "playground" for teacher in config.get("teacher", []))
    return _Run(
        folder=folder,
        seed=seed,
        config=config,
        written=written,
        points=tuple(points_of(folder, split=split)),
        is_done=(folder / "done").exists(),
        is_simulated=metrics.get("is_simulated", is_program),
        readers=tuple(readers) or ((last,) if last else ()),
    )


def _setting(
    name: str, group: Sequence[_Run], *, curve: Curve, between: tuple[float, float] | None, at: float | None
) -> Setting:
    areas = [] if between is None else [area(learning_curve([run.points]), between) for run in group]
    known = [one for one in areas if one is not None]
    ends = mean_interval(known)[1:] if len(known) == len(group) > 1 else None
    return Setting(
        name=name,
        runs=tuple(str(run.folder) for run in group),
        seeds=tuple(run.seed for run in group),
        unfinished=sum(not run.is_done for run in group),
        curve=curve,
        usd=sum(max(point.usd for point in run.points) for run in group) / len(group),
        area=None if between is None else area(curve, between),
        area_ci95=None if ends is None else (max(0.0, ends[0]), min(1.0, ends[1])),
        usd_to_reach=None if at is None else money_to_reach(curve, at),
    )


def _names(groups: Sequence[Sequence[_Run]]) -> list[str]:
    """Name each setting by its recipe and the keys in which it differs from the others of that recipe."""
    flat = [_flat(group[0].config) for group in groups]
    written = {key for group in groups for key in _flat(group[0].written)}
    names = []
    for own in flat:
        peers = [other for other in flat if other.get("recipe") == own.get("recipe")]
        keys = sorted({key for peer in peers for key in peer} & written)
        differing = [key for key in keys if len({repr(peer.get(key, _OPEN)) for peer in peers}) > 1]
        told = [f"{key}={own[key]}" for key in differing if key in own][:_KEYS_SHOWN]
        names.append(" ".join([str(own.get("recipe", "run")), *told]))
    counts = Counter(names)
    return [
        name if counts[name] == 1 else f"{name} ({group[0].folder.resolve().name})"
        for name, group in zip(names, groups, strict=True)
    ]


def _flat(value: Any, place: str = "") -> dict[str, Any]:
    """Every leaf by its dotted place, as a setting on the command line names it."""
    if isinstance(value, Mapping | list):
        entries = value.items() if isinstance(value, Mapping) else enumerate(value)
        inner = [_flat(item, f"{place}.{key}" if place else str(key)) for key, item in entries]
        return {key: leaf for found in inner for key, leaf in found.items()}
    return {place: value}
