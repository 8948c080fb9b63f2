"""The configuration: precedence, every problem at once, and the reference file that shows each key as it is."""

import json
import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from proxy.config.build import parse_listen
from proxy.config.model import Config
from proxy.config.route_model import FieldRulesConfig, RouteConfig
from proxy.config.schema import config_schema, reference
from proxy.config.show import effective
from proxy.config.sources import load
from proxy.config.upstream_model import UpstreamConfig
from proxy.policy.settings import Limits, PoolSettings, Timeouts
from tests.harness.tls import Authority, authority

__all__ = ["authority"]

ROOT = Path(__file__).parents[3]
UPSTREAM = {"upstreams.default.urls": ["http://127.0.0.1:9000"]}


def problems_of(tmp_path: Path, text: str, environ: dict[str, str] | None = None, *settings: str) -> list[str]:
    """What is said of a file, its folder left out."""
    file = tmp_path / "onehop.toml"
    file.write_text(text)
    return [str(p).removeprefix(f"{tmp_path}/") for p in load(file, environ or {}, {}, settings).problems]


def test_flags_go_before_the_environment_before_the_file_before_defaults(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('workers = 1\nreader = "h11"\naccess_log = "json"\n[upstreams.app]\nurls = ["http://a:1"]\n')
    loaded = load(
        file, {"ONEHOP_WORKERS": "2", "ONEHOP_READER": "auto"}, {"workers": 3}, ["timeouts.response_head_s=3"]
    )
    assert loaded.problems == []
    assert loaded.config is not None
    assert (loaded.config.workers, loaded.config.reader, loaded.config.access_log) == (3, "auto", "json")
    assert loaded.config.timeouts.response_head_s == 3
    assert loaded.config.timeouts.connect_s == 5
    assert loaded.config.routes["default"].upstream == "app"
    rows = {name: source for name, _, source in effective(loaded.config, loaded.sources)}
    assert rows["workers"] == "--workers"
    assert rows["reader"] == "ONEHOP_READER"
    assert rows["access_log"] == f"{file}:3"
    assert rows["timeouts.response_head_s"] == "--set"
    assert rows["timeouts.connect_s"] == "default"


def test_every_key_outside_named_tables_has_an_environment_variable() -> None:
    environ = {
        "ONEHOP_LISTEN": "127.0.0.1:1, :2", "ONEHOP_UPSTREAM": "http://a:1,http://b:2", "ONEHOP_FORWARDED": "true",
        "ONEHOP_TRUSTED_NETWORKS": "10.0.0.0/8,::1/128", "ONEHOP_POOL_IDLE_PER_ORIGIN": "7",
        "ONEHOP_LIMITS_REQUEST_BODY_BYTES": "9", "ONEHOP_PSEUDONYM": "edge",
    }  # fmt: skip
    config = load(None, environ).config
    assert config is not None
    assert config.listen == ["127.0.0.1:1", ":2"]
    assert config.upstreams["default"].urls == ["http://a:1", "http://b:2"]
    assert config.trusted_networks == ["10.0.0.0/8", "::1/128"]
    assert config.forwarded
    assert (config.pool.idle_per_origin, config.limits.request_body_bytes, config.pseudonym) == (7, 9, "edge")


def test_all_problems_are_told_at_once_with_line_key_value_and_what_was_meant(tmp_path: Path) -> None:
    text = 'wrokers = 2\n[timeouts]\nconect_s = 3\nresponse_head_s = "fast"\n[upstreams.app]\nurls = []\n'
    assert problems_of(tmp_path, text, {"ONEHOP_WORKRS": "1"}, "limits.connections=many", "nonsense") == [
        'environment: ONEHOP_WORKRS: no such setting, did you mean "ONEHOP_WORKERS"?',
        "--set: nonsense: expected key=value",
        'onehop.toml:1: wrokers: unknown key, did you mean "workers"?',
        'onehop.toml:3: timeouts.conect_s: unknown key, did you mean "timeouts.connect_s"?',
        'onehop.toml:4: timeouts.response_head_s = "fast": expected a time: a number of seconds, or a text such as "10s" or "1m30s"',
        "onehop.toml:6: upstreams.app.urls = []: expected a list of length >= 1",
        '--set: limits.connections = "many": expected a whole number, got a text',
    ]


RULES = [  # a line of the file, what is said of it
    ('listen = "here"', 'listen = "here": expected an address as "HOST:PORT", or unix:/PATH'),
    ('trusted_networks = ["10.0.0.1/8"]', 'trusted_networks = "10.0.0.1/8": expected a network such as 10.0.0.0/8'),
    ('upgrades = ["h2c"]', 'upgrades = "h2c": HTTP/2 is not supported'),
    ("[timeouts]\nconnect_s = 0", "timeouts.connect_s = 0: expected more than 0 seconds"),
    ("[limits]\nrequest_body_bytes = -1", "limits.request_body_bytes = -1: expected 0 or more"),
    ("[limits]\nrequest_head_bytes = 10", "limits.request_head_bytes = 10: expected 1024 or more"),
    (
        '[routes.r]\nupstream = "app"\n[upstreams.b]\nurls = ["ftp://h"]',
        "expected http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH",
    ),
    ('[routes.r]\nupstream = "app"\n[upstreams.b]\nurls = ["http://h/path"]', "the client's target goes on untouched"),
    ('[routes.r]\nupstream = "app"\n[upstreams.b]\nurls = ["http://u:p@h"]', "the client's target goes on untouched"),
    ('[routes.r]\nupstream = "app"\n[upstreams.b]\nurls = ["http://h:99999"]', "a port from 1 to 65535"),
    ('[routes.x]\nupstream = "ap"', 'routes.x.upstream = "ap": no such upstream, did you mean "app"?'),
    ('[routes.x]\npath = "/"', "routes.x: route needs 'upstream'"),
    ('[routes.x]\nupstream = "app"\npath = "x"', 'expected a path that begins with "/"'),
    ('[routes.x]\nupstream = "app"\npath = "/x?y"', 'expected a path alone, without "?" or "#"'),
    ('[routes.x]\nupstream = "app"\npath = "/a b"', "expected visible ASCII"),
    ('[routes.x]\nupstream = "app"\npath = "/é"', "expected visible ASCII"),
    ('[routes.x]\nupstream = "app"\nhost = "a b"', "expected a host name"),
    ('[routes.x]\nupstream = "app"\n[routes.y]\nupstream = "app"', "serves the same host and path as routes.x"),
    (
        '[routes.x]\nupstream = "app"\npath = "/%61"\n[routes.y]\nupstream = "app"\npath = "//a"',
        "serves the same host and path",
    ),
    ('[routes.x]\nupstream = "app"\n[routes.x.request_fields]\nput = {Host = "h"}', "set upstreams.NAME.host"),
    ('[routes.x]\nupstream = "app"\n[routes.x.request_fields]\nput = {Via = "h"}', "is stated by this proxy itself"),
    ('[routes.x]\nupstream = "app"\n[routes.x.request_fields]\nremove = ["Keep-Alive"]', "belongs to one hop"),
    ('[routes.x]\nupstream = "app"\n[routes.x.request_fields]\nput = {"A B" = "h"}', "expected a field name"),
    ('[routes.x]\nupstream = "app"\n[routes.x.request_fields]\nput = {X = "secret\\r\\nY: 1"}', "one line of Latin-1"),
    ("[pool", "is not TOML"),
]


@pytest.mark.parametrize(("text", "said"), RULES)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, said: str) -> None:
    found = problems_of(tmp_path, f'{text}\n[upstreams.app]\nurls = ["http://a:1"]\n')
    assert len(found) == 1
    assert said in found[0]
    assert found[0].startswith("onehop.toml")
    assert "secret" not in found[0]


