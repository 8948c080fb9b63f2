"""Where an upstream connection leads to: read from a URL, and named."""

import pytest

from proxy.transport.tls import ClientTls
from proxy.upstream.origin import Origin, origin_of

TLS = ClientTls()

ORIGINS = [
    # URL                      origin                          Host says         logs say
    ("http://a",               Origin("a", 80),                b"a",             "a:80"),
    ("http://a:80/",           Origin("a", 80),                b"a",             "a:80"),
    ("http://a:9000",          Origin("a", 9000),              b"a:9000",        "a:9000"),
    ("HTTP://A:443",           Origin("a", 443),               b"a:443",         "a:443"),
    ("http://[::1]",           Origin("::1", 80),              b"[::1]",         "[::1]:80"),
    ("http://[::1]:8080",      Origin("::1", 8080),            b"[::1]:8080",    "[::1]:8080"),
    ("http://a.",              Origin("a.", 80),               b"a.",            "a.:80"),
    ("http://bücher.example",  Origin("bücher.example", 80),   b"xn--bcher-kva.example", "bücher.example:80"),
    ("https://a",              Origin("a", 443, TLS),          b"a",             "a:443"),
    ("https://a:443",          Origin("a", 443, TLS),          b"a",             "a:443"),
    ("https://a:80",           Origin("a", 80, TLS),           b"a:80",          "a:80"),
    ("https://[::1]:9443",     Origin("::1", 9443, TLS),       b"[::1]:9443",    "[::1]:9443"),
    ("unix:/run/app.sock",     Origin("", 0, path="/run/app.sock"), b"localhost", "unix:/run/app.sock"),
    ("unix:///run/app.sock",   Origin("", 0, path="/run/app.sock"), b"localhost", "unix:/run/app.sock"),
    ("unix:/" + "a" * 106,     Origin("", 0, path="/" + "a" * 106), b"localhost", "unix:/" + "a" * 106),
]  # fmt: skip


@pytest.mark.parametrize(("url", "origin", "authority", "label"), ORIGINS)
def test_a_url_names_an_origin(url: str, origin: Origin, authority: bytes, label: str) -> None:
    found = origin_of(url)
    assert found == origin
    assert (found.authority, found.label, str(found)) == (authority, label, label)


NO_ORIGINS = [
    "http://[::1", "http://a..b", "http://a<b", "http://", "h:80", "ftp://h", "h", "//h", "",
    "http://h/p", "http://h?q", "http://h#f", "http://u@h", "http://u:p@h", "http://h\n", "http://h\t", "http://h o",
    "http://" + "a" * 64,
]  # fmt: skip
NO_PORTS = ["http://h:x", "http://h:99999", "http://h:0", "http://127.0.0.1:0/", "http://[::1]:00", "https://h:0"]


@pytest.mark.parametrize("url", [*NO_ORIGINS, *NO_PORTS])
def test_a_url_that_is_no_origin_is_refused_with_what_was_expected(url: str) -> None:
    expected = (
        "a port from 1 to 65535" if url in NO_PORTS else r"http://HOST\[:PORT\], https://HOST\[:PORT\] or unix:/PATH"
    )
    with pytest.raises(ValueError, match=expected):
        origin_of(url)


NO_SOCKETS = [
    # URL                       expected
    ("unix:",                   "the absolute path of a socket"),
    ("unix:app.sock",           "the absolute path of a socket"),
    ("unix:/",                  "the absolute path of a socket"),
    ("unix:/run/app\n.sock",    "the absolute path of a socket"),
    ("unix:/run/app.sock/",     "the absolute path of a socket"),
    ("unix:/" + "a" * 107,      "at most 107 bytes"),
    ("unix:/" + "ä" * 54,       "at most 107 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "expected"), NO_SOCKETS)
def test_a_path_that_names_no_socket_is_refused(url: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        origin_of(url)


ALIKE = [
    # one origin                             another                                        one pool
    (Origin("a", 80),                        Origin("a", 80),                               True),
    (Origin("a", 443, ClientTls()),          Origin("a", 443, ClientTls()),                 True),
    (Origin("a", 443, ClientTls()),          Origin("a", 443),                              False),
    (Origin("a", 443, ClientTls()),          Origin("a", 443, ClientTls(verify=False)),     False),
    (Origin("a", 443, ClientTls()),          Origin("a", 443, ClientTls(certificate="c")),  False),
]  # fmt: skip


@pytest.mark.parametrize(("one", "another", "alike"), ALIKE)
def test_a_connection_made_in_another_way_is_not_shared(one: Origin, another: Origin, alike: bool) -> None:
    assert len({one, another}) == (1 if alike else 2)
