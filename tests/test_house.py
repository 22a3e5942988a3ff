"""The house rules: which way imports fall, how long things may be, what is public and documented."""

import ast
import functools
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tuition
from tuition.core.config import Section, meanings
from tuition.experiment.config import Experiment
from tuition.recipes import RECIPES
from tuition.selection import STRATEGIES
from tuition.tasks import TASKS
from tuition.tasks.config import TaskConfig

ROOT = Path(tuition.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
CRAFTS = {
    *("tasks", "teachers", "annotation", "selection", "student", "evaluation"),
    *("playground", "exchange", "upkeep", "serving"),
}
BELOW = {
    "core": {"core"},
    **{craft: {"core", craft} for craft in CRAFTS},
    "report": {"core", "report"},
    "experiment": {"core", "experiment", *CRAFTS},
    "recipes": {"core", "experiment", "recipes", *CRAFTS},
    "operate": {"core", "experiment", "recipes", "operate", *CRAFTS},
    "version": {"version"},
    "api": {"api", "core", "experiment", "recipes", "operate", "report", *CRAFTS},
    "testing": {"api", "core", "experiment", "recipes", "operate", "report", "testing", *CRAFTS},
    "cli": {"api", "core", "experiment", "recipes", "operate", "report", "cli", *CRAFTS},
}
HEAVY = {"torch", "transformers", "peft", "accelerate"}
MAY_BE_LONG_FOLDERS = {"tasks", "recipes", "domains"}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "tuition"}
    return names


