"""What a person who writes a configuration for the first time gets wrong, and what they are told."""

from pathlib import Path

import msgspec
import pytest

from proxy.config.model import Config
from proxy.config.sources import load

APP = '\n[upstreams.app]\nurls = ["http://a:1"]\n'
ROUTE = APP + '[routes.r]\nupstream = "app"\n'


def told(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """What is said of a file, without the file's name."""
    file = tmp_path / "c.toml"
    file.write_text(text)
    return [str(problem).removeprefix(f"{file}:") for problem in load(file, environ or {}).problems]


PATTERNS = [
    # path                what to write instead
    ("/x/*",              '"/x" is a prefix'),
    ("/x*",               '"/x" is a prefix'),
    ("/*",                '"/" is a prefix'),
    ("/x/**",             '"/x" is a prefix'),
    ("/x/.*",             '"/x" is a prefix'),
    ("/a/*/b",            '"/a" is a prefix'),
    ("/users/{id}",       '"/users" is a prefix'),
]  # fmt: skip


@pytest.mark.parametrize(("path", "said"), PATTERNS)
def test_a_path_with_a_wildcard_says_that_paths_are_prefixes(tmp_path: Path, path: str, said: str) -> None:
    [found] = told(tmp_path, f'{ROUTE}path = "{path}"\n')
    assert f'routes.r.path = "{path}": has no wildcards: {said}, and serves everything below it' in found


@pytest.mark.parametrize("path", ["/x", "/x/", "/a*b/c", "/.well-known", "/a,b;c=d", "/%2A"])
def test_a_path_without_a_wildcard_is_a_path(tmp_path: Path, path: str) -> None:
    assert told(tmp_path, f'{ROUTE}path = "{path}"\n') == []


NO_EFFECT = [
    # a rule for requests                what is said
    ('remove = ["x-*"]',                 '= "x-*": names have no wildcards: write each name by itself'),
    ('put = { "X-*" = "1" }',            '= "X-*": names have no wildcards: write each name by itself'),
    ('remove = ["X-Forwarded-For"]',     "leave this out: onehop states its own, whatever the client says"),
    ('remove = ["x_forwarded_proto"]',   "leave this out: onehop states its own, whatever the client says"),
    ('remove = ["Expect"]',              "leave this out: onehop states its own, whatever the client says"),
    ('remove = ["Max_Forwards"]',        "leave this out: onehop states its own, whatever the client says"),
    ('remove = ["X-Request-ID"]',        "leave this out: onehop states its own, whatever the client says"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "said"), NO_EFFECT)
def test_a_rule_that_would_do_nothing_is_refused(tmp_path: Path, rule: str, said: str) -> None:
    [found] = told(tmp_path, f"{ROUTE}[routes.r.request_fields]\n{rule}\n")
    assert said in found


def test_removing_forwarded_does_nothing_only_where_we_state_it(tmp_path: Path) -> None:
    rule = f'{ROUTE}[routes.r.request_fields]\nremove = ["Forwarded"]\n'
    assert told(tmp_path, rule) == []
    assert "leave this out" in told(tmp_path, f"forwarded = true\n{rule}")[0]


FAR = [
    # a file, what must not be suggested
    (f'{ROUTE}colour = "x"\n', "routes.r.path"),
    (f"{ROUTE}colour = 3\n", "routes.r.host"),
    (f"prefix = 1\n{APP}", "pseudonym"),
]


@pytest.mark.parametrize(("text", "wild"), FAR)
def test_only_what_is_near_is_suggested(tmp_path: Path, text: str, wild: str) -> None:
    [found] = told(tmp_path, text)
    assert "unknown key" in found
    assert wild not in found
    assert "did you mean" not in found


NEAR = [
    # a file, what is suggested
    (f"[limits]\nfields_count = 1\n{APP}", "limits.field_count"),
    (f"connect_s = 3\n{APP}", "timeouts.connect_s"),
    (f"drain = 3\n{APP}", "timeouts.drain_s"),
    ('[upstreams.app]\nurl = ["http://a"]\nurls = ["http://a:1"]\n', "upstreams.app.urls"),
    (f"[timeout]\nconnect_s = 3\n{APP}", "timeouts"),
    (f'{APP}[route.r]\nupstream = "app"\n', "routes"),
]


@pytest.mark.parametrize(("text", "meant"), NEAR)
def test_what_is_near_is_suggested(tmp_path: Path, text: str, meant: str) -> None:
    [found] = told(tmp_path, text)
    assert f'did you mean "{meant}"?' in found


@pytest.mark.parametrize(("name", "said"), [("ONEHOP_PORT", ""), ("ONEHOP_WORKER", ', did you mean "ONEHOP_WORKERS"?')])
def test_a_variable_is_suggested_only_where_it_is_near(tmp_path: Path, name: str, said: str) -> None:
    assert told(tmp_path, APP, {name: "9000"}) == [f"environment: {name}: no such setting{said}"]


MISPLACED = [
    # a file, what is said
    (f"{APP}workers = 2\n", '4: upstreams.app.workers: unknown key; "workers" belongs to no table: move it above the '),
    (
        f"[timeouts]\nlisten = ':1'\n{APP}",
        '2: timeouts.listen: unknown key; "listen" belongs to no table: move it above',
    ),
    # The slip of one letter in the table where it stands goes before a table of that name elsewhere.
    (
        f'{APP}[routes.r]\npath = "/r"\nupstreams = "app"\n',
        'routes.r.upstreams: unknown key, did you mean "routes.r.upstream"?',
    ),
    (f"[upstreams]\nworkers = 2\n{APP}", '"workers" belongs to no table: move it above the first [table]'),
    (f"{APP}[upstreams.app.timeouts]\nconnect_s = 1\n", '"timeouts" is a table of its own: write [timeouts]'),
]


@pytest.mark.parametrize(("text", "said"), MISPLACED)
def test_a_key_below_a_table_header_is_told_where_it_belongs(tmp_path: Path, text: str, said: str) -> None:
    [found] = told(tmp_path, text)
    assert said in found


TOO_LARGE = [
    "limits.connections=1000000000000",
    "workers=100000",
    "limits.request_head_bytes=1 TiB",
    "pool.idle_per_origin=1e9",
]


@pytest.mark.parametrize("setting", TOO_LARGE)
def test_a_number_that_no_process_could_honour_is_refused(setting: str) -> None:
    assert len(load(None, {}, {"upstreams.default.urls": ["http://a"]}, [setting]).problems) == 1


@pytest.mark.parametrize("name", ["edge\n", "edge\r\n", "\nedge", "ed\nge", "edge\u2028", "édge", ""])
def test_a_pseudonym_is_one_word_to_its_last_character(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"pseudonym": name}, Config)


@pytest.mark.parametrize("mode", ["660\n", "0660\n", "888", "66", ""])
def test_the_permissions_of_a_socket_are_octal_to_the_last_character(mode: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"listeners": {"a": {"address": "unix:/a", "socket_mode": mode}}}, Config)


def test_health_needs_no_upstream_but_reads_a_file_with_routes(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(ROUTE)
    assert load(file, {}, needs_upstream=False).problems == []
    file.write_text("workers = 1\n")
    assert load(file, {}, needs_upstream=False).problems == []
