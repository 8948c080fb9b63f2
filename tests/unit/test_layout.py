"""The layout of the project: no file that is too long to read, no import that leads back to where it came from."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import proxy

ROOT = Path(proxy.__file__).parents[1]
LONGEST = 300
FOLDERS = [
    "cli",
    "process",
    "admin",
    "config",
    "exchange",
    "downstream",
    "upstream",
    "transport",
    "telemetry",
    "policy",
    "http1",
    "http1/parsing",
]


def python_files() -> Iterator[Path]:
    for folder in ("proxy", "tests", "benchmarks"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def test_no_python_file_is_above_300_lines() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in python_files()}
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}


def test_the_map_of_the_code_names_every_module_and_no_other() -> None:
    text = (ROOT / "proxy" / "ARCHITECTURE.md").read_text("utf-8")
    listing = next(block for block in text.split("```\n") if block.startswith("cli/"))
    named: dict[str, set[str]] = {}
    names: set[str] = set()
    for word in listing.partition("errors.py")[0].split():
        if word.endswith("/") and word not in ("balancing/", "health/"):
            folder = "http1/parsing" if word == "parsing/" else word.removesuffix("/")
            names = named[folder] = set()
        elif word not in ("pure", "balancing/", "health/"):
            names.add(word)
    found = {
        folder: {path.stem for path in (ROOT / "proxy" / folder).glob("*.py")} - {"__init__"} for folder in FOLDERS
    }
    assert named == found


# -- imports -----------------------------------------------------------------------------------------------------------


def modules() -> dict[str, Path]:
    """Every module of the package by its full name; a package stands for its `__init__`."""
    found = {}
    for path in sorted((ROOT / "proxy").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(source: str, known: set[str]) -> set[str]:
    """The modules among `known` that a source imports, also within functions: an import that is put off until it no
    longer fails is still a circle."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.level == 0, "relative imports are not used here"
            of_package = [f"{node.module}.{alias.name}" for alias in node.names]
            names.update(name if name in known else node.module for name in of_package)
    return names & known


def circle(graph: dict[str, set[str]]) -> list[str] | None:
    """A way from some module back to itself, if there is one."""
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> list[str] | None:
        if name in way:
            return [*way[way.index(name) :], name]
        if name in done:
            return None
        for other in sorted(graph[name]):
            if (found := visit(other, [*way, name])) is not None:
                return found
        done.add(name)
        return None

    return next((found for name in sorted(graph) if (found := visit(name, [])) is not None), None)


def test_no_module_imports_itself_by_a_detour() -> None:
    found = modules()
    graph = {name: imported(path.read_text("utf-8"), set(found)) for name, path in found.items()}
    way = circle(graph)
    assert way is None, " -> ".join(way)


@pytest.mark.parametrize(
    ("sources", "way"),
    [
        ({"a": "import b", "b": ""}, None),
        ({"a": "from b import f", "b": "def f():\n  import a"}, ["a", "b", "a"]),
        ({"p": "", "p.a": "from p import b", "p.b": "from p.a import x"}, ["p.a", "p.b", "p.a"]),
        ({"a": "import b\nimport c", "b": "import c", "c": ""}, None),
    ],
)
def test_a_circle_is_found_where_there_is_one(sources: dict[str, str], way: list[str] | None) -> None:
    assert circle({name: imported(source, set(sources)) for name, source in sources.items()}) == way
