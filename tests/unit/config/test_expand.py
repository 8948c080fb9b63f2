"""`${…}` in the configuration: what is put in its place, what is told where nothing is, and that no secret is shown."""

from pathlib import Path

import pytest

from proxy.config.show import effective
from proxy.config.sources import load

APP = '[upstreams.app]\nurls = ["http://a:1"]\n'
PUT = APP + '[routes.r]\nupstream = "app"\n[routes.r.response_fields]\nput = {{ "X" = "{0}" }}\n'
ENVIRON = {"A": "one", "EMPTY": "", "DOLLAR": "${A}", "ONEHOP_OWN": "mine"}

TEXTS = [
    # in the file            what it means
    ("${A}",                 "one"),
    ("<${A}|${A}>",          "<one|one>"),
    ("${A:-two}",            "one"),
    ("${NONE:-two}",         "two"),
    ("${EMPTY:-two}",        "two"),
    ("${NONE:-}",            ""),
    ("${EMPTY}",             ""),
    ("${NONE:-a:-b}",        "a:-b"),
    ("$${A}",                "${A}"),
    ("$${",                  "${"),
    ("$$${A}",               "$${A}"),
    ("${DOLLAR}",            "${A}"),  # what is put in is not looked at again
    ("$A $1 $ {A} $",        "$A $1 $ {A} $"),
    ("${ONEHOP_OWN}",        "mine"),  # no misspelt setting, as a file names it
    ("${file:secret}",       "hunter2"),
    ("Bearer ${file:secret}", "Bearer hunter2"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "meant"), TEXTS)
def test_a_reference_is_replaced(tmp_path: Path, text: str, meant: str) -> None:
    (tmp_path / "secret").write_text("hunter2\r\n")
    file = tmp_path / "c.toml"
    file.write_text(PUT.format(text))
    config = load(file, ENVIRON | ({} if "OWN" in text else {"ONEHOP_OWN": ""})).valid()
    assert config.routes["r"].response_fields.put == {"X": meant}


WRONG = [
    # in the file            what is said
    ("${NONE}",              "${NONE}: no such environment variable; ${NONE:-default} needs none"),
    ("${PAHT}",              '${PAHT}: no such environment variable, did you mean "PATH"?'),
    ("${}",                  '${}: expected ${NAME}, ${NAME:-default} or ${file:PATH}; a plain "${" is written "$${"'),
    ("${a b}",               "${a b}: expected ${NAME}"),
    ("a${A",                 "${A: expected ${NAME}"),
    ("${A-b}",               "${A-b}: expected ${NAME}"),
    ("${file:none}",         "${file:none}: cannot be read: No such file or directory"),
    ("${file:latin}",        "${file:latin}: is not UTF-8"),
    ("${file:large}",        "${file:large}: is larger than 1048576 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_reference_to_nothing_is_told_with_file_line_and_key(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "latin").write_bytes(b"\xe9")
    (tmp_path / "large").write_bytes(b"a" * (1 << 20) + b"b")
    file = tmp_path / "c.toml"
    file.write_text(PUT.format(text))
    [found] = map(str, load(file, {"PATH": "x"}).problems)
    assert found.startswith(f"{file}:6: routes.r.response_fields.put.X = {said}")


NUMBERS = [
    # a setting                                      key of the timeouts or limits, number
    ('[timeouts]\nconnect_s = "${T:-1m30s}"',        "connect_s",            90.0),
    ('[timeouts]\nconnect_s = "${FIVE}"',            "connect_s",            5.0),
    ('[limits]\nrequest_body_bytes = "${N:-64k}"',   "request_body_bytes",   65_536),
    ('[limits]\nrequest_body_bytes = "10 MiB"',      "request_body_bytes",   10_485_760),
    ('[limits]\nfield_count = "${N:-100}"',          "field_count",          100),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "number"), NUMBERS)
def test_a_number_may_come_from_a_variable(tmp_path: Path, text: str, key: str, number: float) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"{text}\n{APP}")
    config = load(file, {"FIVE": "5"}).valid()
    assert getattr(config.timeouts if text.startswith("[timeouts]") else config.limits, key) == number


def test_switches_and_lists_may_come_from_variables(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('via = "${VIA}"\nlisten = "${LISTEN}"\n[upstreams.app]\nurls = ["http://${HOST}:1", "http://b"]\n')
    config = load(file, {"VIA": "false", "LISTEN": ":1, :2", "HOST": "a"}).valid()
    assert (config.via, config.listen, config.upstreams["app"].urls) == (
        False,
        [":1", ":2"],
        ["http://a:1", "http://b"],
    )


def test_flags_and_variables_may_hold_references_too() -> None:
    environ = {"ONEHOP_UPSTREAM": "http://${HOST}:1", "HOST": "a"}
    config = load(None, environ, {}, ["timeouts.connect_s=${T:-2s}"]).valid()
    assert config.upstreams["default"].urls == ["http://a:1"]
    assert config.timeouts.connect_s == 2


def test_what_a_file_holds_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("inner.host\n")
    file = tmp_path / "c.toml"
    file.write_text('[upstreams.app]\nurls = ["http://${file:secret}:1"]\nhost = "${HOST}"\n')
    loaded = load(file, {"HOST": "outer"})
    rows = {name: value for name, value, _ in effective(loaded.valid(), loaded.sources, loaded.secrets)}
    assert rows["upstreams.app.urls"] == "***"
    assert rows["upstreams.app.host"] == '"outer"'
    assert loaded.files == (file, tmp_path / "secret")


LEAKS = [
    # what the secret is put into                what is said besides
    ('trusted_networks = ["${file:secret}"]',    'trusted_networks = ***: expected a network'),
    ('workers = "${file:secret}"',               "workers = ***: expected a whole number, got a text"),
    ('upgrades = ["${file:secret}"]',            "upgrades = ***: expected a protocol"),
    ('listen = ["${file:secret}"]',              'listen = ***: expected an address as "HOST:PORT", or unix:/PATH'),
    ('error_pages = { 502 = "${file:secret}" }', "error_pages.502 = ***: cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), LEAKS)
def test_a_problem_with_a_secret_does_not_tell_it(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "secret").write_text("s3cret word\n")
    file = tmp_path / "c.toml"
    file.write_text(f"{text}\n{APP}")
    [found] = map(str, load(file, {}).problems)
    assert said in found
    assert "s3cret" not in found


def test_a_secret_that_is_none_of_a_lists_choices_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    file = tmp_path / "c.toml"
    file.write_text(f'{APP}retry.on = ["${{file:secret}}"]\n')
    [found] = map(str, load(file, {}).problems)
    assert "retry.on = ***" in found
    assert "s3cret" not in found
