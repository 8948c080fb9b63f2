"""Values that no key can use: each is a problem with a place, not a traceback."""

from pathlib import Path

import pytest

from proxy.config.sources import load

APP = '[upstreams.app]\nurls = ["https://a:1"]\n'
NUL = "expected text without NUL characters"


def told(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """What is said of a file, without the file's name."""
    file = tmp_path / "c.toml"
    file.write_text(text)
    return [str(problem).removeprefix(f"{file}:").strip() for problem in load(file, environ or {}).problems]


TEXTS = [
    # in a file                                                                what is said
    ('error_pages = { "502" = "a\\u0000b" }\n' + APP,                           f"1: error_pages.502: {NUL}"),
    ('access_log_file = "a\\u0000b"\n' + APP,                                   f"1: access_log_file: {NUL}"),
    ('access_log_file = "${file:a\\u0000b}"\n' + APP,                           "expected the path of a file"),
    (APP + 'tls.ca = "a\\u0000b"\n',                                            f"3: upstreams.app.tls.ca: {NUL}"),
    (APP + 'tls.server_name = "a\\u0000b"\n',                                   f"tls.server_name: {NUL}"),
    (APP + '[listeners.a]\naddress = ":1"\n'
           'tls.certificates = [{ certificate = "a\\u0000b" }]\n',              f"tls.certificates: {NUL}"),
    (f"workers = 0x{'f' * 5000}\n" + APP,                                    "1: workers: expected a number of 64 bits"),
    (f"timeouts.connect_s = 1{'0' * 400}\n" + APP,                           "connect_s: expected a number of 64 bits"),
    (f"workers = {'9' * 5000}\n" + APP,                                      "a number is too long"),
    ("listen = " + "[" * 5000 + "]" * 5000 + "\n" + APP,                     "brackets too deep"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), TEXTS, ids=[said for _, said in TEXTS])
def test_a_value_that_no_key_can_use(tmp_path: Path, text: str, said: str) -> None:
    [found] = told(tmp_path, text)
    assert said in found


VARIABLES = [
    # variable                       value               what is said
    ("ONEHOP_ACCESS_LOG_FIELDS",     "request:\udcff",   "access_log_fields: expected text in UTF-8"),
    ("ONEHOP_ACCESS_LOG_FILE",       "/\udcff",          "access_log_file: expected text in UTF-8"),
    ("ONEHOP_WORKERS",               "9" * 5000,         "workers = "),
    ("ONEHOP_LISTEN",                "[" * 5000,         "listen = "),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "said"), VARIABLES, ids=[name for name, *_ in VARIABLES])
def test_a_variable_that_no_key_can_use(tmp_path: Path, name: str, value: str, said: str) -> None:
    [found] = told(tmp_path, APP, {name: value})
    assert found.startswith(f"{name}: {said}")


@pytest.mark.parametrize("leads_to", ['upstream = ["app"]', 'split = [{ upstream = ["app"] }]'])
def test_an_upstream_in_brackets_beside_one_of_the_environment(tmp_path: Path, leads_to: str) -> None:
    found = told(tmp_path, f"{APP}[routes.r]\n{leads_to}\n", {"ONEHOP_UPSTREAM": "http://b:1"})
    assert any("expected a text, got a list" in problem for problem in found)


def test_a_secrets_file_that_is_too_large_is_not_called_malformed(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes("\u00e4".encode() * ((1 << 19) + 1))  # the limit falls within a character
    [found] = told(tmp_path, 'access_log_file = "${file:large}"\n' + APP)
    assert found.endswith("is larger than 1048576 bytes")


def test_lines_are_counted_as_toml_counts_them(tmp_path: Path) -> None:
    [found] = told(tmp_path, f"# a line separator \u2028 ends no line\nworkers = -1\n{APP}")
    assert found.startswith("2: workers")
