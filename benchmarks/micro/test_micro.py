"""What the pure functions cost, one by one: `python -m pytest benchmarks/micro`."""

import pytest

from proxy.http1 import writer
from proxy.http1.framing import request_framing
from proxy.http1.recogniser import recognise_request, recognise_response
from proxy.http1.referee import referee_request, referee_response
from proxy.policy.forwarding import Hop, Intent, upstream_request

RESPONSE = b"HTTP/1.1 200 OK\r\nServer: x\r\nDate: Mon, 23 Nov 2026 15:50:45 GMT\r\nContent-Length: 128\r\n\r\n"


def request_of(fields: int) -> bytes:
    """A request head with some fields."""
    lines = b"".join(b"X-Field-%d: some value of usual length\r\n" % number for number in range(fields - 1))
    return b"GET /some/path?x=1 HTTP/1.1\r\nHost: bench.example\r\n" + lines + b"\r\n"


@pytest.mark.parametrize("fields", [1, 8, 20, 80])
@pytest.mark.parametrize("read", [recognise_request, referee_request])
def test_read_a_request(benchmark, read, fields):
    head = benchmark(read, request_of(fields))
    assert len(head.fields) == fields


@pytest.mark.parametrize("read", [recognise_response, referee_response])
def test_read_a_response(benchmark, read):
    assert benchmark(read, RESPONSE).status == 200


@pytest.mark.parametrize("fields", [1, 8, 20, 80])
def test_strip_state_and_write_a_request(benchmark, fields):
    head = recognise_request(request_of(fields))
    hop = Hop(b"onehop-1", b"192.0.2.1")
    intent = Intent(b"bench.example", b"bench.example", request_framing(head), b"id")

    def forward() -> bytes:
        return writer.request_head(head.method, head.target, upstream_request(head, hop, intent))

    assert benchmark(forward).startswith(b"GET /some/path?x=1 HTTP/1.1\r\nHost: bench.example\r\n")
