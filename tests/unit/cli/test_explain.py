"""`onehop explain`, as values: what a person typed becomes a head, and a head becomes verdicts, remarks and what is sent."""

import pytest

from proxy.cli.explain import as_wire, explain_request, explain_response, setup_from
from proxy.cli.explanation import Explanation, plain
from proxy.config.model import Config
from proxy.config.route_model import RouteConfig
from proxy.config.upstream_model import UpstreamConfig
from proxy.errors import ProxyError

SETUP = setup_from(
    Config(
        upstreams={"default": UpstreamConfig(urls=["http://the-upstream"])},
        routes={"default": RouteConfig(upstream="default")},
    ),
    "192.0.2.1",
)

TYPED = [
    # as typed                           as a head
    (b"GET / HTTP/1.1\nHost: h",         b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (b"GET / HTTP/1.1\nHost: h\n",       b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (b"GET / HTTP/1.1\nHost: h\n\n",     b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (b"\n\nGET / HTTP/1.1\nHost: h\n",   b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (b"GET / HTTP/1.1\r\nHost: h\r\n",   b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    (b"POST / HTTP/1.1\nA: 1\n\nbody\n", b"POST / HTTP/1.1\r\nA: 1\r\n\r\n"),
    # where there is a CR, line ends were meant as they stand: a bare LF is shown to be refused
    (b"GET / HTTP/1.1\r\nA: 1\nB: 2\r\n\r\n", b"GET / HTTP/1.1\r\nA: 1\nB: 2\r\n\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "head"), TYPED)
def test_what_a_person_typed_is_a_head(typed: bytes, head: bytes) -> None:
    assert as_wire(typed) == head


def request(*lines: str, first: str = "GET / HTTP/1.1") -> Explanation:
    return explain_request(as_wire("\n".join([first, "Host: h", *lines]).encode("latin-1")), SETUP)


def response(*lines: str, first: str = "HTTP/1.1 200 OK") -> Explanation:
    return explain_response(as_wire("\n".join([first, *lines]).encode("latin-1")), SETUP)


def sent_fields(explanation: Explanation) -> list[str]:
    return explanation.sent.splitlines()[1:]


VERDICTS = [
    # line                       beside                     verdict      what the rule speaks of
    ("X-Foo: 1",                 "Connection: close, X-Foo", "stripped",  "nominated"),
    ("Keep-Alive: timeout=5",    "A: 1",                     "stripped",  "hop-by-hop by definition"),
    ("X-Forwarded-For: 6.6.6.6", "A: 1",                     "untrusted", "a peer that is not trusted"),
    ("X_Forwarded_For: 6.6.6.6", "A: 1",                     "untrusted", "a peer that is not trusted"),
    ("X-Bar: 1",                 "Connection: X-Foo",        "kept",      "end-to-end"),
    ("Content-Length: 3",        "A: 1",                     "replaced",  "rewritten"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "beside", "verdict", "rule"), VERDICTS)
def test_each_field_has_a_verdict_and_its_rule(line: str, beside: str, verdict: str, rule: str) -> None:
    found = {f"{note.name}: {note.value}": note for note in request(beside, line).notes if note.verdict != "set"}
    assert found[line].verdict == verdict
    assert rule in found[line].rule


def test_what_goes_on_is_what_was_kept_and_what_was_set() -> None:
    explanation = request("Connection: X-Foo", "X-Foo: 1", "X-Bar: 2", "TE: trailers")
    going_on = {f"{note.name}: {note.value}" for note in explanation.notes if note.verdict in ("kept", "set")}
    assert set(sent_fields(explanation)) == going_on
    assert {"X-Bar: 2", "Connection: TE", "TE: trailers"} <= going_on


SENT = [
    # request                                                       what the next hop is sent of it
    (("POST / HTTP/1.1", "A: 1"),                                    {"Content-Length: 0"}),
    (("POST / HTTP/1.1", "Content-Length: 2", "Expect: 100-continue"), {"Content-Length: 2", "Expect: 100-continue"}),
    (("POST / HTTP/1.1", "Transfer-Encoding: chunked"),              {"Transfer-Encoding: chunked"}),
    (("OPTIONS * HTTP/1.1", "Max-Forwards: 3"),                      {"Max-Forwards: 2"}),
    (("GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket"), {"Connection: Upgrade", "Upgrade: websocket"}),
    (("POST / HTTP/1.1", "Content-Length: 1", "Connection: Upgrade", "Upgrade: websocket"), {"Connection: Upgrade", "Upgrade: websocket"}),
    (("GET / HTTP/1.1", "Connection: Upgrade", "Upgrade: foo, WebSocket"), {"Connection: Upgrade", "Upgrade: websocket"}),
]  # fmt: skip
NOT_SENT = [
    # request                                                                          names that are not sent
    (("GET / HTTP/1.1", "Expect: 100-continue"),                                        {"expect"}),
    (("GET / HTTP/1.1", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: A"), {"connection", "upgrade", "http2-settings"}),
    (("GET / HTTP/1.1", "Upgrade: websocket"),                                          {"upgrade"}),
    (("GET / HTTP/1.0", "Connection: Upgrade", "Upgrade: websocket"),                   {"connection", "upgrade"}),
    (("POST / HTTP/1.1", "Content-Length: 1", "Connection: Upgrade", "Upgrade: h2c"), {"connection", "upgrade"}),
    (("GET / HTTP/1.1", "TE: gzip"),                                                    {"te", "connection"}),
]  # fmt: skip


@pytest.mark.parametrize(("head", "sent"), SENT)
def test_what_the_exchange_states_is_stated_here(head: tuple[str, ...], sent: set[str]) -> None:
    assert sent <= set(sent_fields(request(*head[1:], first=head[0])))


@pytest.mark.parametrize(("head", "names"), NOT_SENT)
def test_what_the_exchange_drops_is_dropped_here(head: tuple[str, ...], names: set[str]) -> None:
    sent = {line.partition(":")[0].lower() for line in sent_fields(request(*head[1:], first=head[0]))}
    assert not sent & names


def test_a_request_that_ends_here_is_not_sent_on() -> None:
    explanation = request("Max-Forwards: 0", first="TRACE / HTTP/1.1")
    assert explanation.sent == ""
    assert "this hop answers" in plain(explanation)[-1]


def test_the_text_has_titles_above_its_columns() -> None:
    title, first, *_ = plain(request("A: 1"))
    assert title.split() == ["verdict", "field", "rule"]
    assert title.index("rule") == first.index("rewritten for the next hop")


PERSISTENCE = [
    ("GET / HTTP/1.1", "A: 1",                   "stays open"),
    ("GET / HTTP/1.1", "Connection: Close",      "closes"),
    ("GET / HTTP/1.0", "A: 1",                   "closes"),
    ("GET / HTTP/1.0", "Connection: keep-alive", "stays open"),
]  # fmt: skip


@pytest.mark.parametrize(("first", "line", "said"), PERSISTENCE)
def test_a_remark_says_what_the_clients_connection_does(first: str, line: str, said: str) -> None:
    assert request(line, first=first).remarks[0].startswith(f"the client's connection {said}: HTTP/1.")


RESPONSES = [
    # head                                           the upstream's connection   the body
    (("HTTP/1.1 200 OK", "Content-Length: 5"),       "stays open", "the body: 5 bytes; it goes on 5 bytes"),
    (("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"), "stays open", "the body: chunked; it goes on chunked"),
    (("HTTP/1.1 200 OK", "A: 1"),                    "closes",     "the body: until close; it goes on chunked"),
    (("HTTP/1.1 200 OK", "Content-Length: 5", "Connection: close"), "closes", "the body: 5 bytes; it goes on 5 bytes"),
    (("HTTP/1.1 304 NM", "A: 1"),                    "stays open", "the body: none; it goes on none"),
    (("HTTP/1.0 200 OK", "Content-Length: 5"),       "closes",     "the body: 5 bytes; it goes on 5 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("head", "connection", "body"), RESPONSES)
def test_remarks_say_what_the_upstreams_connection_does_and_how_the_body_goes_on(
    head: tuple[str, ...], connection: str, body: str
) -> None:
    remarks = response(*head[1:], first=head[0]).remarks
    assert remarks[0].startswith(f"the upstream's connection {connection}: ")
    assert remarks[1] == body


def test_an_interim_response_is_only_stripped() -> None:
    explanation = response(
        "Connection: X-Foo", "X-Foo: 1", "Link: </a>", "Content-Length: 3", first="HTTP/1.1 103 Early Hints"
    )
    assert explanation.sent.splitlines() == ["HTTP/1.1 103 Early Hints", "Link: </a>"]
    assert [note.verdict for note in explanation.notes] == ["stripped", "stripped", "kept", "replaced"]


def test_a_switch_of_protocols_is_stated_by_this_hop() -> None:
    explanation = response(
        "Connection: Upgrade, X-R", "X-R: 1", "Upgrade: WebSocket", first="HTTP/1.1 101 Switching Protocols"
    )
    assert sent_fields(explanation) == ["Via: 1.1 onehop", "Connection: Upgrade", "Upgrade: websocket"]
    assert [f"{note.name}: {note.value}" for note in explanation.notes if note.verdict == "set"] == sent_fields(
        explanation
    )


REFUSED = [
    # head                                                                      status
    (b"GET / HTTP/1.1\nHost: a\nHost: b\n",                                      400),
    (b"GET / HTTP/1.1\n",                                                        400),
    (b"POST / HTTP/1.1\nHost: h\nContent-Length: 1\nTransfer-Encoding: chunked\n", 400),
    (b"GET / HTTP/1.1\r\nHost: h\nA: 1\r\n",                                     400),
    (b"CONNECT h:1 HTTP/1.1\nHost: h\n",                                         405),
    (b"GET / HTTP/1.1\nHost: h\nExpect: miracles\n",                             417),
    (b"GET / HTTP/1.1\nHost: h\n" + b"".join(b"A%d: 1\n" % n for n in range(200)), 431),
    (b"GET / HTTP/2.0\nHost: h\n",                                               505),
    (b"",                                                                        400),
]  # fmt: skip


@pytest.mark.parametrize(("typed", "status"), REFUSED)
def test_what_the_proxy_refuses_is_refused_with_its_status(typed: bytes, status: int) -> None:
    with pytest.raises(ProxyError) as caught:
        explain_request(as_wire(typed), SETUP)
    assert caught.value.status == status


@pytest.mark.parametrize("first", ["HTTP/1.1 101 S", "HTTP/2.0 200 OK", "GET / HTTP/1.1"])
def test_a_response_that_cannot_go_on_is_refused_with_502(first: str) -> None:
    with pytest.raises(ProxyError) as caught:
        response("Connection: Upgrade", "Upgrade: h2c", first=first)
    assert caught.value.status == 502


@pytest.mark.parametrize("name", ["Authorization", "COOKIE", "Proxy-Authorization", "x-api-key"])
def test_a_secret_is_shown_nowhere(name: str) -> None:
    explanation = request(f"{name}: swordfish")
    assert "swordfish" not in str(explanation)
    assert "(9 bytes)" in str(explanation.notes)


def test_no_value_puts_control_characters_on_a_terminal() -> None:
    explanation = request("X-Title: \x9b31m")  # CSI, in one byte of Latin-1
    assert "\x9b" not in "\n".join(plain(explanation))
    assert "X-Title: ?31m" in sent_fields(explanation)


def test_plain_text_is_aligned_and_never_folded() -> None:
    long = "x" * 300
    lines = plain(request("A: 1", f"X-Long: {long}"))
    assert [line for line in lines if "X-Long" in line] == [
        f"kept       X-Long: {long}  end-to-end",
        f"  X-Long: {long}",
    ]
    assert "kept       A: 1" + " " * 30 not in "\n".join(lines), "one long field does not push the rules off the screen"
    columns = {line.index(rule) for line in lines for rule in ("rewritten for", "stated by this hop") if rule in line}
    assert len(columns) == 1
