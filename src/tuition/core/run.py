"""The run folder: the resolved configuration first, events as they happen, metrics, and "done" written last.

Knows no recipe. A folder that exists is resumed or named in an error; nothing in it is ever silently deleted.
"""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import platform
import re
import shutil
import time
import tomllib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import Listener
from tuition.core.records import Json, content_id
from tuition.core.rows import FORMATS, check_format, write_rows
from tuition.version import __version__

__all__ = [
    "Run",
    "check_begun",
    "code_revision",
    "essentials",
    "held_config",
    "run_id",
    "share_with",
    "threads_here",
    "versions",
]

_FREE = (
    *("budget.", "evaluation.jobs", "evaluation.baselines", "training.report_to"),
    *("out ", "store ", "config_version "),
)
"""What may differ when a run is gone on with: how much may be spent, where things lie, who is told."""

_BEGINNINGS = ("lock", "events.jsonl", "run_id", ".run_id.draft", ".config.toml.draft")
"""What a run folder may hold before its configuration."""

_RUNS_AT_ONCE = "TUITION_RUNS_AT_ONCE"
"""Set for processes that run beside others, which inherit it."""

_PACKAGES = ("torch", "transformers", "peft", "numpy", "httpx2", "pydantic")


class Run:
    """One run of one recipe, in one folder, held by one process at a time."""

    def __init__(
        self,
        path: Path,
        *,
        config_text: str,
        completed: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
        listener: Listener | None = None,
    ) -> None:
        self.path = path
        self._listener = listener
        tables = tomllib.loads(config_text)
        self.is_resumed = _check_folder(path, tables, completed=completed)
        path.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path / "lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout:
            raise ConfigError(
                f"run folder {str(path)!r} is being run by another process; wait for it, or choose another "
                "`out`."
            ) from None
        if not self.is_done:
            _write_text(path / "config.toml", config_text)
        self.config_hash = content_id(essentials(tables))[:16]
        self.id = run_id(path)
        self._warnings = _Warnings(self)
        if not self.is_done:
            begun = {"format": FORMATS["events.jsonl"], "config_hash": self.config_hash}
            self.event("resumed" if self.is_resumed else "started", **begun)
            logging.getLogger("tuition").addHandler(self._warnings)

    @property
    def is_done(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / "done").exists()

    @property
    def wall_s(self) -> float:
        """Seconds in which the run was worked on, over all its starts, up to its last event."""
        seconds, before = 0.0, None
        for event in self.events():
            if before is not None and event["event"] != "resumed":
                seconds += event["time"] - before
            before = event["time"]
        return round(seconds, 3)

    def events(self) -> Iterator[dict]:
        """Read what happened so far, over all starts."""
        path = self.path / "events.jsonl"
        with path.open(encoding="utf-8") as file:
            for line in file:
                with contextlib.suppress(json.JSONDecodeError):
                    event = json.loads(line)
                    check_format(event, path)
                    yield event

    def progress(self, stage: str, done: int, total: int) -> None:
        """Tell whoever listens that a part of long work is done."""
        if self._listener is not None:
            self._listener.progress(stage, done, total)

    def table(self, title: str, rows: Sequence[Mapping[str, Json]]) -> None:
        """Show whoever listens a table, before the run goes on."""
        if self._listener is not None and rows:
            self._listener.table(title, rows)

    def event(self, kind: str, **values: Json) -> None:
        """Add a line to `events.jsonl`."""
        row = {"time": round(time.time(), 3), "event": kind, **values}
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
        with (self.path / "events.jsonl").open("a+b") as file:
            file.seek(max(0, file.tell() - 1))
            # What a kill left of a line before stays a line of its own.
            is_cut = file.read(1) not in (b"", b"\n")
            file.write(b"\n" + line if is_cut else line)

    def write_json(self, name: str, value: Mapping[str, Json]) -> Path:
        """Write a JSON file into the folder, whole or not at all."""
        path = self.path / name
        _write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        return path

    def write_rows(self, name: str, rows: Iterable[Mapping[str, Json]]) -> Path:
        """Write a JSONL file into the folder, whole or not at all."""
        write_rows(self.path / name, rows)
        return self.path / name

    def write_folder(self, name: str, write: Callable[[Path], None]) -> Path:
        """Write a folder within the folder, whole or not at all."""
        path = self.path / name
        draft = path.with_name(f".{path.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        write(draft)
        draft.rename(path)
        return path

    def finish(self, metrics: Mapping[str, Json]) -> None:
        """Write the metrics, then the mark that the run is done."""
        self.write_json("metrics.json", metrics)
        self.event("done")
        _write_text(self.path / "done", "")
        self.close()

    def close(self) -> None:
        """Let go of the folder, so that another process may go on with it."""
        logging.getLogger("tuition").removeHandler(self._warnings)
        self._lock.release()


class _Warnings(logging.Handler):
    """Makes what the package warns of while a run is open an event of that run."""

    def __init__(self, run: Run) -> None:
        super().__init__(logging.WARNING)
        self._run = run

    def emit(self, record: logging.LogRecord) -> None:
        self._run.event("warning", message=record.getMessage())


def check_begun(folder: Path) -> None:
    """Refuse a folder in which no run was begun."""
    if not (folder / "config.toml").exists():
        raise DataError(
            f"{str(folder)!r} holds no run: config.toml is missing. `tuition list` shows the runs."
        )


def run_id(path: Path) -> str:
    """Read the name a run has in the store, or give it one, before or after the run is begun."""
    file = path / "run_id"
    if not file.exists():
        path.mkdir(parents=True, exist_ok=True)
        _check_free(path)
        stem = re.sub(r"[^\w.-]+", "-", path.name) or "run"
        _write_text(file, f"{stem}-{uuid.uuid4().hex[:12]}")
    return file.read_text(encoding="utf-8")


def essentials(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out of a configuration what its result does not follow from: where it lies, what it may spend."""
    beside = {"evaluation": ("jobs", "baselines"), "training": ("report_to",)}
    outside = ("config_version", "out", "store", "budget")
    kept = {name: table for name, table in tables.items() if name not in outside}
    for name in beside.keys() & kept.keys():
        kept[name] = {key: value for key, value in kept[name].items() if key not in beside[name]}
    return kept


def held_config(path: Path) -> dict[str, Any] | None:
    """Read the configuration that a run was begun with. None: no run was begun in it."""
    try:
        return tomllib.loads((path / "config.toml").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{str(path / 'config.toml')!r} is damaged: {error}; choose another `out`.") from None


def _check_folder(
    path: Path, now: Mapping[str, Any], *, completed: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> bool:
    """Say whether the folder holds this very run already."""
    if not path.exists() or not any(path.iterdir()):
        return False
    held = held_config(path)
    if held is None:
        _check_free(path)
        return False
    faults = [fault for fault in _differences(completed(held), now) if not fault.startswith(_FREE)]
    if faults:
        more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
        way_out = "show" if (path / "done").exists() else "resume"
        raise ConfigError(
            f"run folder {str(path)!r} holds another configuration: {'; '.join(faults[:3])}{more}. Choose "
            f"another `out`, or remove the folder yourself; `tuition {way_out} {path}` takes it as it is."
        )
    return True


def _check_free(path: Path) -> None:
    """Refuse a folder that neither holds a run nor could be the beginning of one."""
    children = list(path.iterdir())
    if any(child.name == "config.toml" for child in children):
        return
    if not all(child.name in _BEGINNINGS or child.is_dir() for child in children):
        raise ConfigError(f"{str(path)!r} exists and is no run folder; choose another `out`.") from None


def _differences(there: Mapping[str, object], here: Mapping[str, object], place: str = "") -> list[str]:
    faults: list[str] = []
    for key in sorted(there.keys() | here.keys()):
        left, right = there.get(key), here.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            faults += _differences(left, right, f"{place}{key}.")
        elif left != right:
            # a text of the user's own may be long
            faults.append(f"{place}{key} is {left!r:.200} there and {right!r:.200} here")
    return faults


def _write_text(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@functools.cache
def code_revision() -> str:
    """Name the program's own source by its content, whether or not it lies in a repository."""
    root = Path(__file__).parents[1]
    files = sorted(root.rglob("*.py"))
    texts = [[str(file.relative_to(root)), file.read_text(encoding="utf-8")] for file in files]
    return content_id(texts)[:12]


def versions() -> dict[str, Json]:
    """List what a result depends on: Python, the packages that are installed, the program's own source."""
    found: dict[str, Json] = {"python": platform.python_version(), "code": code_revision()}
    found["tuition"] = __version__
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def share_with(runs: int) -> None:
    """Say how many runs share the cores, for this process and those it starts."""
    os.environ[_RUNS_AT_ONCE] = str(runs)


def threads_here() -> int:
    """Count the threads that one run may take: all cores it is allowed, shared among the runs at once."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get(_RUNS_AT_ONCE, "1")))
