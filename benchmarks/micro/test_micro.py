"""Reading, checking, stripping, stating, writing, routing: each alone, by the number of fields."""

from collections.abc import Callable

import pytest

pytest.importorskip("pytest_benchmark", reason="pip install pytest-benchmark")
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.micro.heads import in_turn, plain_request, plain_response, request, response
from proxy.http1 import writer
from proxy.http1.limits import MessageLimits
from proxy.http1.message import FixedLength, RequestHead, ResponseHead
from proxy.http1.parsing.chunked import ChunkedBody
from proxy.http1.parsing.h11_parser import parse_request, parse_response
from proxy.http1.parsing.head_parser import HeadParser
from proxy.http1.parsing.strictness import check_request
from proxy.policy.forwarded import ClientIdentity
from proxy.policy.plan_settings import PlanSettings
from proxy.policy.plans import Forward
from proxy.policy.request_plan import plan
from proxy.policy.response_fields import final_response_fields
from proxy.policy.route import Route
from proxy.policy.routing import RoutingTable
from proxy.policy.stripping import strip

FIELDS = pytest.mark.parametrize("fields", [1, 8, 20, 80])
LIMITS = MessageLimits()
CLIENT = ClientIdentity(b"192.0.2.1")
SETTINGS = PlanSettings(pseudonym=b"onehop-1")
ROUTES = RoutingTable([Route("default", "default")])
DATE = b"Mon, 23 Nov 2026 15:50:45 GMT"


@FIELDS
@pytest.mark.parametrize("read", [plain_request, parse_request])
def test_reading_a_request(
    benchmark: BenchmarkFixture, read: Callable[[bytes], RequestHead | None], fields: int
) -> None:
    benchmark.group = f"read a request, {fields} fields"
    head = benchmark(in_turn(read, lambda number: request(number, fields)))
    assert len(head.fields) == fields


@pytest.mark.parametrize("read", [plain_response, parse_response])
def test_reading_a_response(benchmark: BenchmarkFixture, read: Callable[[bytes], ResponseHead | None]) -> None:
    benchmark.group = "read a response, 5 fields"
    assert benchmark(in_turn(read, response)).status == 200


@pytest.mark.parametrize("fast_path", [True, False], ids=["auto", "h11"])
def test_taking_a_head_out_of_what_arrived(benchmark: BenchmarkFixture, fast_path: bool) -> None:
    benchmark.group = "take and screen a request, 8 fields"
    reader = HeadParser(LIMITS, fast_path=fast_path)

    def take(raw_head: bytes) -> RequestHead | None:
        reader.receive(raw_head)
        return reader.request_head()

    assert benchmark(in_turn(take, lambda number: request(number, 8))) is not None


@FIELDS
def test_screening(benchmark: BenchmarkFixture, fields: int) -> None:
    benchmark.group = "screen a request"
    benchmark(in_turn(lambda head: check_request(head, LIMITS), lambda n: plain_request(request(n, fields))))


@FIELDS
def test_stripping(benchmark: BenchmarkFixture, fields: int) -> None:
    benchmark.group = "strip a request"

    def stripped(head: RequestHead) -> int:
        return len(strip(head.fields, head.options))

    assert benchmark(in_turn(stripped, lambda number: plain_request(request(number, fields)))) == fields


@pytest.mark.parametrize("nominations", [1, 16, 256])
def test_stripping_what_is_nominated(benchmark: BenchmarkFixture, nominations: int) -> None:
    benchmark.group = "read and strip, fresh nominations"
    # More of them than the cache of options holds.
    heads = [
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: %b\r\n\r\n"
        % b", ".join(b"X-%d-%d" % (head, name) for name in range(nominations))
        for head in range(600)
    ]

    def read_and_strip(number: int) -> int:
        head = plain_request(heads[number % 600])
        return len(strip(head.fields, head.options))

    numbers = iter(range(1 << 60))
    assert benchmark(lambda: read_and_strip(next(numbers))) == 1


@FIELDS
def test_stating_and_writing_a_request(benchmark: BenchmarkFixture, fields: int) -> None:
    benchmark.group = "plan and write a request"

    def forward(head: RequestHead) -> bytes:
        decided = plan(head, CLIENT, ROUTES, SETTINGS, b"id")
        assert isinstance(decided, Forward)
        return writer.request_head(head.method, decided.target, decided.fields)

    sent = benchmark(in_turn(forward, lambda number: plain_request(request(number, fields))))
    assert sent.startswith(b"GET /some/path/")


def test_stating_and_writing_a_response(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "strip, state and write a response, 5 fields"

    def forward(head: ResponseHead) -> bytes:
        lines = final_response_fields(head, SETTINGS, FixedLength(128), lambda: DATE, None)
        return writer.response_head(head.status, head.reason, lines)

    assert benchmark(in_turn(forward, lambda number: plain_response(response(number)))).startswith(b"HTTP/1.1 200")


@FIELDS
def test_writing(benchmark: BenchmarkFixture, fields: int) -> None:
    benchmark.group = "write a request"

    def write(head: RequestHead) -> bytes:
        return writer.request_head(head.method, head.target, head.fields)

    assert benchmark(in_turn(write, lambda number: plain_request(request(number, fields)))).endswith(b"\r\n\r\n")


@pytest.mark.parametrize("chunks", [3, 20])
@pytest.mark.parametrize("with_h11", [False, True], ids=["auto", "h11"])
def test_reading_chunks(benchmark: BenchmarkFixture, with_h11: bool, chunks: int) -> None:
    benchmark.group = f"read {chunks} chunks"
    coded = (b"12c\r\n" + b"x" * 300 + b"\r\n") * chunks + b"0\r\n\r\n"

    def read() -> int:
        return len(ChunkedBody(LIMITS, with_h11=with_h11).receive(coded))

    assert benchmark(read) == chunks


@pytest.mark.parametrize("routes", [1, 1000])
def test_routing(benchmark: BenchmarkFixture, routes: int) -> None:
    benchmark.group = "match a route"
    table = RoutingTable(Route(str(n), "app", b"h%d.example" % n, b"/service") for n in range(routes))
    assert benchmark(table.match, b"h0.example:8080", b"/service/x") is not None