def functions(tree: ast.AST):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def code_lines(node: ast.AST, source: list[str]) -> int:
    """Lines of a function that hold code: no docstring, no blank, no remark."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    if not body:
        return 0
    lines = source[node.lineno - 1 : body[0].lineno - 1 if ast.get_docstring(node) is None else node.lineno]
    lines = lines + source[body[0].lineno - 1 : node.end_lineno]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines)


def nesting(node: ast.AST, depth: int = 0) -> int:
    deeper = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.AsyncFor, ast.AsyncWith, ast.Match)
    deepest = depth
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            is_elif = field == "orelse" and isinstance(node, ast.If) and isinstance(child, ast.If)
            deepest = max(deepest, nesting(child, depth + (isinstance(child, deeper) and not is_elif)))
    return deepest


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
class TestEveryFile:
    def test_its_imports_fall(self, path):
        if path in (ROOT / "__init__.py", ROOT / "__main__.py"):
            return
        allowed = BELOW[room_of(path)]
        for name in imported(ast.parse(path.read_text())):
            if name.startswith("tuition."):
                assert name.split(".")[1] in allowed | {"version"}, f"{path.name} imports {name}"

    def test_torch_stays_in_its_room(self, path):
        is_allowed = room_of(path) == "student" or path.name == "local.py"
        for name in imported(ast.parse(path.read_text())):
            assert is_allowed or name.split(".")[0] not in HEAVY, f"{path.name} imports {name}"

    def test_no_private_name_is_imported(self, path):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tuition"):
                private = [a.name for a in node.names if a.name.startswith("_") and a.name != "__version__"]
                assert not private, f"{path.name} imports {private}"

    def test_it_keeps_the_limits(self, path):
        text = path.read_text()
        source, tree = text.splitlines(), ast.parse(text)
        recipes = {Path(inspect.getfile(recipe.run)) for recipe in RECIPES.values()}
        assert len(source) <= (250 if path in recipes else 400)
        for node in functions(tree):
            assert code_lines(node, source) <= 60, f"{node.name} is too long"
            assert nesting(node) <= 3, f"{node.name} is nested too deeply"
            arguments = [
                a.arg for a in node.args.posonlyargs + node.args.args if a.arg not in ("self", "cls")
            ]
            assert len(arguments) <= 3, f"{node.name} takes {len(arguments)} positional arguments"

    def test_everything_is_annotated(self, path):
        for node in functions(ast.parse(path.read_text())):
            args = node.args
            for argument in args.posonlyargs + args.args + args.kwonlyargs:
                assert argument.annotation or argument.arg in ("self", "cls"), f"{node.name}({argument.arg})"
            assert node.returns is not None, f"{node.name} has no return annotation"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
class TestEveryRecipe:
    def test_it_imports_no_other(self, recipe):
        others = {other.run.__module__ for other in RECIPES.values()} - {recipe.run.__module__}
        assert not others & imported(ast.parse(Path(inspect.getfile(recipe.run)).read_text()))

    def test_nobody_asks_whether_a_configuration_is_its_own(self, recipe):
        own = {Path(inspect.getfile(part)) for part in (recipe.run, recipe.config_type)}
        for path in set(FILES) - own:
            for call in calls(path, "isinstance", "issubclass"):
                assert recipe.config_type.__name__ not in ast.unparse(call.args[1]), f"{path}: {call.lineno}"

    def test_nobody_guesses_at_what_it_declares(self, recipe):
        declared = recipe.config_type.model_fields.keys() - Experiment.model_fields.keys()
        for path in FILES:
            for call in calls(path, "getattr", "hasattr"):
                of, name = ast.unparse(call.args[0]), getattr(call.args[1], "value", None)
                is_guess = of.split(".")[-1] == "config" and name in declared
                assert not is_guess, f"{path}, line {call.lineno}: {ast.unparse(call)}"


@functools.cache
def calls(path: Path, *names: str) -> list[ast.Call]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) in names]


def test_contract_tests_name_no_entry_of_a_list():
    listed = {*RECIPES, *STRATEGIES, *TASKS}
    for path in sorted((Path(__file__).parent / "contract").glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.value if isinstance(node, ast.Constant) else None
            assert name not in listed, f"{path.name}, line {node.lineno} names {name!r}"


def test_folders_stay_small():
    for folder in {path.parent for path in FILES}:
        modules = [path for path in folder.glob("*.py") if path.stem != "__init__"]
        assert len(modules) <= 10 or folder.name in MAY_BE_LONG_FOLDERS, (
            f"{folder} has {len(modules)} modules"
        )
        assert not {path.stem for path in modules} & {"utils", "helpers", "manager", "engine"}


def test_a_bare_exception_is_caught_in_two_places_at_most():
    found = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                names = (
                    {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {"bare"}
                )
                if names & {"Exception", "BaseException", "bare"}:
                    found.append(path.name)
    assert len(found) <= 2, found


def modules():
    names = [module.name for module in pkgutil.walk_packages([str(ROOT)], "tuition.")]
    return [name for name in names if "__main__" not in name]


@pytest.mark.parametrize("name", modules())
class TestEveryModule:
    def test_public_is_listed_and_documented(self, name):
        module = importlib.import_module(name)
        assert module.__doc__, f"{name} has no docstring"
        listed = getattr(module, "__all__", [])
        for public in listed:
            assert hasattr(module, public), f"{name}.__all__ lists {public}, which is not there"
        tree = ast.parse(Path(module.__file__).read_text())
        defined = {
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)
            and not node.name.startswith("_")
        }
        if Path(module.__file__).parent.name != "cli" or name.endswith(("commands", "show")):
            assert defined <= set(listed), f"{name} defines {defined - set(listed)} outside __all__"

    def test_every_config_field_is_documented(self, name):
        for _, found in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            if issubclass(found, Section) and found.__module__ == name:
                n = len(found.model_fields.keys() - {"config_version"})
                assert n <= (31 if found is TaskConfig else 24), f"{found.__name__} has {n} fields"
                told = meanings(found)
                for field in found.model_fields:
                    assert told.get(field), f"{found.__name__}.{field} has no line under it"


def faces():
    """Functions that the face of a room exports, each once."""
    found = {}
    for module in map(importlib.import_module, modules()):
        if hasattr(module, "__path__") and module.__name__.count(".") == 1:
            listed = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
            found |= {
                f"{part.__module__}.{name}": part for name, part in listed.items() if inspect.isfunction(part)
            }
    return found


@pytest.mark.parametrize("function", faces().values(), ids=faces())
def test_what_a_room_exports_says_what_it_takes_and_gives(function):
    text, parts = inspect.getdoc(function), inspect.signature(function)
    for name in parts.parameters:
        assert re.search(rf"^ +\*{{0,2}}{name}: ", text, re.M), f"{function.__name__} says nothing of {name}"
    gives = parts.return_annotation not in ("None", None)
    assert not gives or re.search(r"^(Returns|Yields):$", text, re.M), f"{function.__name__} gives something"


@pytest.mark.parametrize("code", ["import tuition", "import tuition.recipes", "import tuition.cli.main"])
def test_importing_loads_neither_torch_nor_transformers(code):
    check = f"{code}\nimport sys\nprint(sorted({{'torch', 'transformers'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_no_test_packs_the_hour_into_its_data():
    # Data of parameters are part of a test's name, and every worker must collect the same names.
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "gzip.compress":
                assert "mtime" in {keyword.arg for keyword in node.keywords}, f"{path}, line {node.lineno}"
