"""Where a module can be changed by a little, and the module so changed."""

import ast
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

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
        node = next(each for number, each in enumerate(ast.walk(tree)) if number == self.node)
        for what, change in _changes(node):
            if what == self.what:
                change(node)
        return ast.unparse(tree)


def mutants(source: str) -> list[Mutant]:
    """Every change that is known of."""
    return [
        Mutant(getattr(node, "lineno", 0), what, number)
        for number, node in enumerate(ast.walk(ast.parse(source)))
        for what, _ in _changes(node)
    ]


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[ast.AST], None]]]:
    """What may be changed in a node, in words, and how."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _SWAPPED:
        to = _SWAPPED[type(node.ops[0])]
        yield f"{ast.unparse(node)}: {to.__name__}", lambda target, to=to: _set(target, "ops", [to(), *target.ops[1:]])  # type: ignore[misc]
    elif isinstance(node, ast.BoolOp) or (
        isinstance(node, ast.BinOp) and type(node.op) in _SWAPPED and not _is_text(node)
    ):
        to = _SWAPPED[type(node.op)]
        yield f"{ast.unparse(node)}: {to.__name__}", lambda target, to=to: _set(target, "op", to())  # type: ignore[misc]
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield f"{node.value}: {not node.value}", lambda target, to=not node.value: _set(target, "value", to)  # type: ignore[misc]
    elif isinstance(node, ast.Constant) and isinstance(node.value, int):
        yield f"{node.value}: {node.value + 1}", lambda target, to=node.value + 1: _set(target, "value", to)  # type: ignore[misc]
    elif isinstance(node, ast.If | ast.While):
        yield (
            f"if {ast.unparse(node.test)}: not so",
            lambda target: _set(
                target,
                "test",
                ast.UnaryOp(ast.Not(), target.test),  # type: ignore[attr-defined]
            ),
        )
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield f"{ast.unparse(node)}: left out", lambda target: _set(target, "value", ast.Constant(None))
    elif isinstance(node, ast.Return) and node.value is not None:
        yield f"{ast.unparse(node)}: None", lambda target: _set(target, "value", ast.Constant(None))


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(isinstance(side, ast.Constant) and isinstance(side.value, str | bytes) for side in sides)


def _set(target: ast.AST, name: str, value: object) -> None:
    setattr(target, name, value)
    ast.fix_missing_locations(target)
