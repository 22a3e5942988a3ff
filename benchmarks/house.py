"""How the source is built: floors, arrows, circles, what a tiny run enters, docstrings, helpers, lines.

It measures the `tuition` that Python imports; `PYTHONPATH=OTHER/src` measures another checkout.

- *floors*: modules in the longest chain of imports within a room, without package faces (`__init__`); for the
  whole, rooms in the longest chain of rooms;
- *arrows*: pairs of a room's direct children of which one imports the other, by any import; for the whole,
  pairs of rooms;
- *circles*: groups of modules that reach each other by imports, those within functions included;
- *entered*: functions that `tuition run` on twelve playground questions calls in any thread, and their files;
- *docstrings*: lines of the docstrings of modules, classes and functions, as a share of all lines;
- *helpers*: private functions whose name stands once in their file, as a share of all functions.
"""

import ast
import dataclasses
import inspect
import multiprocessing
import os
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

import frame

import tuition

ROOT = Path(tuition.__file__).parent
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
TARGETS = {
    "lines": 32000,
    "floors": 6,
    "docstrings": 0.19,
    "helpers": 0.18,
    "tinyllm_files": 75,
    "tinyllm_functions": 450,
    "elad_files": 90,
    "elad_functions": 560,
    "circles": 0,
}
TINY = """recipe = "{recipe}"
out = "run"
[task]
source = "playground"
train = 12
valid = 6
test = 6
domains = ["coins", "phrases"]
[[teacher]]
kind = "playground"
name = "ada"
[[teacher]]
kind = "playground"
name = "bela"
[annotation]
examples = 1
filters = ["empty"]
[student]
model = "fresh:llama-nano"
max_output_tokens = 6
[training]
steps = 2
batch_examples = 4
"""
ROUNDS = """[rounds]
most = 2
cold = {items = 4}
each = {items = 4}
[explanation]
max_tokens = 12
samples = 2
prefix_samples = 2
calibrate = 3
"""


@dataclasses.dataclass(frozen=True)
class Module:
    """One file of the source."""

    name: str
    """Such as `tuition.core.run`; a package has the name of its folder."""
    is_face: bool
    """Whether it is the `__init__` of a package."""
    lines: int
    tree: ast.Module

    @property
    def room(self):
        """The direct child of `tuition` that it lies in; the files beside the rooms are in none."""
        return self.name.split(".")[1] if "." in self.name and "__" not in self.name else ""

    @property
    def child(self):
        """The direct child of its room."""
        return [*self.name.split("."), "__init__"][2]