def test_several_upstreams_need_routes_and_none_is_a_problem(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "") == [
        "upstreams: no upstream: give --upstream URL, ONEHOP_UPSTREAM, or an [upstreams.NAME] table"
    ]
    two = '[upstreams.a]\nurls = ["http://a"]\n[upstreams.b]\nurls = ["http://b"]\n'
    assert "several upstreams need routes" in problems_of(tmp_path, two)[0]


def test_an_unreadable_file_is_a_problem_and_no_traceback(tmp_path: Path) -> None:
    assert "No such file" in str(load(tmp_path / "none.toml", {}).problems[0])
    (tmp_path / "latin.toml").write_bytes(b'pseudonym = "\xe9"')
    assert "is not UTF-8" in str(load(tmp_path / "latin.toml", {}).problems[0])
    assert "cannot be read" in str(load(tmp_path, {}).problems[0])


def test_what_a_route_puts_into_fields_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(
        '[upstreams.a]\nurls = ["http://a"]\n[routes.a]\nupstream = "a"\n[routes.a.request_fields.put]\nX-Key = "hidden"\n'
    )
    loaded = load(file, {})
    assert loaded.config is not None
    rows = effective(loaded.config, loaded.sources)
    assert ("routes.a.request_fields.put.X-Key", "***") in [(name, value) for name, value, _ in rows]
    assert "hidden" not in str(rows)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), (":8080", ("", 8080)), ("[::1]:0", ("::1", 0)), ("h:1", ("h", 1))],
)
def test_a_listen_address_is_split(text: str, parsed: tuple[str, int]) -> None:
    assert parse_listen(text) == parsed


