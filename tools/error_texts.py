"""The texts of errors as the code has them, with names in the place of values. Imports no module it reads."""

from __future__ import annotations

import ast
import builtins
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tuition.core import errors


def error_texts(path: Path) -> Iterator[tuple[str, str]]:
    """The class and the text of every error that a module makes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    left: list[tuple[ast.AST, ast.FunctionDef | None]] = [(tree, None)]
    while left:
        node, inside = left.pop()
        inside = node if isinstance(node, ast.FunctionDef) else inside
        left += [(child, inside) for child in ast.iter_child_nodes(node)]
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = ast.unparse(node.func)
        # What a validator raises becomes one of the faults that a ConfigError lists.
        is_validator = inside and any("validator" in ast.unparse(one) for one in inside.decorator_list)
        name = "ConfigError" if is_validator and name in ("ValueError", "unspoken") else name
        kind = getattr(errors, name, None)
        if inspect.isclass(kind):
            whole = str(kind(*(_template(argument, functions) for argument in node.args)))
            for text in (whole, *_listed(node, inside, functions)):
                if len(re.findall(r"[a-z]{2,}", re.sub(r"\{\w*\}", "", text))) >= 3:
                    yield name, text


def _listed(
    raised: ast.Call, inside: ast.FunctionDef | None, functions: Mapping[str, ast.FunctionDef]
) -> Iterator[str]:
    """The texts in a list of faults that an error joins, each a text of its own."""
    joins = [one for one in ast.walk(raised) if isinstance(one, ast.Call) and _attribute(one) == "join"]
    names = {one.id for join in joins for one in ast.walk(join) if isinstance(one, ast.Name)}
    for node in ast.walk(inside) if inside is not None else ():
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value is not None:
            targets, values = node.targets if isinstance(node, ast.Assign) else [node.target], [node.value]
        elif isinstance(node, ast.Call) and _attribute(node) in ("append", "extend"):
            targets, values = list(ast.iter_child_nodes(node.func)), node.args
        else:
            continue
        if names & {target.id for target in targets if isinstance(target, ast.Name)}:
            yield from (text for value in values for text in _sentences(value, functions))


def _attribute(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _sentences(node: ast.AST, functions: Mapping[str, ast.FunctionDef]) -> Iterator[str]:
    """The texts in an expression, and those that a function of the module returns where it is called."""
    if isinstance(node, ast.JoinedStr | ast.Constant):
        yield _template(node, functions)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions:
        for one in ast.walk(functions[node.func.id]):
            if isinstance(one, ast.Return) and isinstance(one.value, ast.JoinedStr | ast.Constant):
                yield _template(one.value, functions)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _sentences(child, functions)


def _template(node: ast.AST | None, functions: Mapping[str, ast.FunctionDef]) -> str:
    """The text that an expression gives, with names in the place of values."""

    def inner(one: ast.AST | None) -> str:
        return _template(one, functions)

    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr():
            return "".join(map(inner, node.values))
        case ast.FormattedValue():
            return inner(node.value)
        case ast.BinOp(op=ast.Add()):
            return inner(node.left) + inner(node.right)
        case ast.IfExp():
            return inner(node.body)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return f"{{{name.strip('_')}}}"
        case ast.Call(func=ast.Name(id="near_name")):
            kind = next(inner(keyword.value) for keyword in node.keywords if keyword.arg == "kind")
            return f"unknown {kind} {inner(node.args[0])}; did you mean …? Known: …."
        case ast.Call(func=ast.Name(id=name)) if name in functions:
            given = [one for one in ast.walk(functions[name]) if isinstance(one, ast.Return)]
            return inner(given[-1].value) if given else "…"
        case ast.Call(func=ast.Name(id=name), args=[one]) if hasattr(builtins, name):
            return inner(one)
    return "…"
