"""The rules that types cannot state, and what must not be told or taken for a setting on the way."""

import json
from pathlib import Path

import pytest

from proxy.config.build import parse_listen
from proxy.config.schema import config_schema
from proxy.config.show import effective
from proxy.config.sources import load

ONE = {"upstreams.default.urls": ["http://127.0.0.1:9000"]}
ROUTED = ["routes.r.upstream=default"]


def problems(
    *settings: str, environ: dict[str, str] | None = None, flags: dict[str, object] | None = None
) -> list[str]:
    """What is said of a configuration with one upstream."""
    return [str(problem) for problem in load(None, environ or {}, ONE | (flags or {}), settings).problems]


WRONG = [
    # setting                            what is said
    ("timeouts.drain_s=inf",             "expected a year of seconds at most"),
    ("timeouts.drain_s=nan",             "expected more than 0 seconds"),
    ("timeouts.drain_s=1e12",            "expected a year of seconds at most"),
    ("timeouts.tunnel_shutdown_s=-1",    "expected 0 seconds or more"),
    ("shutdown_delay_s=-1",              "expected 0 seconds or more"),
    ("shutdown_delay_s=inf",             "expected a year of seconds at most"),
    ("pool.max_age_s=-1",                "expected more than 0 seconds"),
    ("pool.max_requests=0",              "expected 1 or more"),
    ("limits.interim_responses=0",       "expected 1 or more"),
    ("limits.nominations=0",             "expected 1 or more"),
    ("limits.connections=0",             "expected 1 or more"),
    ("limits.target_bytes=40000",        "expected no more than limits.request_head_bytes"),
    ("limits.field_count=many",          "expected a whole number"),
    ("access_log=jsn",                   'expected one of "json", "off", "text"'),
    ("access_log_file=/",                "this is a folder: expected a file"),
    ("access_log_file=/nowhere/a.log",   "there is no folder /nowhere"),
    ("access_log_fields=User-Agent",     'expected "request:NAME" or "response:NAME"'),
    ("access_log_fields=request:",       'expected "request:NAME" or "response:NAME"'),
    ("access_log_fields=request:é",      'expected "request:NAME" or "response:NAME"'),
    ("access_log_fields=request:Cookie", "this field may hold a secret, which must not be logged"),
    ("access_log_fields=response:X-Session-Id", "this field may hold a secret, which must not be logged"),
    ("log_level=debug",                  'expected one of "error", "info", "warning"'),
    ("log_format=xml",                   'expected one of "json", "text"'),
    ("pseudonym=a b",                    "pseudonym"),
    ("workers=1.5",                      "expected a whole number"),
    ("upgrades=websocket, H2C",          "HTTP/2 is not supported"),
    ("upgrades=TLS/1.0",                 "TLS is not supported"),
    ("upgrades=HTTP/2.0",                "HTTP/2 is not supported"),
    ("upgrades=*",                       "names have no wildcards"),
    ("upgrades=SPDY/",                   "expected a protocol: a name such as websocket, or SPDY/3.1"),
    ("upgrades=a b",                     "expected a protocol"),
    ("limits.passes=0",                  "expected 1 or more"),
    ("limits.connection_buffer_bytes=1k", "expected 16384 or more"),
    ("limits.memory_bytes=30MiB",        "expected 0 (no limit), or 67108864 or more"),
    ("limits.memory_bytes=2000t",        "expected 1099511627776 or less"),
    ("underscore_names=maybe",           'expected one of "drop", "pass"'),
    ("via=no",                           "expected true or false"),
    ("listen=..:80",                     'expected an address as "HOST:PORT", or unix:/PATH'),
    ("listen=:1, :2, :1",                'listen = ":1": is listed twice'),
    ("listen=[]",                        "listen = []: expected at least one address, here or in a [listeners.NAME] table"),
    ("timeouts.connect_s.x=1",           "timeouts.connect_s is no table"),
    ("timeouts=5",                       "timeouts = 5"),
    ("connect_s=5",                      "unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "said"), WRONG)
def test_a_setting_that_cannot_work_is_refused(setting: str, said: str) -> None:
    [found] = problems(setting)
    assert said in found
    assert found.startswith("--set: ")


def test_a_wrong_type_does_not_hide_a_broken_rule() -> None:
    found = problems("workers=x", "timeouts.connect_s=0", "routes.r.upstream=other", "routes.r.path=x")
    assert len(found) == 4
    assert "workers" in found[0]


def test_a_problem_is_not_told_a_second_time_as_its_consequence() -> None:
    # Without the upstream that is wrong there is none, and no route leads to it: neither was the mistake.
    loaded = load(None, {}, {}, ["upstreams.app.urls=[1]", "upstreams.app.host=h", "routes.r.upstream=app"])
    assert [problem.key for problem in loaded.problems] == ["upstreams.app.urls"]


def test_a_file_that_cannot_be_read_is_the_only_problem_told_of_what_it_may_hold(tmp_path: Path) -> None:
    loaded = load(tmp_path / "none.toml", {"ONEHOP_WORKERS": "-1"})
    assert [problem.source for problem in loaded.problems] == [str(tmp_path / "none.toml"), "ONEHOP_WORKERS"]


FIELD_RULES = [
    # a route's rule                                   what is said
    ("request_fields.put.Content-Length=1",            "belongs to one hop"),
    ("request_fields.put.Keep-Alive=1",                "belongs to one hop"),
    ("request_fields.put.connection=close",            "belongs to one hop"),
    ("request_fields.remove=Transfer-Encoding",        "belongs to one hop"),
    ("request_fields.put.X-Forwarded-For=1",           "is stated by this proxy itself"),
    ("request_fields.put.X_Forwarded_For=1",           "is stated by this proxy itself"),
    ("request_fields.put.Forwarded=for=x",             "is stated by this proxy itself"),
    ("request_fields.put.x-request-id=1",              "is stated by this proxy itself"),
    ("request_fields.put.Expect=100-continue",         "is stated by this proxy itself"),
    ("request_fields.add.X-Forwarded-For=1",           "is stated by this proxy itself"),
    ("request_fields.add.Host=1",                      "set upstreams.NAME.host"),
    ("response_fields.add.A*=1",                       "names have no wildcards"),
    ("response_fields.add.A=x\ny",                     "one line of Latin-1"),
    ("response_fields.put.Via=x",                      "is stated by this proxy itself"),
    ("response_fields.put.Date=x",                     "is stated by this proxy itself"),
    ("response_fields.put.A=x\ny",                     "one line of Latin-1"),
    ("response_fields.put.A=\x7f",                     "one line of Latin-1"),
    ("response_fields.put.A=\u20ac",                   "one line of Latin-1"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "said"), FIELD_RULES)
def test_a_route_cannot_put_or_remove_what_a_hop_makes_anew(rule: str, said: str) -> None:
    [found] = problems(*ROUTED, f"routes.r.{rule}")
    assert said in found


ALLOWED = [
    "request_fields.put.X-Forwarded-Prefix=/app",
    "request_fields.remove=Via",
    "response_fields.put.X-Request-Id=fixed",
    "response_fields.put.Strict-Transport-Security=max-age=31536000",
]


@pytest.mark.parametrize("rule", ALLOWED)
def test_a_route_may_put_and_remove_what_nobody_else_states(rule: str) -> None:
    assert problems(*ROUTED, f"routes.r.{rule}") == []


def test_a_field_cannot_be_put_twice_in_two_spellings() -> None:
    [found] = problems(*ROUTED, "routes.r.request_fields.put.x-a=1", "routes.r.request_fields.put.X-A=2")
    assert "is put already, as x-a" in found


NO_ADDRESSES = ["8080", "localhost", "::1:80", "h:70000", "h:", "*:80", "a b:80", "http://h:80", "a..b:80", "[h]:80"]


@pytest.mark.parametrize("text", NO_ADDRESSES)
def test_a_text_that_is_no_listen_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        parse_listen(text)


SECRETS = [
    {"upstreams.default.urls": ["http://user:swordfish@h"]},
    {"upstreams.default.urls": "http://user:swordfish@h/"},
    {"routes.r.request_fields": "Authorization: swordfish"},
    {"routes.r.request_fields.put": "Authorization: swordfish"},
    {"routes.r.request_fields.put.Authorization": ["swordfish"]},
    {"routes.r.request_fields.put.Authorization": "swordfish\n"},
    {"password": "swordfish"},
    {"routes.r": {"upstream": 5, "request_fields": {"put": {"X": "swordfish"}}}},
    {"routes": {"r": {"upstream": 5, "headers": {"Authorization": "swordfish"}}}},
    {"explain": {"secret": "swordfish", "field_bytes": "many"}},
]


@pytest.mark.parametrize("flags", SECRETS)
def test_a_problem_does_not_tell_a_secret(flags: dict[str, object]) -> None:
    found = problems(*ROUTED, flags=flags)
    assert found
    assert "swordfish" not in str(found)


INJECTED = {
    # by Kubernetes, for a service called onehop and one called onehop-demo
    "ONEHOP_SERVICE_HOST": "10.0.0.1", "ONEHOP_SERVICE_PORT": "80", "ONEHOP_SERVICE_PORT_HTTP": "80",
    "ONEHOP_PORT": "tcp://10.0.0.1:80", "ONEHOP_PORT_80_TCP": "tcp://10.0.0.1:80",
    "ONEHOP_PORT_80_TCP_PROTO": "tcp", "ONEHOP_PORT_80_TCP_PORT": "80", "ONEHOP_PORT_80_TCP_ADDR": "10.0.0.1",
    "ONEHOP_DEMO_SERVICE_HOST": "10.0.0.2", "ONEHOP_DEMO_PORT": "tcp://10.0.0.2:80",
    "ONEHOP_DEMO_PORT_80_TCP_ADDR": "10.0.0.2",
}  # fmt: skip


def test_what_an_orchestrator_sets_is_no_setting() -> None:
    assert problems(environ=INJECTED) == []


@pytest.mark.parametrize("name", ["ONEHOP_PORT", "ONEHOP_TIMEOUT_CONNECT_S", "ONEHOP_", "ONEHOP_UPSTREAMS"])
def test_a_variable_that_is_none_of_ours_is_a_problem(name: str) -> None:
    [found] = problems(environ={name: "9000"})
    assert found.startswith(f"environment: {name}: no such setting")


def test_an_empty_variable_is_not_set() -> None:
    loaded = load(None, {"ONEHOP_CONFIG": "", "ONEHOP_LISTEN": "", "ONEHOP_UPSTREAM": ""}, ONE)
    assert loaded.config is not None
    assert loaded.config.listen == ["127.0.0.1:8080"]
    assert loaded.config.upstreams["default"].urls == ["http://127.0.0.1:9000"]


TWO = '[upstreams.a]\nurls = ["http://a"]\n[upstreams.default]\nurls = ["http://file"]\n'


@pytest.mark.parametrize(
    ("environ", "flags", "urls"),
    [
        ({"ONEHOP_UPSTREAM": "http://env"}, {}, ["http://env"]),
        ({"ONEHOP_UPSTREAM": "http://env"}, {"upstreams.default.urls": ["http://flag"]}, ["http://flag"]),
    ],
)
def test_a_service_named_outside_the_file_is_reached_without_a_route(
    tmp_path: Path, environ: dict[str, str], flags: dict[str, object], urls: list[str]
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(TWO)
    config = load(file, environ, flags).config
    assert config is not None
    assert config.upstreams["default"].urls == urls
    assert {name: route.upstream for name, route in config.routes.items()} == {"default": "default"}


@pytest.mark.parametrize(
    ("environ", "flags", "source"),
    [
        ({"ONEHOP_UPSTREAM": "http://env"}, {}, "ONEHOP_UPSTREAM"),
        ({}, {"upstreams.default.urls": ["http://flag"]}, "--upstream"),
    ],
)
def test_a_service_named_outside_the_file_that_no_route_leads_to_is_a_problem(
    tmp_path: Path, environ: dict[str, str], flags: dict[str, object], source: str
) -> None:
    file = tmp_path / "c.toml"
    file.write_text(TWO + '[routes.a]\nupstream = "a"\n')
    [found] = map(str, load(file, environ, flags).problems)
    assert found.startswith(f"{source}: no route leads to it")
    file.write_text(TWO + '[routes.a]\nupstream = "a"\n[routes.b]\nupstream = "default"\npath = "/b"\n')
    assert load(file, environ, flags).problems == [], "a route's upstream may be named again from outside"


def test_a_file_from_a_windows_editor_is_read(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_bytes(b"\xef\xbb\xbfworkers = 2\r\n")
    loaded = load(file, {}, ONE)
    assert loaded.config is not None
    assert loaded.config.workers == 2


def test_what_is_shown_of_a_configuration_is_toml_with_a_value_for_each_key() -> None:
    loaded = load(None, {}, ONE)
    assert loaded.config is not None
    rows = {name: value for name, value, _ in effective(loaded.config, loaded.sources)}
    assert rows["listen"] == '["127.0.0.1:8080"]'
    assert rows["forwarded"] == "false"
    assert rows["routes.default.request_fields.put"] == "{}"
    assert "upstreams.default.host" not in rows  # TOML has no word for what is not set


def test_the_schema_takes_one_address_and_describes_every_key_outside_named_tables() -> None:
    schema = json.loads(json.dumps(config_schema()))
    properties = schema["$defs"]["Config"]["properties"]
    assert {"type": "string"} in properties["listen"]["anyOf"]
    for group in ("Timeouts", "Limits", "PoolSettings", "AdminConfig", "TracingConfig"):
        assert all(key["description"] for key in schema["$defs"][group]["properties"].values())
    named = {"timeouts", "limits", "pool", "admin", "explain", "tracing", "listeners", "upstreams", "routes"}
    assert all(key["description"] for name, key in properties.items() if name not in named)
    assert schema["$defs"]["Timeouts"]["properties"]["connect_s"]["description"].startswith(
        "In seconds: for connecting to one address"
    )