def test_the_reference_names_every_key_with_its_default() -> None:
    text = re.sub(r"(?m)^# (?=[a-z_]+ = )", "", reference().partition("\n# [listeners.")[0])
    shown = tomllib.loads(text)
    defaults = msgspec.to_builtins(Config())
    for key, value in defaults.items():
        if key in ("listen", "access_log"):  # the container's own
            assert f'default "{value if isinstance(value, str) else value[0]}"' in re.sub(r"\n *# ", " ", text)
        elif key not in ("listeners", "upstreams", "routes"):
            assert shown[key] == value, key


def test_the_examples_of_named_tables_in_the_reference_are_valid(tmp_path: Path, authority: Authority) -> None:
    file = tmp_path / "c.toml"
    alternative = r"(?!(?:origins|split) = )"  # to urls, and to upstream
    text = re.sub(r"(?ms)^# \[routes\.api\.(?:redirect|respond)\]\n.*?(?=^# \[|\Z)", "", reference())
    text = re.sub(rf"(?m)^# {alternative}(?=\[|[a-z_]+ = )", "", text)
    file.write_text(re.sub(r"/run/secrets/a\.(crt|key)", authority.file("a.example"), text))
    config = load(file, {}).config
    assert config is not None
    route = msgspec.to_builtins(config.routes["api"])
    assert list(config.upstreams) == ["app"]
    described = {name for name in route if re.search(rf"(?m)^(# {name} = |# \[routes\.api\.{name}\])", reference())}
    assert set(route) - described == {"response_fields"}, "said to be likewise"


@pytest.mark.parametrize("file", sorted((ROOT / "config" / "examples").glob("*.toml")), ids=lambda file: file.stem)
def test_an_example_is_valid(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority) -> None:
    monkeypatch.chdir(file.parent)  # files that it names by themselves
    for name in ("www", "api"):
        authority.file(f"{name}.example.com", path=str(tmp_path / f"{name}.pem"))
    assert load(file, {"CERTIFICATES": str(tmp_path)}).problems == []


def test_the_containers_file_needs_only_an_upstream() -> None:
    assert load(ROOT / "config" / "onehop.toml", {"ONEHOP_UPSTREAM": "http://app:8000"}).problems == []


def test_the_schema_and_the_reference_are_current() -> None:
    assert json.loads((ROOT / "config" / "schema.json").read_text()) == config_schema(), "make reference"
    assert (ROOT / "config" / "onehop.toml").read_text() == reference(), "make reference"


def test_every_key_is_described_in_the_model() -> None:
    def undescribed(kind: type[msgspec.Struct]) -> list[str]:
        properties = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
        return [name for name, said in properties.items() if not said.get("description") and "$ref" not in said]

    for kind in (Timeouts, Limits, PoolSettings, RouteConfig, UpstreamConfig, FieldRulesConfig):
        assert undescribed(kind) == []
    assert undescribed(Config) == ["listeners", "upstreams", "routes"], "described by what they hold"
