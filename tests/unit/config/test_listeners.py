"""[listeners.NAME]: what is refused, and what is implied."""

from pathlib import Path

import pytest

from proxy.config.sources import Loaded, load
from tests.harness.tls import Authority, authority

__all__ = ["authority"]


def loaded(tmp_path: Path, text: str) -> Loaded:
    file = tmp_path / "onehop.toml"
    file.write_text(f'{text}\n[upstreams.app]\nurls = ["http://app"]\n')
    return load(file, {})


REFUSED = [
    # the listener's lines                                     said
    ("",                                                       "listeners.a: listener needs 'address'"),
    ("address = 8443",                                         "listeners.a.address = 8443: expected a text, got a whole number"),
    ('address = "8443"',                                       'a.address = "8443": expected an address as "HOST:PORT", or unix:/PATH'),
    ('address = "unix:app.sock"',                              "expected unix: and the absolute path of a socket"),
    ('address = ":1"\nproxy_protocol = ["10.0.0.1/8"]',        'a.proxy_protocol = "10.0.0.1/8": expected a network such as'),
    ('address = ":1"\nsocket_mode = "0600"',                   "a.socket_mode = \"0600\": does nothing: the address is no Unix socket"),
    ('address = "unix:/a"\nsocket_mode = "rw"',                'a.socket_mode = "rw": expected permissions as chmod takes them'),
    ('address = "127.0.0.1:8080"',                             'a.address = "127.0.0.1:8080": is the address of listen already'),
    ('address = ":1"\ntls.min_version = "1.3"',                "listeners.a.tls: needs certificates: without one, no TLS is spoken"),
    ('address = ":1"\ntls.min_version = "1.2"',                "listeners.a.tls: needs certificates: without one, no TLS is spoken"),
    ('address = ":1"\ntls.client_certificate = "off"',         "listeners.a.tls: needs certificates: without one, no TLS is spoken"),
    ('address = ":1"\nproxy_protocol = ["unix"]',              'a.proxy_protocol = "unix": never connects to :1: expected a network'),
    ('address = "unix:/a"\nproxy_protocol = ["10.0.0.0/8"]',   'a.proxy_protocol = "10.0.0.0/8": never connects to unix:/a: expected "unix"'),
    ('address = ":1"\n[listeners.a.tls.certificates]\ncertificate = "a.pem"',
     "listeners.a.tls.certificates is a list: write certificates = [{ ... }]"),
    ('address = ":1"\n[[listeners.a.tls.certificates]]\ncertificate = "/nowhere"',
     'onehop.toml:4: listeners.a.tls.certificates = "/nowhere": expected a certificate and its key'),
    ('address = ":1"\ntls.certificates = [{ certificate = "PEM", key = "/nowhere.key" }]', "its key /nowhere.key: No such file"),
    ('address = ":1"\ntls.min_version = "1.1"',                'a.tls.min_version = "1.1": expected one of "1.2", "1.3"'),
    ('address = ":1"\ntls.client_certificate = "on"',          'expected one of "off", "optional", "required"'),
    ('address = ":1"\ntls.certificates = []',                  "expected a list of length >= 1"),
    ('address = ":1"\ntls.certificates = [{ key = "k" }]',     "missing required field `certificate`"),
    ('address = ":1"\ntls.certificates = [{ certificate = "/nowhere/a.crt" }]',
     'a.tls.certificates = "/nowhere/a.crt": expected a certificate and its key in PEM: No such file or directory'),
    ('address = ":1"\ntls.certificates = [{ certificate = "CA" }]', "expected a certificate and its key in PEM"),
    ('address = ":1"\ntls.certificates = [{ certificate = "PEM" }]\nredirect_to_https = true',
     "a.redirect_to_https = true: expected a listener without TLS"),
    ('address = ":1"\ntls.certificates = [{ certificate = "PEM" }]\ntls.client_certificate = "optional"',
     'a.tls.client_certificate = "optional": needs client_ca'),
    ('address = ":1"\ntls.certificates = [{ certificate = "PEM" }]\ntls.client_ca = "CA"', "a.tls.client_ca"),
    ('address = ":1"\ntls.certificates = [{ certificate = "PEM" }]\ntls.client_ca = "/no"\ntls.client_certificate = "optional"',
     'a.tls.client_ca = "/no": expected a PEM file of certificates: No such file'),
    ('address = ":1"\n[listeners.a.tls]',                     "listeners.a.tls: needs certificates: without one, no TLS is spoken"),
    ('address = ":1"\nhttps_port = 8443',                      "a.https_port = 8443: does nothing without redirect_to_https"),
    ('address = ":1"\nredirect_to_https = true\nhttps_port = 0', "a.https_port = 0: expected a port, from 1 to 65535"),
    ('address = ":1"\ncertificates = []',                      "listeners.a.certificates: unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "said"), REFUSED)
def test_what_cannot_work_is_refused(tmp_path: Path, authority: Authority, lines: str, said: str) -> None:
    lines = lines.replace('"PEM"', f'"{authority.file("a.example")}"').replace('"CA"', f'"{authority.pem}"')
    found = loaded(tmp_path, f'listen = "127.0.0.1:8080"\n[listeners.a]\n{lines}')
    if not lines:
        found = loaded(tmp_path, "[listeners.a]\nredirect_to_https = true")
    assert any(said in str(problem) for problem in found.problems), found.problems
    assert len(found.problems) == 1


def test_with_a_listener_nothing_else_is_listened_on_unless_that_is_said(tmp_path: Path) -> None:
    assert loaded(tmp_path, '[listeners.a]\naddress = ":1"').valid().listen == []
    assert loaded(tmp_path, 'listen = ":2"\n[listeners.a]\naddress = ":1"').valid().listen == [":2"]
    assert loaded(tmp_path, "").valid().listen == ["127.0.0.1:8080"]


def test_a_route_names_listeners_that_are_there(tmp_path: Path) -> None:
    route = '[routes.r]\nupstream = "app"\nlisteners = ["public"]'
    [found] = loaded(tmp_path, f'[listeners.publik]\naddress = ":1"\n{route}').problems
    assert 'routes.r.listeners = "public": no such listener, did you mean "publik"?' in str(found)
    assert loaded(tmp_path, f'[listeners.public]\naddress = ":1"\n{route}').problems == []


def test_two_routes_may_differ_by_their_listeners_alone(tmp_path: Path) -> None:
    text = '[listeners.a]\naddress = ":1"\n[listeners.b]\naddress = ":2"\n'
    for name in "ab":
        text += f'[routes.{name}]\nupstream = "app"\nlisteners = ["{name}"]\n'
    assert loaded(tmp_path, text).problems == []
    [found] = loaded(tmp_path, text.replace('["b"]', '["a"]')).problems
    assert "serves the same host, path and conditions as routes.a" in str(found)
