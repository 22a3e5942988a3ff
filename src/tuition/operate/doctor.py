"""Look over this machine, this installation and the keys in the environment; send nothing unless asked to."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from tuition.core.errors import TuitionError
from tuition.core.records import Record
from tuition.core.run import threads_here
from tuition.experiment.config import Experiment
from tuition.teachers.config import TeacherConfig
from tuition.teachers.http.keys import read_key
from tuition.version import __version__

__all__ = ["Fact", "facts"]

_KEY = re.compile(r"[A-Z][A-Z0-9_]*_API_KEY(?:_FILE)?|HF_TOKEN")
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)[^;]*(?:;.*extra == ['\"]([\w-]+)['\"])?")
_FOR_USERS = ("data", "train", "serve", "math")
"""Extras that commands ask for by name."""
_LEAST_FREE = 2 * 2**30
"""Bytes on the disk; a run of the embedded student leaves a few hundred MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact(Record):
    """One thing that was looked at."""

    what: str
    found: str
    state: Literal["ok", "note", "fault"] = "ok"
    """A note: something works only if it is installed or set; a fault: something will not work."""


def facts(config: Experiment | None = None, *, ask: bool = False) -> list[Fact]:
    """Look everything over; of a configuration its teachers, and with `ask` what their endpoints serve."""
    found = [*_machine(), *_packages(), *_torch()]
    # Variables that look like keys and hold something; their values are not shown.
    keys = sorted(name for name, value in os.environ.items() if _KEY.fullmatch(name) and value.strip())
    names = ", ".join(keys)
    found.append(Fact(what="keys", found=names or "none in the environment", state="ok" if names else "note"))
    return [*found, *(_teachers(config.teacher, ask=ask) if config else ())]


def _machine() -> Iterator[Fact]:
    yield Fact(what="tuition", found=f"{__version__} in {Path(__file__).parents[1]}")
    yield Fact(what="Python", found=f"{sys.version.split()[0]} at {sys.executable}")
    free = shutil.disk_usage(Path.cwd()).free
    yield Fact(
        what="disk",
        found=f"{free / 2**30:.1f} GiB free here" + "; a run may not fit" * (free < _LEAST_FREE),
        state="fault" if free < _LEAST_FREE else "ok",
    )
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        yield Fact(what="memory", found=f"{total / 2**30:.1f} GiB")
    yield Fact(what="cores", found=f"{os.cpu_count()}, of which this process may use {threads_here()}")


def _packages() -> Iterator[Fact]:
    """The packages of the core and of each extra, by what the installed distribution says it needs."""
    wanted: dict[str, list[str]] = {"": [], **{extra: [] for extra in _FOR_USERS}}
    for line in metadata.requires("tuition") or ():
        found = _REQUIREMENT.match(line)
        if found and (extra := found[2] or "") in wanted and found[1] != "tuition":
            wanted[extra].append(found[1])
    for extra, names in wanted.items():
        versions = {name: _version(name) for name in names}
        missing = [name for name, version in versions.items() if not version]
        present = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
        way_out = f"missing: {', '.join(missing)}; pip install 'tuition{f'[{extra}]' if extra else ''}'"
        state: Literal["ok", "note", "fault"] = "ok" if not missing else "note" if extra else "fault"
        yield Fact(
            what=f"extra {extra}" if extra else "packages", found=way_out if missing else present, state=state
        )


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _torch() -> Iterator[Fact]:
    try:
        from tuition.student.load import devices
    except (ImportError, OSError) as error:
        # a library of the wrong platform is an OSError
        is_absent = isinstance(error, ModuleNotFoundError)
        yield Fact(what="torch", found=f"cannot be loaded: {error}", state="note" if is_absent else "fault")
        return
    for device in devices():
        yield Fact(what="torch", found=device)


def _teachers(tables: Sequence[TeacherConfig], *, ask: bool) -> Iterator[Fact]:
    """Whether each teacher's key is there, and what its endpoint says within five seconds."""
    from tuition.teachers.http.probe import models_of

    for table in (one for one in tables if one.kind == "chat"):
        what = f"teacher {table.name}"
        try:
            read_key(table)
            if not ask:
                found = f"its key is in {table.api_key_env}" if table.api_key_env else "needs no key"
                yield Fact(what=what, found=f"{found}; its endpoint was not asked (--ask does)")
                continue
            n, fault = asyncio.run(models_of(table))
        except TuitionError as error:
            yield Fact(what=what, found=str(error), state="fault")
            continue
        said = f"{table.base_url}: {fault}" if fault else f"{table.base_url} answers and lists {n} models"
        yield Fact(what=what, found=said, state="fault" if fault else "ok")
