"""Write docs/reference/ and the generated parts of docs/architecture.md from the code: `make reference`."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
import types
from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

import typer.main

import tuition
from error_texts import error_texts
from tuition.cli.main import app, exit_code
from tuition.core import errors
from tuition.core.config import Section
from tuition.operate.keys import keys

ROOT = Path(__file__).parents[1]
SOURCE = Path(tuition.__file__).parent
FLOORS = {
    "cli": ("cli", "api", "testing"),
    "operate": ("operate",),
    "recipes": ("recipes",),
    "experiment": ("experiment",),
    "crafts": (
        *("tasks", "teachers", "annotation", "selection", "student", "evaluation"),
        *("exchange", "upkeep", "report", "playground", "serving"),
    ),
    "core": ("core",),
}
"""The rooms of each floor, from the top; every import falls."""
LINK = re.compile(r"\[`(?P<symbol>[\w.]+)`\]\(\.\./(?P<path>src/[\w/]+\.py)\)")
"""A symbol and the file that defines it, as docs/architecture.md links to both."""
_WIDTH = 118
_NOTE = "*Generated from the code by `make reference`; a test finds it current.*"


def pages() -> dict[Path, str]:
    """Write every generated page, by its file."""
    folder = ROOT / "docs" / "reference"
    texts: dict[str, Callable[[], Iterator[str]]] = {
        "keys.md": _keys,
        "commands.md": _commands,
        "errors.md": _errors,
        "python.md": _python,
    }
    found = {folder / name: "\n".join(lines()) + "\n" for name, lines in texts.items()}
    architecture = ROOT / "docs" / "architecture.md"
    return {**found, architecture: _architecture(architecture.read_text(encoding="utf-8"))}


def _wrapped(text: str, *, first: str = "", behind: str = "") -> str:
    return textwrap.fill(
        " ".join(text.split()),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=behind,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _first_line(documented: Any) -> str:
    return (inspect.getdoc(documented) or "").partition("\n")[0]


def _keys() -> Iterator[str]:
    """The keys of a configuration, by table."""
    yield from ("# Keys of a configuration", "", _NOTE, "")
    yield _wrapped(
        "`tuition keys training.steps` says the same of one key, `tuition keys training` of one table. "
        "Defaults are written as in TOML. *Left out* is what a meaning calls None: the key is not there."
    )
    every = keys()
    for table, group in groupby((key for key in every if not key.is_table), key=lambda key: key.table):
        yield from ("", f"## {table or 'At the top'}", "")
        heads = [key for key in every if key.is_table and key.name == table]
        for head in heads:
            place = "" if len(head.recipes) == len(every[0].recipes) else f" In {head.where}."
            yield _wrapped(
                f"A {head.type}. {head.meaning}{place}".replace("A list of tables", "One table each")
            )
        yield from ("",) if heads else ()
        known = {"every recipe", *(head.where for head in heads)}
        for key in group:
            place = "" if key.where in known else f" In {key.where.replace('every recipe, ', '')}."
            default = f"default `{key.written}`" if key.default is not None else key.written
            yield _wrapped(f"- **`{key.name}`**: {key.type}; {default}.{place}", behind="  ")
            yield _wrapped(key.meaning, first="  ", behind="  ")


def _commands() -> Iterator[str]:
    """Usage, help, arguments and options of every command."""
    yield from ("# Commands", "", _NOTE, "")
    yield from ("In a terminal `tuition run --help` says the same of one command.", "")
    yield from _command(typer.main.get_command(app), "tuition")


def _command(command: Any, path: str) -> Iterator[str]:
    context = command.context_class(command, info_name=path)
    # typer writes an argument that is taken again and again, and one of its own name, in braces.
    pieces = [
        re.sub(r"[{}]", "", piece).replace("COMMAND [ARGS]...", "COMMAND ...")
        for piece in command.collect_usage_pieces(context)
    ]
    yield from (
        f"## {path}",
        "",
        _wrapped(command.help or ""),
        "",
        "```text",
        " ".join([path, *pieces]),
        "```",
        "",
    )
    records = [found for one in command.params if (found := one.get_help_record(context))]
    for name, words in records:
        yield _wrapped(f"- **`{name}`**: {words}", behind="  ")
    yield from ("",) if records else ()
    for name, inner in getattr(command, "commands", {}).items():
        yield from _command(inner, f"{path} {name}")


def _errors() -> Iterator[str]:
    """The texts that each class of errors is raised with, by module."""
    kinds = [getattr(errors, name) for name in errors.__all__]
    kinds = [kind for kind in kinds if inspect.isclass(kind)]
    found = sorted({(kind, path, text) for path in SOURCE.rglob("*.py") for kind, text in error_texts(path)})
    yield from ("# Error texts", "", _NOTE, "")
    yield _wrapped(
        "Each text says what was found, where, what was expected, and what to do. `{name}` stands for a "
        "value, … for words that depend on the case. Texts that are put together from several places are not "
        "listed. Where a command ends with an error, the text goes to stderr behind `error: `, and the exit "
        "code says the class."
    )
    for kind in kinds:
        bases = " and ".join(f"`{base.__name__}`" for base in kind.__bases__)
        yield from ("", f"## {kind.__name__}", "")
        code = exit_code(kind.__new__(kind))
        yield _wrapped(f"{_first_line(kind)} It is a {bases}; a command ends with exit code {code}.")
        own = [(path, text) for name, path, text in found if name == kind.__name__]
        for path, group in groupby(own, key=lambda one: one[0]):
            yield from ("", f"### {path.relative_to(SOURCE.parent)}", "", "```text")
            yield "\n\n".join(_wrapped(text, behind="  ") for _, text in group)
            yield "```"


def _python() -> Iterator[str]:
    """What the faces of the packages export, with signatures."""
    yield from ("# The Python face", "", _NOTE, "")
    yield _wrapped(
        "What each package exports; everything else may change without notice. Docstrings have the rest, "
        "such as `help(tuition.annotation.ask_all)`."
    )
    names = [module.name for module in pkgutil.walk_packages([str(SOURCE)], "tuition.") if module.ispkg]
    for name in ("tuition", *names):
        face = importlib.import_module(name)
        exported = getattr(face, "__all__", ())
        if exported:
            yield from ("", f"## {name}", "", _wrapped(_first_line(face)), "", "```python")
            yield "\n\n".join(_stub(one, getattr(face, one)) for one in sorted(exported))
            yield "```"


def _stub(name: str, value: Any) -> str:
    """One exported name: its signature and the first line of its docstring."""
    if inspect.ismodule(value):
        return f"import {value.__name__}"
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return textwrap.fill(f"{name}{_value(value)}", _WIDTH, subsequent_indent="    ")
    head = "class" if inspect.isclass(value) else "async def" if inspect.iscoroutinefunction(value) else "def"
    if inspect.isclass(value) and issubclass(value, Section | Protocol | BaseException):
        bases = ", ".join(base.__name__ for base in value.__bases__ if base is not object)
        members = _members(value) if issubclass(value, Protocol) else []
        return "\n".join([f"class {name}({bases})", f'    """{_first_line(value)}"""', *members])
    signature = inspect.signature(value)
    parameters = [
        one.replace(default=_Default(one.default)) if isinstance(one.default, Section) else one
        for one in signature.parameters.values()
    ]
    signature = signature.replace(parameters=parameters)
    whole = f"{head} {name}{_shown(signature)}"
    if len(whole) > _WIDTH:
        parts = [str(one) for one in signature.parameters.values()]
        kinds = [one.kind for one in signature.parameters.values()]
        if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
            parts.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
        end = _shown(signature.replace(parameters=()))[2:]
        whole = "\n".join([f"{head} {name}(", *(f"    {_plain(part)}," for part in parts), f"){end}"])
    return f'{whole}\n    """{_first_line(value)}"""'


def _members(value: type) -> list[str]:
    """What a class of one's own must have to fit a protocol."""
    fields = [f"    {name}: {_plain(str(kind))}" for name, kind in inspect.get_annotations(value).items()]
    methods = [
        f"    {'async def' if inspect.iscoroutinefunction(one) else 'def'} {name}"
        f"{_shown(inspect.signature(one))}"
        for name, one in vars(value).items()
        if inspect.isfunction(one) and (not name.startswith("_") or name in ("__aenter__", "__aexit__"))
    ]
    return [*fields, *methods]


