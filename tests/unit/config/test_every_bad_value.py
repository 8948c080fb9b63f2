"""Every key with a value of its type that it cannot use: what is said has the file, the line, the key, and what was
expected."""

import json
import tomllib
from pathlib import Path
from typing import Final

import pytest
from msgspec import inspect

from proxy.config.sources import load
from tests.harness.tls import Authority, authority
from tests.unit.config.test_every_key import KEYS, MASKED

__all__ = ["authority"]

#: By type: values that few keys can use.
BAD: Final = {
    inspect.IntType: ("-1", "1000000000000000000"),
    inspect.FloatType: ("-1", "nan", "1e18"),
    inspect.StrType: ('"a b\\n"',),
    inspect.ListType: ('["a b\\n"]',),
    inspect.DictType: ('{ "a b" = "x" }',),
}
#: Keys that can use even these, or can only be wrong together with others.
OWN: Final = {
    "include": ('["nowhere.toml"]',),
    "access_log_file": ('"/nowhere/access.log"',),
    "routes.n.rewrite_path.pattern": ('"("', '"(a)\\\\1"'),
    "upstreams.n.origins[weight": ("-1", "1001"),
}
#: Whatever the text, it is one that can be sent.
ANY_VALUE: Final = ("routes.n.respond.body",)
#: A configuration in which nothing is wrong, and what is different in it where a key needs others.
BASE: Final = {
    "upstreams.n.urls": '["https://a:1"]',
    "upstreams.n.balance": '"hash"',
    "routes.n.upstream": '"n"',
    "routes.n.path": '"/x"',
    "listeners.n.address": '":1"',
}
TLS: Final = {
    "listeners.n.tls.certificates": '[{ certificate = "PEM" }]',
    "listeners.n.tls.client_certificate": '"optional"',
    "listeners.n.tls.client_ca": '"CA"',
}
NEEDS: Final[dict[str, dict[str, str]]] = {
    "explain.": {"explain.secret": '"0123456789abcdef"'},
    "upstreams.n.queue": {"upstreams.n.max_connections": "9"},
    "listeners.n.https_port": {"listeners.n.redirect_to_https": "true"},
    "listeners.n.socket_mode": {"listeners.n.address": '"unix:/a"'},
    "listeners.n.tls.": TLS,
    "upstreams.n.origins": {"upstreams.n.urls": ""},
    "upstreams.n.health_check.": {"upstreams.n.health_check.path": '"/"'},
    "upstreams.n.tls.key": {"upstreams.n.tls.certificate": '"PEM"'},
    "routes.n.split": {"routes.n.upstream": ""},
    "routes.n.redirect.": {"routes.n.upstream": "", "routes.n.redirect.to": '"/y"'},
    "routes.n.respond.": {"routes.n.upstream": ""},
    "routes.n.mirror.": {"routes.n.mirror.upstream": '"n"'},
    "routes.n.rewrite_path.": {"routes.n.rewrite_path.pattern": '"^/x"', "routes.n.rewrite_path.to": '"/y"'},
    "routes.n.access.user_field": {"routes.n.access.basic_auth": '"users"'},
    "routes.n.access.forward_auth.": {"routes.n.access.forward_auth.upstream": '"n"'},
    "routes.n.rate_limit.": {"routes.n.rate_limit.requests_per_s": "1"},
}
#: Keys within a list: the entry around a value.
ENTRIES: Final = {
    "listeners.n.tls.certificates[certificate": "certificate = {}",
    "listeners.n.tls.certificates[key": 'certificate = "PEM", key = {}',
    "upstreams.n.origins[url": "url = {}",
    "upstreams.n.origins[weight": 'url = "https://a", weight = {}',
    "routes.n.split[upstream": "upstream = {}",
    "routes.n.split[weight": 'upstream = "n", weight = {}',
}
CASES: Final = [
    (key, bad)
    for key, kind in KEYS.items()
    if not isinstance(kind, inspect.BoolType | inspect.LiteralType) and key not in ANY_VALUE
    for bad in OWN.get(key, BAD[type(kind)])
]


def written(key: str, value: str) -> str:
    """A file in which only `key` is wrong, on its last line."""
    needed = [each for begin, each in NEEDS.items() if key.startswith(begin)]
    values = {name: text for each in (BASE, *needed) for name, text in each.items()}
    name, _, inner = key.partition("[")
    values.pop(name, None)
    lines = [f"{each} = {text}" for each, text in values.items() if text]
    return (
        "\n".join([*lines, f"{name} = [{{ {ENTRIES[key].format(value)} }}]" if inner else f"{name} = {value}"]) + "\n"
    )


def shown(value: str) -> str:
    """The part of a bad value that stands in a message about it."""
    part = tomllib.loads(f"value = {value}")["value"]
    while isinstance(part, list | dict):
        part = next(iter(part))
    return f"{part:g}" if isinstance(part, float) else str(part).replace("\n", "\\n")


def test_a_key_that_is_not_here_cannot_have_a_wrong_value() -> None:
    kinds = inspect.BoolType | inspect.LiteralType  # `test_every_key` gives these what is none of their values
    assert {key for key, _ in CASES} == {key for key, kind in KEYS.items() if not isinstance(kind, kinds)} - {
        *ANY_VALUE
    }


@pytest.mark.parametrize(("key", "value"), CASES, ids=[f"{key}={value}" for key, value in CASES])
def test_a_value_that_a_key_cannot_use_is_told_in_its_place(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users").write_text("n:$2b$05$" + "a" * 53 + "\n")
    text = (
        written(key, value)
        .replace('"PEM"', json.dumps(authority.file("a.example")))
        .replace('"CA"', json.dumps(authority.pem))
    )
    file = Path("onehop.toml")
    file.write_text(text)
    told = [str(problem) for problem in load(file, {}).problems]
    name, line = key.partition("[")[0], text.count("\n")
    about = [each for each in told if each.startswith(f"onehop.toml:{line}: {name}")]
    assert about == told
    assert about
    assert "\n" not in "".join(told)
    assert key.endswith(MASKED) or key == "explain.secret" or shown(value) in about[0]