def read(root=ROOT):
    """Read every module by name."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = ("tuition", *path.relative_to(root).with_suffix("").parts)
        is_face = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_face else parts)
        text = path.read_text(encoding="utf-8")
        found[name] = Module(name, is_face, len(text.splitlines()), ast.parse(text))
    return found


def imports(modules, *, at_start):
    """Pairs of modules of which the first imports the second; `at_start`: when it is itself imported."""
    found = set()

    def walk(name, node):
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.Import):
                found.update((name, alias.name) for alias in inner.names)
            elif isinstance(inner, ast.ImportFrom):
                names = {inner.module, *(f"{inner.module}.{alias.name}" for alias in inner.names)}
                found.update((name, other) for other in names)
            is_late = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) or (
                isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test)
            )
            if not (at_start and is_late):
                walk(name, inner)

    for name, module in modules.items():
        walk(name, module.tree)
    return {(one, other) for one, other in found if other in modules and one != other}


def circles(pairs):
    """The groups of names that reach each other (Tarjan's strongly connected components), largest first."""
    after = {}
    for one, other in pairs:
        after.setdefault(one, set()).add(other)
    number, lowest, stack, found = {}, {}, [], []

    def visit(name):
        number[name] = lowest[name] = len(number)
        stack.append(name)
        for other in sorted(after.get(name, ())):
            if other not in number:
                visit(other)
            if other in stack:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == number[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in sorted(after):
        if name not in number:
            visit(name)
    return sorted(found, key=len, reverse=True)


def floors(pairs):
    """The length of the longest chain; names in a circle stand on one floor."""
    together = {name: group[0] for group in circles(pairs) for name in group}
    falls = {(together.get(one, one), together.get(other, other)) for one, other in pairs}
    height = {}

    def of(name):
        if name not in height:
            height[name] = 1 + max((of(low) for high, low in falls if high == name != low), default=0)
        return height[name]

    return max((of(name) for pair in falls for name in pair), default=1)


def counted(module):
    """Docstring lines of a module, its functions, and its private functions that are named once."""
    nodes = list(ast.walk(module.tree))
    documented = [node for node in nodes if isinstance(node, DOCUMENTED) and ast.get_docstring(node)]
    functions = [node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    named = Counter(node.id for node in nodes if isinstance(node, ast.Name))
    named.update(node.attr for node in nodes if isinstance(node, ast.Attribute))
    private = [name for name in functions if name.startswith("_") and not name.startswith("__")]
    return {
        "lines": module.lines,
        "docstring_lines": sum(node.body[0].end_lineno - node.body[0].lineno + 1 for node in documented),
        "functions": len(functions),
        "helpers": sum(named[name] == 1 for name in private),
    }


def rows(modules):
    """A row for each room."""
    every, at_start = imports(modules, at_start=False), imports(modules, at_start=True)
    found = []
    for room in sorted({module.room for module in modules.values()}):
        own = {name: module for name, module in modules.items() if module.room == room}
        sums = Counter()
        for module in own.values():
            sums.update(counted(module))
        inside = {(a, b) for a, b in at_start if own.get(a) and own.get(b)}
        children = {(own[a].child, own[b].child) for a, b in every if own.get(a) and own.get(b)}
        found.append(
            {
                "room": room,
                "files": len(own),
                **sums,
                "floors": floors({(a, b) for a, b in inside if not (own[a].is_face or own[b].is_face)}),
                "arrows": sum(one != other for one, other in children),
                "onto": sorted({modules[b].room for a, b in every if a in own and b not in own} - {""}),
            }
        )
    return found


def entered(recipe):
    """Count what a tiny run of a recipe enters, in a process that has run nothing before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return {"recipe": recipe, **pool.apply(_watch, (recipe,))}


def _watch(recipe):
    codes = set()

    def note(called, event, _):
        # A class body is a call too; it has no fast locals.
        if event == "call" and called.f_code.co_flags & inspect.CO_OPTIMIZED:
            codes.add(called.f_code)

    from tuition.cli.main import app

    nowhere = os.open(os.devnull, os.O_WRONLY)
    for told in (1, 2):
        os.dup2(nowhere, told)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        text = TINY.format(recipe=recipe) + (ROUNDS if recipe == "elad" else "")
        Path("tiny.toml").write_text(text, encoding="utf-8")
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            app(["run", "tiny.toml"], standalone_mode=False)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            os.chdir("/")
    own = [code for code in codes if code.co_filename.startswith(f"{ROOT}{os.sep}")]
    return {
        "entered_files": len({code.co_filename for code in own}),
        "entered_functions": sum(not code.co_name.startswith("<") for code in own),
    }


def summary_of(runs):
    """What the rows come to."""
    rooms = [run for run in runs if "room" in run]
    total = Counter()
    for row in rooms:
        total.update({key: row[key] for key in ("files", "lines", "docstring_lines", "functions", "helpers")})
    falls = {(row["room"], other) for row in rooms if row["room"] for other in row["onto"]}
    return {
        "files": total["files"],
        "lines": total["lines"],
        "functions": total["functions"],
        "floors": floors(falls),
        "arrows": len(falls),
        "circles": sum("circle" in run for run in runs),
        "modules_in_circles": sum(len(run.get("circle", ())) for run in runs),
        "docstrings": round(total["docstring_lines"] / total["lines"], 4),
        "helpers": round(total["helpers"] / total["functions"], 4),
        "inside": {
            row["room"]: {key: row[key] for key in ("files", "lines", "floors", "arrows")}
            for row in rooms
            if row["room"]
        },
        "entered": {
            run["recipe"]: {"files": run["entered_files"], "functions": run["entered_functions"]}
            for run in runs
            if "recipe" in run
        },
    }


def missed(summary):
    """The targets that are not met, each with what was found."""
    found = {
        **{key: summary[key] for key in ("lines", "floors", "docstrings", "helpers", "circles")},
        **{f"{name}_{what}": n for name, row in summary["entered"].items() for what, n in row.items()},
    }
    return {name: (found[name], most) for name, most in TARGETS.items() if found.get(name, 0) > most}


def main():
    quick = frame.arguments(__doc__).quick
    modules = read()
    runs = rows(modules)
    runs += [{"circle": group} for group in circles(imports(modules, at_start=False))]
    runs += [] if quick else [entered(recipe) for recipe in ("tinyllm", "elad")]
    summary = summary_of(runs)
    frame.write("house", __doc__.splitlines()[0], runs=runs, ratios={}, summary=summary, quick=quick)
    for name, (found, most) in missed(summary).items():
        print(f"{name}: {found}, and the target is at most {most}")


if __name__ == "__main__":
    main()