def _value(value: Any) -> str:
    """What stands behind the name of a constant: its names, where it holds some."""
    if isinstance(value, Mapping | tuple | frozenset):
        entries = value if isinstance(value, Mapping | tuple) else sorted(value)
        kind = "Mapping" if isinstance(value, Mapping) else type(value).__name__
        return f": {kind} of {', '.join(map(str, entries))}"
    if isinstance(value, str | types.UnionType) or "GenericAlias" in type(value).__name__:
        return f" = {_plain(repr(value))}"
    return f": {type(value).__name__}"


class _Default:
    """Stands for a section with all its defaults, in a signature."""

    def __init__(self, section: Section) -> None:
        self._name = type(section).__name__

    def __repr__(self) -> str:
        return f"{self._name}()"


def _shown(signature: inspect.Signature) -> str:
    text = _plain(str(signature))
    return text.removesuffix(" -> None") if signature.return_annotation is None else text


def _plain(text: str) -> str:
    """A signature without quotes around types, modules before names, and addresses in memory."""
    text = re.sub(r"(: |-> )'([^']+)'", r"\1\2", text)
    text = re.sub(r"<function (\S+) at 0x[0-9a-f]+>|<(\S+) object at 0x[0-9a-f]+>", r"\1\2", text)
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", text)


