"""docs/logs.md describes every field of a line, and no other."""

import re
from pathlib import Path

import proxy
from proxy.telemetry.json_fields import Line

PAGE = Path(proxy.__file__).parents[1] / "docs" / "logs.md"


def test_every_field_of_a_line_is_described() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    described = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(described) == sorted(Line.__struct_fields__)
