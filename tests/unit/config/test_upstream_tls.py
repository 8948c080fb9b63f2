"""[upstreams.NAME.tls]: what is refused, and that what is accepted reaches the origins."""

from pathlib import Path

import pytest

from proxy.config.build import candidates
from proxy.config.sources import load
from proxy.transport.tls import ClientTls
from tests.harness.tls import Authority, authority

__all__ = ["authority"]


def told(tmp_path: Path, url: str, *lines: str) -> list[str]:
    file = tmp_path / "onehop.toml"
    file.write_text("\n".join([f'[upstreams.a]\nurls = ["{url}"]', "[upstreams.a.tls]", *lines]))
    return [str(problem).partition("upstreams.a.")[2] for problem in load(file, {}).problems]


REFUSED = [
    # URL           key                            said
    ("http://h",    "verify = false",              "tls: does nothing: none of the upstream's urls begins with https://"),
    ("https://h",   'server_name = "a..b"',        'tls.server_name = "a..b": expected a host name'),
    ("https://h",   'server_name = "a b"',         'tls.server_name = "a b": expected a host name'),
    ("https://h",   'server_name = "h:443"',       'tls.server_name = "h:443": expected a host name'),
    ("https://h",   'server_name = "h\\n"',         'tls.server_name = "h\\n": expected a host name'),
    ("https://h",   'server_name = "a b"',         'tls.server_name = "a b": expected a host name'),
    ("https://h",   'key = "/k.pem"',               'tls.key = "/k.pem": belongs to a certificate: set certificate, too'),
    ("https://h",   'ca = "/nowhere/ca.pem"',      'tls.ca = "/nowhere/ca.pem": expected a PEM file of certificates'),
    ("https://h",   'certificate = "/nowhere/c"',  'tls.certificate = "/nowhere/c": expected a certificate and its key'),
    ("https://h",   'min_version = "1.1"',         'tls.min_version = "1.1": expected one of "1.2", "1.3"'),
    ("unix:/a",     "verify = false",              "tls: does nothing: none of the upstream's urls begins with https://"),
    ("https://h",   'sni = "h"',                   "tls.sni: unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "line", "said"), REFUSED)
def test_what_cannot_work_is_refused(tmp_path: Path, url: str, line: str, said: str) -> None:
    [found] = told(tmp_path, url, line)
    assert found.startswith(said)


def test_a_file_that_is_no_certificate_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    [found] = told(tmp_path, "https://h", f'ca = "{tmp_path}/ca.pem"')
    assert "expected a PEM file of certificates" in found


def test_turning_verification_off_beside_what_is_verified_is_a_mistake(tmp_path: Path, authority: Authority) -> None:
    [found] = told(tmp_path, "https://h", "verify = false", f'ca = "{authority.pem}"')
    assert found.startswith("tls.verify = false: leave it out")


def test_a_name_is_asked_for_though_nothing_is_verified(tmp_path: Path) -> None:
    assert told(tmp_path, "https://h", "verify = false", 'server_name = "inner.example"') == []


def test_every_setting_reaches_the_https_origins_only(tmp_path: Path) -> None:
    file = tmp_path / "onehop.toml"
    file.write_text(
        '[upstreams.a]\nurls = ["https://a", "http://b"]\n[upstreams.a.tls]\nserver_name = "inner.example"\n'
    )
    config = load(file, {}).config
    assert config is not None
    one, other = (each.origin for each in candidates(config.upstreams["a"]))
    assert (one.tls, other.tls) == (ClientTls(server_name="inner.example"), None)