def _architecture(text: str) -> str:
    """Renew the generated parts of a page, and lead its links to where their symbols are now."""
    for name, lines in (("floors", floors()), ("rooms", _rooms())):
        mark, end = f"[//]: # (generated: {name})", f"[//]: # (end of {name})"
        before, _, rest = text.partition(mark)
        text = "\n".join([before + mark, "", *lines, "", end + rest.partition(end)[2]])
    return LINK.sub(followed, text)


def followed(link: re.Match[str]) -> str:
    """Lead a link to the one file that defines its symbol, where the named one does not."""
    symbol, path = link["symbol"], link["path"]
    if not defines(ROOT / path, symbol):
        now = [file for file in sorted(SOURCE.rglob("*.py")) if defines(file, symbol)]
        path = str(now[0].relative_to(ROOT)) if len(now) == 1 else path
    return f"[`{symbol}`](../{path})"


def defines(path: Path, symbol: str) -> bool:
    """Say whether a file defines a symbol, such as `Asker.ask`."""
    body = ast.parse(path.read_text(encoding="utf-8")).body if path.exists() else []
    for name in symbol.split("."):
        found = [node for node in body if name in _defined_by(node)]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return True


def _defined_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Assign | ast.AnnAssign):
        return [
            ast.unparse(target)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        ]
    return [getattr(node, "name", "")]


def floors() -> list[str]:
    """The floors as a picture."""
    rooms = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    unknown = rooms - {room for floor in FLOORS.values() for room in floor}
    if unknown:
        raise ValueError(f"{sorted(unknown)} stand on no floor; add them to FLOORS in tools/reference.py")
    lines = ["```text"]
    for i, (floor, its) in enumerate(FLOORS.items()):
        there = [room for room in its if room in rooms]
        inside = (
            there
            if len(its) > 1
            else sorted({path.stem for path in (SOURCE / floor).iterdir()} - {"__init__", "__pycache__"})
        )
        words = textwrap.wrap(" · ".join(inside), 80)
        lines += [f"{6 - i} │ {floor:<10} │ {words[0] if words else ''}"]
        lines += [f"  │ {'':<10} │ {more}" for more in words[1:]]
        lines += ["  │            ↓"] if floor != "core" else []
    return [*lines, "```"]


def _rooms() -> list[str]:
    """A sentence for each room and the packages in it, from their docstrings."""
    lines = []
    for floor, rooms in FLOORS.items():
        if floor == "crafts":
            lines.append(
                "- **crafts**: one room a craft; they never import each other, and meet in `experiment/`."
            )
        elif len(rooms) > 1:
            lines.append(f"- **{floor}**")
        for room in rooms:
            for path in sorted((SOURCE / room).rglob("__init__.py")):
                parts = path.parent.relative_to(SOURCE).parts
                depth = len(parts) - 1 + (len(rooms) > 1)
                said = _first_line(importlib.import_module(".".join(("tuition", *parts))))
                name = f"**`{parts[-1]}/`**" if depth == 0 else f"`{parts[-1]}/`"
                lines.append(
                    _wrapped(f"{'  ' * depth}- {name}: {said}", first="  " * depth, behind="  " * (depth + 1))
                )
    return lines


def main() -> None:
    """Write every page that is not current."""
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
