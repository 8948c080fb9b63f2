"""What is compiled where a wheel is built for it: the list in pyproject.toml, and what its modules must not have.

The compiler drops some of these without a word, so a module would do something else compiled than interpreted.
"""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from proxy import __version__
from proxy.cli.compiled import how_it_runs, is_compiled
from proxy.cli.main import main

ROOT = Path(__file__).parents[2]
HOOK = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"][
    "hooks"
]
LISTED: list[str] = HOOK["mypyc"]["include"]
MODULES = [path.removeprefix("/").removesuffix(".py").replace("/", ".") for path in LISTED]

#: Where a request with a small answer comes by: none of it may be left out unnoticed.
HOT = ("http1.parsing.fast_path", "policy.request_plan", "policy.stripping", "transport.stream", "transport.fiber",
       "downstream.connection", "upstream.connection", "upstream.pool", "exchange.exchange", "exchange.attempts")  # fmt: skip


def test_every_module_of_the_list_is_there_once() -> None:
    assert [path for path in LISTED if not (ROOT / path.removeprefix("/")).is_file()] == []
    assert len(set(LISTED)) == len(LISTED)
    assert {f"proxy.{name}" for name in HOT} <= set(MODULES)


def test_nothing_is_compiled_unless_somebody_asks_for_it() -> None:
    assert HOOK["mypyc"]["enable-by-default"] is False


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_compiled_where_the_others_are(module: str) -> None:
    assert is_compiled(module) is is_compiled()


def faults(source: str) -> Iterator[str]:
    """What mypyc leaves out or does otherwise."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            bases = {ast.unparse(base).partition("[")[0] for base in node.bases}
            if node.keywords:
                yield f"{node.name}: class keywords are dropped"
            if bases & {"msgspec.Struct", "Struct"}:
                yield f"{node.name}: a Struct is no native class, and its options are dropped"
            if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
                yield f"{node.name}: a dataclass has an interpreted __init__"
            if any(base.endswith(("Exception", "Error")) for base in bases):
                assigned = [part for part in node.body if isinstance(part, ast.Assign | ast.AnnAssign)]
                if assigned:
                    yield f"{node.name}: class attributes of exceptions are lost"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
            if "cached_property" in decorators:
                yield f"{node.name}: native classes have no __dict__ to keep a cached property in"
            if "coroutine" in decorators:
                yield f"{node.name}: compiled code cannot await what types.coroutine makes"


@pytest.mark.parametrize("path", LISTED)
def test_no_module_has_what_the_compiler_drops(path: str) -> None:
    assert list(faults((ROOT / path.removeprefix("/")).read_text("utf-8"))) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("class A:\n  x: int = 1", []),
        ("class A(msgspec.Struct):\n  x: int", ["A: a Struct is no native class, and its options are dropped"]),
        ("class A(B, eq=False): pass", ["A: class keywords are dropped"]),
        ("@dataclass(slots=True)\nclass A: pass", ["A: a dataclass has an interpreted __init__"]),
        ("class A(Exception): pass", []),
        ("class A(SomeError):\n  status = 1", ["A: class attributes of exceptions are lost"]),
        ("class A:\n  @functools.cached_property\n  def f(self): ...",
         ["f: native classes have no __dict__ to keep a cached property in"]),
        ("@types.coroutine\ndef f(): yield", ["f: compiled code cannot await what types.coroutine makes"]),
    ],
)  # fmt: skip
def test_what_the_compiler_drops_is_seen(source: str, found: list[str]) -> None:
    assert list(faults(source)) == found


def test_the_command_says_how_it_runs() -> None:
    assert how_it_runs() == ("compiled" if is_compiled("proxy.transport.stream") else "interpreted")
    assert CliRunner().invoke(main, ["--version"]).output == f"onehop, version {__version__}, {how_it_runs()}\n"
