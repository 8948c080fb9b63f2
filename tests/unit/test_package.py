"""What the package says about itself."""

import tomllib
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_its_types_are_for_others_too() -> None:
    assert files("proxy").joinpath("py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_the_pythons_that_it_claims_are_those_that_the_documents_name() -> None:
    prefix = "Programming Language :: Python :: 3."
    claimed = [f"3.{line.removeprefix(prefix)}" for line in PROJECT["classifiers"] if line.startswith(prefix)]
    assert PROJECT["requires-python"] == f">={claimed[0]}"
    for document in ("docs/contributing.md", "docs/security.md"):
        assert ", ".join(claimed[:-1]) + " and " + claimed[-1] in (ROOT / document).read_text(), document


def test_what_only_the_demo_needs_is_an_extra() -> None:
    assert not [line for line in PROJECT["dependencies"] if line.startswith("wsproto")]
    assert [line for line in PROJECT["optional-dependencies"]["demo"] if line.startswith("wsproto")]
