"""The mutator (`benchmarks/mutate.py`) by hand, and the list of mutants that may live (`mutants.toml`)."""

import json
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this package")


@pytest.fixture(scope="module")
def mutants():
    sys.path.insert(0, str(BENCHMARKS))
    from mutate import mutants

    return mutants


@pytest.fixture(scope="module")
def lists():
    return tomllib.loads((BENCHMARKS / "mutants.toml").read_text())


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x = a < b", ["module: a < b → a <= b", "module: a < b → a >= b"]),
        ("x = a < b <= c", ["a <= b <= c", "a >= b <= c", "a < b < c", "a < b > c"]),
        ("x = a + b * c", ["a + b * c → a - b * c", "b * c → b / c"]),
        ("x = a and not b", ["a and (not b) → a or not b", "not b → b"]),
        (
            "x = [1, 0.5, 0.0, True, 'w', 'two words']",
            ["1 → 2", "0.5 → 1.0", "0.0 → 1.0", "True → False", "'wx'"],
        ),
        ("x = min(a, -b)", ["min → max", "-b → b"]),
        ("x = [i for i in y if i]", ["i → not i"]),
        (
            "def f():\n  if a:\n    b = c\n  return b",
            ["f: a → not a", "f: b = c → pass", "f: return b → return None"],
        ),
        ("x.y = z\nx[i] += z\nx(z)", ["x.y = z → pass", "x[i] -= z", "x[i] += z → pass", "x(z) → pass"]),
        ("for i in x:\n  continue\nraise E", ["continue → pass", "raise E → pass"]),
        ("class A:\n  x: Annotated[int, Field(ge=0)] = 1", ["A: 0 → 1", "A: 1 → 2"]),
        # What says nothing of behaviour stays: docstrings, annotations, decorators, words of an error, names.
        ("'one'\n@f(x=1)\ndef g(x: Literal['a'] = None) -> 'B':\n  '''Two.'''\n  assert x == 1", []),
        ("__all__ = ['f']\nx = f'{y:.3f}'\nY = Literal['a', 'b']", []),
    ],
)
def test_what_is_changed(mutants, text, names):
    found = list(mutants(text))
    assert len(found) == len(names), [name for name, _, _ in found]
    for name, (full, _, changed) in zip(names, found, strict=True):
        assert name in full
        assert changed != text and compile(changed, "mutant", "exec")


def test_a_mutant_is_named_by_its_place_in_words_and_stands_on_its_line(mutants):
    text = """
        class A:
            def f(self):
                return self.x == 1 or self.y == 1
    """
    found = {name: (line, changed) for name, line, changed in mutants(textwrap.dedent(text))}
    assert list(found) == [
        "A.f: return self.x == 1 or self.y == 1 → return None",
        "A.f: self.x == 1 or self.y == 1 → self.x == 1 and self.y == 1",
        "A.f: self.x == 1 → self.x != 1",
        "A.f: 1 → 2",
        "A.f: self.y == 1 → self.y != 1",
        "A.f: 1 → 2 (2)",
    ]
    assert found["A.f: 1 → 2 (2)"] == (
        4,
        "class A:\n\n    def f(self):\n        return self.x == 1 or self.y == 2",
    )


def test_every_mutant_that_may_live_is_one_of_its_module(mutants, lists):
    assert len(lists["modules"]) >= 10
    for module, reasons in lists["accepted"].items():
        names = {name for name, _, _ in mutants((ROOT / "src" / "tuition" / module).read_text())}
        assert reasons.keys() <= names, module
        assert all(len(reason) > 20 for reason in reasons.values())


def test_of_every_listed_module_at_most_five_in_a_hundred_live_each_with_its_reason(lists):
    results = json.loads((BENCHMARKS / "results" / "mutants.json").read_text())["modules"]
    for module in lists["modules"]:
        killed, survived = results[module]["killed"], results[module]["survived"]
        assert len(killed) + len(survived) >= min(60, results[module]["mutants"]), module
        assert 20 * len(survived) <= len(killed) + len(survived), module
        reasons = lists["accepted"].get(module, {})
        assert survived.keys() <= reasons.keys() and not killed.keys() & reasons.keys(), module


def test_every_listed_test_file_is_there(lists):
    for module, tests in lists["tests"].items():
        assert (ROOT / "src" / "tuition" / module).is_file()
        assert all((ROOT / test).is_file() for test in tests)
