"""Benchmarks import much inside functions, which no other test runs: every name must be there."""

import ast
import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.name)
def test_what_is_imported_of_tuition_is_there(path):
    absent = [
        f"{node.module}.{name.name}, line {node.lineno}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "tuition"
        for name in node.names
        if not hasattr(importlib.import_module(node.module), name.name)
    ]
    assert absent == []
