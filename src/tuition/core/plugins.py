"""How code from outside joins: by an entry point of an installed package, or by its place in a configuration.

Code that no installed package has runs only where the user trusts it. Knows no craft.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tuition.core.errors import ConfigError, near_name

__all__ = [
    "Kind",
    "admit",
    "check_whole",
    "find",
    "is_admitted",
    "is_place",
    "is_trusting",
    "plugged",
    "trust_all",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of part that a user can bring: a task, a teacher, a recipe."""

    name: str
    """As sentences call it, such as `task kind`."""
    group: str
    """Of its entry points; the page in docs/extend is named after its last word, in the singular."""
    needs: tuple[str, ...] = ()
    """Methods and attributes that it must have."""

    @property
    def page(self) -> str:
        """Where its protocol and an example stand."""
        part = self.group.rpartition(".")[2]
        return f"docs/extend/{'strategy' if part == 'strategies' else part.removesuffix('s')}.md"


_admitted: set[str] = set()
"""Places whose code may run: of installed packages, or trusted by the user."""
_trusts_all = False


def trust_all(is_trusted: bool) -> None:
    """Say whether code that configurations name is trusted from here on, as `--trust` does for a command."""
    global _trusts_all
    _trusts_all = is_trusted


def is_trusting() -> bool:
    """Say whether `trust_all` holds."""
    return _trusts_all


def is_place(name: object) -> bool:
    """Say whether a name is a place, `package.module:Name`."""
    return isinstance(name, str) and ":" in name


def is_admitted(place: str) -> bool:
    """Say whether the code at a place may run."""
    return place in _admitted


def admit(places: Mapping[str, str], *, where: str, trust: bool = False) -> None:
    """Let the code that a configuration names run, or refuse what is not installed without importing it."""
    strange = {key: place for key, place in places.items() if not _is_installed(place)}
    if strange and not (trust or _trusts_all):
        lines = "".join(f"\n  {key} = {place!r}" for key, place in strange.items())
        raise ConfigError(
            f"{where} names code that no installed package has; none of it was imported:{lines}\n"
            "It would run with your rights. Read it, then add --trust (in Python: trust=True), or install it "
            "as a package; see docs/extend/index.md."
        )
    _admitted.update(places.values())
    if strange and str(Path.cwd()) not in sys.path:
        # Behind everything else: nothing that is installed can be replaced by it.
        sys.path.append(str(Path.cwd()))


def plugged(kind: Kind) -> dict[str, metadata.EntryPoint]:
    """List the entry points of a kind; a package that lies in the working directory is not installed."""
    found = metadata.entry_points(group=kind.group)
    return {one.name: one for one in found if not _lies_here(getattr(one, "dist", None))}


def find(kind: Kind, name: str, own: Mapping[str, Any] | Collection[str] = (), *, where: str = "") -> Any:
    """Find a part by its name: one of our own, an entry point, or `package.module:Name`."""
    if isinstance(own, Mapping) and name in own:
        return own[name]
    points = plugged(kind)
    if name in points:
        return points[name].load()
    if not is_place(name):
        raise ConfigError(
            f"{where}{near_name(name, [*own, *points], kind=kind.name)} "
            f"Your own: 'package.module:Name', as {kind.page} shows."
        )
    if name not in _admitted:
        admit({kind.name: name}, where=where.removesuffix(": ") or "the configuration")
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{where}{kind.name} {name!r} cannot be made: {error}. Expected 'package.module:Name' that can "
            f"be imported from here; {kind.page} has an example."
        ) from error


def check_whole(kind: Kind, made: object, name: str) -> None:
    """Refuse a part that lacks a method or an attribute of its protocol."""
    missing = [need for need in kind.needs if not hasattr(made, need)]
    if missing:
        owner = made if isinstance(made, type) else type(made)
        raise ConfigError(
            f"{kind.name} {name!r}: class {owner.__name__} lacks {', '.join(missing)}; {kind.page} says what "
            "it must have."
        )


def _is_installed(place: str) -> bool:
    """Whether an installed package has the code, or nothing has it, found out without importing it."""
    top = place.partition(":")[0].partition(".")[0]
    if top == __name__.partition(".")[0]:
        return True
    try:
        spec = find_spec(top) if top else None
    except ValueError:  # a module without a spec, such as a notebook
        return False
    spec = spec or PathFinder.find_spec(top, [str(Path.cwd())])
    if spec is None:
        return True
    places = list(spec.submodule_search_locations or [spec.origin if spec.has_location else None])
    if not places or places[0] is None:
        return False
    root = Path(places[0]).resolve().parent
    return any(_has(found, top, root) for found in metadata.distributions() if not _lies_here(found))


def _has(package: metadata.Distribution, top: str, root: Path) -> bool:
    """Whether an installed package put a module into a folder, or works on it in place."""
    at, told = Path(str(package.locate_file(""))).resolve(), package.read_text("direct_url.json")
    about = json.loads(told) if told else {}
    is_in_place = bool(about.get("dir_info", {}).get("editable"))
    if at != root and not is_in_place:
        return False
    files = package.files or ()
    if at == root:
        names = {Path(file.parts[0]).stem for file in files if file.parts}
        return top in {*names, *(package.read_text("top_level.txt") or "").split()}
    folders = {line for file in files if file.suffix == ".pth" for line in file.read_text().splitlines()}
    # loads what speaks HTTP
    from urllib.request import url2pathname

    source = Path(url2pathname(urlsplit(about["url"]).path)).resolve()
    named = (package.read_text("top_level.txt") or "").split()
    return str(root) in folders or (top in named and root.is_relative_to(source))


def _lies_here(package: metadata.Distribution | None) -> bool:
    """Whether a package's description lies in the working directory, where anybody's files may lie."""
    return package is not None and Path(str(package.locate_file(""))).resolve() == Path.cwd()
