"""Where a module can be changed by a little, and the module so changed."""

import ast
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

_SWAPPED: Final[dict[type[ast.AST], type[ast.AST]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv,
}  # fmt: skip


class Mutant(NamedTuple):
    """One change."""

    line: int
    what: str
    node: int  # its number, in the order of `ast.walk`

    def applied(self, source: str) -> str:
        """The whole module, changed."""
        tree = ast.parse(source)
        members = _members(tree)
        node = next(each for number, each in enumerate(ast.walk(tree)) if number == self.node)
        for what, change in _changes(node, members):
            if what == self.what:
                change(node)
        return ast.unparse(tree)


def mutants(source: str) -> list[Mutant]:
    """Every change that is known of."""
    tree = ast.parse(source)
    members = _members(tree)
    return [
        Mutant(getattr(node, "lineno", 0), what, number)
        for number, node in enumerate(ast.walk(tree))
        for what, _ in _changes(node, members)
    ]


def _members(tree: ast.AST) -> dict[str, list[str]]:
    """Of each enum, those of its members that the module names."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr.isupper():
            found.setdefault(node.value.id, set()).add(node.attr)
    return {name: sorted(members) for name, members in found.items()}


def _changes(node: ast.AST, members: dict[str, list[str]]) -> Iterator[tuple[str, Callable[[Any], None]]]:
    """What may be changed in a node, in words, and how."""
    text = ast.unparse(node) if isinstance(node, ast.expr | ast.stmt) else ""
    match node:
        case ast.Compare(ops=[op, *rest]) if type(op) in _SWAPPED:
            to = _SWAPPED[type(op)]
            yield f"{text}: {to.__name__}", lambda target: _set(target, ops=[to(), *rest])
        case ast.BoolOp(op=op) | ast.BinOp(op=op) if type(op) in _SWAPPED and not _is_text(node):
            to = _SWAPPED[type(op)]
            yield f"{text}: {to.__name__}", lambda target: _set(target, op=to())
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield f"{text}: without not", lambda target: _set(target, operand=ast.UnaryOp(ast.Not(), operand))
        case ast.Constant(value=bool(value)):
            yield f"{value}: {not value}", lambda target: _set(target, value=not value)
        case ast.Constant(value=int(value)):
            more = value + 1
            yield f"{value}: {more}", lambda target: _set(target, value=more)
        case ast.Constant(value=float(value)):
            doubled = value * 2 or 1.0
            yield f"{value}: {doubled}", lambda target: _set(target, value=doubled)
        case ast.Attribute(value=ast.Name(id=name), attr=attr) if (
            len(named := members.get(name, [])) > 1 and attr in named
        ):
            other = named[named.index(attr) - 1]
            yield f"{text}: {other}", lambda target: _set(target, attr=other)
        case ast.If(test=test) | ast.While(test=test) if not _is_negated_itself(test):
            yield f"if {ast.unparse(test)}: negated", lambda target: _set(target, test=ast.UnaryOp(ast.Not(), test))
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield f"{text}: None", lambda target: _set(target, value=ast.Constant(None))
        case ast.Break():
            yield "break: continue", lambda target: _set(target, __class__=ast.Continue)
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise():
            yield f"{text}: left out", lambda target: _set(target, __class__=ast.Pass)
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]) | ast.AugAssign(target=ast.Attribute()):
            yield f"{text}: left out", lambda target: _set(target, __class__=ast.Pass)
        case ast.Delete(targets=[ast.Subscript()]):
            yield f"{text}: left out", lambda target: _set(target, __class__=ast.Pass)
        case _:
            pass


def _is_negated_itself(test: ast.expr) -> bool:
    """Whether one of the other changes does the same to this condition."""
    negated = ast.Eq | ast.NotEq | ast.Is | ast.IsNot | ast.In | ast.NotIn
    return (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)) or (
        isinstance(test, ast.Compare) and isinstance(test.ops[0], negated)
    )


def _is_text(node: ast.AST) -> bool:
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else ()
    return any(isinstance(side, ast.Constant) and isinstance(side.value, str | bytes) for side in sides)


def _set(target: ast.AST, **changed: object) -> None:
    for name, value in changed.items():
        setattr(target, name, value)
    ast.fix_missing_locations(target)
