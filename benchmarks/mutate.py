"""Small faults put into the text of a module, one at a time: the mutants of `mutants.py`."""

import ast
from collections import Counter

SWAPS = {
    **{"Lt": "LtE GtE", "LtE": "Lt Gt", "Gt": "GtE LtE", "GtE": "Gt Lt", "Eq": "NotEq", "NotEq": "Eq"},
    **{"In": "NotIn", "NotIn": "In", "Is": "IsNot", "IsNot": "Is", "And": "Or", "Or": "And"},
    **{"Add": "Sub", "Sub": "Add", "Mult": "Div", "Div": "Mult", "FloorDiv": "Mult", "Mod": "Mult"},
    **{"Pow": "Mult", "MatMult": "Mult", "BitOr": "BitAnd", "BitAnd": "BitOr"},
    **{"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor"},
}
DROPPED = (ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete)
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.match_case)


def swapped(node, field):
    """Copies of a node, each with another operator or name."""
    old = getattr(node, field)
    is_name = isinstance(old, str)
    for name in SWAPS.get(old if is_name else type(old).__name__, "").split():
        yield type(node)(**dict(ast.iter_fields(node)) | {field: name if is_name else getattr(ast, name)()})


def replacements(node, parent, field):
    """What may stand in a node's place."""
    match node:
        case ast.Compare(ops=ops):
            for i, op in enumerate(ops):
                for name in SWAPS[type(op).__name__].split():
                    other = [*ops[:i], getattr(ast, name)(), *ops[i + 1 :]]
                    yield ast.Compare(node.left, other, node.comparators)
        case ast.BinOp() | ast.BoolOp() | ast.AugAssign():
            yield from swapped(node, "op")
        case ast.Name() | ast.Attribute() if field == "func":
            yield from swapped(node, "id" if isinstance(node, ast.Name) else "attr")
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int()):
            yield ast.Constant(node.value + 1)
        case ast.Constant(value=float()):
            yield ast.Constant(2 * node.value or 1.0)
        case ast.Constant(value=str()) if " " not in node.value:
            yield ast.Constant(node.value + "x")
        case ast.Return() if not isinstance(node.value, ast.Constant | None):
            yield ast.Return(ast.Constant(None))
    if field in ("test", "ifs") and not isinstance(node, ast.Compare | ast.UnaryOp):
        yield ast.UnaryOp(ast.Not(), node)
    is_call = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    is_set_again = isinstance(node, ast.Assign) and (
        isinstance(parent, BLOCKS) or isinstance(node.targets[0], ast.Attribute | ast.Subscript)
    )
    if isinstance(node, DROPPED) or is_call or is_set_again:
        yield ast.Pass()


def places(node, scope=""):
    """Every node that may be changed, with its parent, its field there, and the names around it."""
    for field, value in ast.iter_fields(node):
        for i, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or field in ("decorator_list", "format_spec", "returns"):
                continue
            if field == "annotation":  # the limits of a field in a configuration
                calls = [part for part in ast.walk(child) if isinstance(part, ast.Call)]
                yield from (place for call in calls for place in places(call, scope))
                continue
            is_said = isinstance(child, ast.Constant) and isinstance(node, ast.Expr | ast.JoinedStr)
            is_list = ast.unparse(child).startswith(("Literal[", "__all__ =", "assert "))
            if not is_said and not is_list:
                is_named = isinstance(child, ast.FunctionDef | ast.ClassDef)
                inner = f"{scope}.{child.name}".strip(".") if is_named else scope
                yield child, node, field, (i if isinstance(value, list) else None), inner
                yield from places(child, inner)


def mutants(text):
    """Each mutant's name, which no edit elsewhere in the module changes, with its line and its source."""
    tree, seen = ast.parse(text), Counter()
    for node, parent, field, i, scope in list(places(tree)):
        for other in replacements(node, parent, field):
            holder, key = (getattr(parent, field), i) if i is not None else (vars(parent), field)
            parts = [ast.unparse(ast.fix_missing_locations(part)) for part in (node, other)]
            old, new = (" ".join(part.split())[:120] for part in parts)
            name = f"{scope or 'module'}: {old} → {new}"
            seen[name] += 1
            holder[key] = other
            yield f"{name} ({seen[name]})" if seen[name] > 1 else name, node.lineno, ast.unparse(tree)
            holder[key] = node
