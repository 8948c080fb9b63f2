"""What the fast path notes of the lines that arrived makes stripping and writing cheaper, and changes no byte."""

from hypothesis import event, given
from hypothesis import strategies as st

from proxy.http1 import writer
from proxy.http1.message import NO_BODY, FixedLength, RequestHead, ResponseHead
from proxy.http1.parsing.fast_path import parse_plain_request, parse_plain_response
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import RequestSemantics
from proxy.policy.request_fields import upstream_request_fields
from proxy.policy.response_fields import final_response_fields
from tests.property.strategies import SPACE, TOKENS, VALUES, times

_SETTINGS = PlanSettings(pseudonym=b"me")
#: Plain, mostly: no white space behind the value, and nothing that delimits a body or names a host.
_NAMES = TOKENS.filter(lambda name: name.lower() not in (b"host", b"content-length", b"transfer-encoding"))
_LINES = st.lists(
    st.builds(lambda name, before, value: name + b":" + before + value, _NAMES, SPACE, VALUES)
    | st.sampled_from([b"X-Request-Id:a", b"x_request-id: a", b"Connection: close", b"Connection:keep-alive"]),
    max_size=8,
)


def _request_sent(head: RequestHead, *, trusted: bool) -> tuple[bytes, bool]:
    client = ClientIdentity(b"192.0.2.1", trusted)
    fields, kept = upstream_request_fields(head, client, RequestSemantics(b"h", b"h", NO_BODY, b"id"), _SETTINGS)
    return writer.request_head(head.method, head.target, fields, kept), kept is not None


@times(4)
@given(_LINES, st.booleans())
def test_a_request_is_sent_as_without_it(more: list[bytes], trusted: bool) -> None:
    found = parse_plain_request(b"\r\n".join([b"GET / HTTP/1.1", b"Host: h", *more, b"", b""]))
    if found is not None:
        head = found[0]
        alone = RequestHead(head.method, head.target, head.http_version, head.fields, head.known, head.options)
        sent, is_used = _request_sent(head, trusted=trusted)
        event("used" if is_used else "not used")
        assert (sent, False) == _request_sent(alone, trusted=trusted)


@given(_LINES, st.sampled_from([None, b"close"]))
def test_a_response_is_sent_as_without_it(more: list[bytes], connection: bytes | None) -> None:
    found = parse_plain_response(b"\r\n".join([b"HTTP/1.1 200 OK", b"Set-Cookie: a=1", *more, b"", b""]))
    if found is not None:
        head = found[0]
        assert head.shared is None, "a cookie is not remembered"
        assert head.arrived is not None
        alone = ResponseHead(200, b"OK", b"1.1", head.fields, head.known, head.options)

        def sent(response: ResponseHead) -> bytes:
            fields = final_response_fields(response, _SETTINGS, FixedLength(5), lambda: b"now", connection)
            return writer.response_head(200, b"OK", fields)

        assert sent(head) == sent(alone)
