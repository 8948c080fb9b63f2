"""How much is taken (RFC 9110 §5.4, RFC 9112 §3)."""

from tests.conformance.cases.shared import BEGUN, CHUNKED, case
from tests.conformance.checks.at_client import closed, got_body, status
from tests.conformance.checks.at_upstream import requests, sent_body, sent_lacks, sent_start
from tests.conformance.checks.check import either, every
from tests.conformance.checks.verdicts import answered_once, never_whole, refused
from tests.conformance.steps import Case, Level, Pause, Response, Verdict

_FIELDS, _LINE, _CONNECTION = "RFC 9110 §5.4", "RFC 9112 §3", "RFC 9110 §7.6.1"
_PATH = "/" + "a" * 7900
_NAMES = [f"X-N{i}" for i in range(90)]

CASES = [
    Case("limit-line-8000", "a request line of 8,000 bytes is taken", _LINE, Level.SHOULD,
         f"GET {_PATH} HTTP/1.1|Host: h||", (status(200), sent_start(f"GET {_PATH} HTTP/1.1"))),
    Case("limit-line-200k", "one of 200,000 is refused with 414, or goes on whole", _LINE, Level.MUST,
         (f"GET /{'a' * 200_000} HTTP/1.1|Host: h||", Verdict()), (either(refused(414, 400, 431), sent_body(b"")),), promise=(refused(414),)),
    Case("limit-method", "a method of 200,000 bytes is refused, or goes on whole", _LINE, Level.GOOD,
         (f"{'A' * 200_000} / HTTP/1.1|Host: h||", Verdict()), (either(refused(), sent_body(b"")),), promise=(refused(),)),
    Case("limit-field-4k", "a field of 4,000 bytes is taken", _FIELDS, Level.GOOD, BEGUN + f"X-A: {'a' * 4000}||",
         (status(200), requests(1))),
    Case("limit-field-200k", "one of 200,000 is refused with a 4xx, or goes on whole", _FIELDS, Level.MUST,
         (BEGUN + f"X-A: {'a' * 200_000}||", Verdict()), (either(refused(431, 400, 413, 414), sent_body(b"")),), promise=(refused(431),)),
    Case("limit-fields-50", "fifty fields are taken", _FIELDS, Level.GOOD,
         BEGUN + "".join(f"X-A{i}: {i}|" for i in range(50)) + "|", (status(200), requests(1))),
    Case("limit-fields-20000", "twenty thousand are refused", _FIELDS, Level.MUST,
         (BEGUN + "".join(f"X-A{i}: {i}|" for i in range(20_000)) + "|", Verdict()), (refused(431, 400, 413),),
         promise=(refused(431),)),
    Case("limit-fields-200", "a field count over onehop's limit is refused with 431, and answered once", _FIELDS,
         Level.GOOD, (BEGUN + "".join(f"X-A{i}: {i}|" for i in range(200)) + "|", Verdict()),
         (either(refused(431, 400), status(200)),), promise=(refused(431), answered_once())),
    Case("limit-nominations-90", "ninety nominations are taken, and all count", _CONNECTION, Level.MUST,
         (BEGUN + f"Connection: {','.join(_NAMES)}|" + "".join(f"{name}: 1|" for name in _NAMES) + "|", Verdict()),
         (either(every(status(200), sent_lacks(*_NAMES)), refused()),), promise=(status(200),)),
    Case("limit-nominations-2000", "two thousand are refused, or all count", _CONNECTION, Level.MUST,
         (BEGUN + f"Connection: {','.join(f'x{i}' for i in range(2000))},x-last|X-Last: 1||", Verdict()),
         (either(every(status(200), sent_lacks("X-Last")), refused()),), promise=(refused(431),)),
    Case("limit-commas", "a Connection of thousands of empty members is refused, or what follows them counts",
         _CONNECTION, Level.MUST, (BEGUN + f"Connection: {',' * 5000}X-Last|X-Last: 1||", Verdict()),
         (either(every(status(200), sent_lacks("X-Last")), refused()),), promise=(refused(431),)),
    Case("limit-connection-lines", "a name in the fiftieth Connection line counts", _CONNECTION, Level.MUST,
         (BEGUN + "".join(f"Connection: x{i}|" for i in range(49)) + "Connection: X-Last|X-Last: 1||", Verdict()),
         (either(every(status(200), sent_lacks("X-Last")), refused()),), promise=(status(200),)),
    Case("limit-chunk-extension", "an endless chunk extension is refused", "RFC 9112 §7.1.1", Level.GOOD,
         (CHUNKED + f"3;{'a' * 200_000}|abc|0||", Verdict()), (either(refused(), never_whole()),)),
    Case("limit-chunk-size-line", "an endless chunk size is refused", "RFC 9112 §7.1", Level.GOOD,
         (CHUNKED + f"{'0' * 200_000}3|abc|0||", Verdict()), (either(refused(), never_whole()),), promise=(closed(),)),
    Case("limit-trailers", "an endless trailer section is refused, or dropped", "RFC 9110 §6.5", Level.GOOD,
         (CHUNKED + f"3|abc|0|X-T: {'a' * 200_000}||", Verdict()),
         (either(refused(), never_whole(), every(status(200), sent_body(b"abc"))),), promise=(never_whole(),)),
    Case("limit-trailer-count", "twenty thousand trailers are refused, or dropped", "RFC 9110 §6.5", Level.GOOD,
         (CHUNKED + "3|abc|0|" + "".join(f"X{i}: 1|" for i in range(20_000)) + "|", Verdict()),
         (either(refused(), never_whole(), every(status(200), sent_body(b"abc"))),), promise=(never_whole(),)),
    Case("limit-response-head", "an upstream's head of two megabytes becomes a 502, or goes on whole", "RFC 9110 §5.4", Level.GOOD,
         (BEGUN + "|", Verdict()), (either(status(502, 500, 503), got_body(b"ok")),),
         (f"HTTP/1.1 200 OK|X-A: {'a' * 2_000_000}|Content-Length: 2||ok",), promise=(status(502),)),
    Case("limit-response-field-4k", "a response field of 3,000 bytes is taken", "RFC 9110 §5.4", Level.GOOD, BEGUN + "|",
         (status(200), requests(1)), (f"HTTP/1.1 200 OK|X-A: {'a' * 3000}|Content-Length: 2||ok",)),
    Case("limit-interims", "an endless row of 1xx is ended, or the response behind it arrives", "RFC 9110 §15.2",
         Level.GOOD, (BEGUN + "|", Response()), (status(200, 502),),
         ("HTTP/1.1 103 Early Hints|Link: </a>||" * 200 + "HTTP/1.1 200 OK|Content-Length: 2||ok",),
         promise=(status(502),)),
]  # fmt: skip

CASES += [
    case("method-long", "a method longer than any is 501, not 414", "RFC 9112 §3", Level.SHOULD,
         (f"{'A' * 40000} / HTTP/1.1|Host: h||", Verdict()), (either(refused(501), status(200)),)),
    case("target-9000", "a target that is too long is 414, or goes on", "RFC 9112 §3", Level.MUST,
         (f"GET /{'a' * 9000} HTTP/1.1|Host: h||", Verdict()), (either(refused(414), status(200)),)),
    case("target-9000-slow", "also where it comes in two pieces", "RFC 9112 §3", Level.MUST,
         (f"GET /{'a' * 5000}", Pause(0.02), f"{'a' * 40000} HTTP/1.1|Host: h||", Verdict()), (either(refused(414), status(200)),)),
]  # fmt: skip
