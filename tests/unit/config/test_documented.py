"""What docs/ says in tables is what the code says: of keys, errors, metrics and log fields."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import proxy
from docs.reference import DOCS, PAGES, as_table, keys, keys_in_code, with_table
from proxy import errors
from proxy.config.convert import scalar_keys
from proxy.telemetry.error_codes import ERROR_CODES

CONFIG = DOCS.parent / "config" / "examples"
SOURCES = sorted(Path(proxy.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("name", PAGES)
def test_a_table_is_what_the_code_says(name: str) -> None:
    page = (DOCS / f"{name}.md").read_text("utf-8")
    assert with_table(page, PAGES[name]()) == page, f"docs/{name}.md: run `make reference`"


def test_a_page_without_a_place_for_its_table_is_an_error() -> None:
    with pytest.raises(ValueError, match="one place"):
        with_table("# No table", "")


def test_every_key_is_in_the_reference() -> None:
    top, *others = re.split(r"^## `\[(.*)\]`$", keys(), flags=re.MULTILINE)
    sections = {"": top, **dict(zip(others[::2], others[1::2], strict=True))}
    missing = [key for key in scalar_keys() if f"| `{key[-1]}` |" not in sections[".".join(key[:-1])]]
    assert missing == []
    assert "| `copy` |" in sections["routes.NAME.access.forward_auth"]


def test_names_of_keys_are_shown_as_code() -> None:
    assert keys_in_code("Beyond limits.passes, or dry_run") == "Beyond `limits.passes`, or `dry_run`"
    assert as_table(["a"], [["b|c"]]) == "| a |\n| --- |\n| b\\|c |\n"


def test_every_page_of_the_documentation_is_found_from_the_site() -> None:
    def pages(entry: object) -> Iterator[str]:
        if isinstance(entry, str):
            yield entry
        elif isinstance(entry, dict | list):
            for each in entry.values() if isinstance(entry, dict) else entry:
                yield from pages(each)

    navigation = yaml.safe_load((DOCS.parent / "mkdocs.yml").read_text("utf-8"))["nav"]
    assert sorted(pages(navigation)) == sorted({path.name for path in DOCS.glob("*.md")} | {"keys.md"})


@pytest.mark.parametrize("page", [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_no_link_leads_nowhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)\s#]+)", page.read_text("utf-8"))
    assert [link for link in links if link != "keys.md" and not (page.parent / link).exists()] == []


def leaves(table: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, value in table.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name), value


EXAMPLES = [dict(leaves(tomllib.loads(file.read_text("utf-8")))) for file in CONFIG.rglob("*.toml")]


@pytest.mark.parametrize("page", [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))], ids=lambda page: page.name)
def test_a_configuration_that_a_page_shows_is_part_of_an_example(page: Path) -> None:
    for excerpt in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        shown = dict(leaves(tomllib.loads(excerpt)))
        assert any(all(example.get(key) == value for key, value in shown.items()) for example in EXAMPLES), excerpt


def said_in_source() -> Iterator[tuple[str, int]]:
    """Codes with the status that stands beside them, in calls and in classes."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                named = {word.arg: word.value for word in node.keywords}
                code, status = named.get("code"), named.get("status")
                if isinstance(code, ast.Constant) and isinstance(status, ast.Constant) and isinstance(code.value, str):
                    assert isinstance(status.value, int)
                    yield code.value, status.value
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.ProxyError):
            yield kind.code, kind.status


def test_the_status_of_an_error_is_the_one_that_is_sent() -> None:
    found = list(said_in_source())
    assert len(found) > 25
    assert [(code, status) for code, status in found if ERROR_CODES[code].status != str(status)] == []
