"""What this hop states, of others and of itself (RFC 7239, RFC 9209)."""

from tests.conformance.cases.shared import ASK, CHUNKED, GET, HOP, SWITCH, case, get
from tests.conformance.checks.at_client import got_like, nowhere, status
from tests.conformance.checks.at_upstream import sent, sent_like, sent_nowhere, sent_options, sent_start
from tests.conformance.checks.verdicts import refused
from tests.conformance.steps import (
    Close,
    Level,
    Response,
    Tunnel,
    Verdict,
)

CASES = [
    case("proxy-status-502", "a 502 of this hop's own says who and why", "RFC 9209 §2", Level.GOOD, GET,
         (status(502), got_like("Proxy-Status", r'[A-Za-z*][\w.:/*!#$%&\'+^`|~-]*; ?error=[a-z_]+.*'), got_like("Date", ".+ GMT"),
          got_like("Cache-Control", "no-store")), (Close(),), setting="trusting"),
    case("proxy-status-protocol", "a faulty response is http_protocol_error", "RFC 9209 §2.3.26", Level.GOOD, GET,
         (status(502), got_like("Proxy-Status", ".*error=http_protocol_error.*")), ("nonsense||", Close()), setting="trusting"),
    case("proxy-status-terminated", "no response at all is connection_terminated, or http_response_incomplete", "RFC 9209 §2.3.9", Level.GOOD, GET,
         (status(502), got_like("Proxy-Status", ".*error=(connection_terminated|http_response_incomplete).*")), (Close(),), setting="trusting"),
    case("error-forged-id", "a refused request's own values stand nowhere in the answer", "RFC 9110 §17.13", Level.GOOD,
         (get("X-Request-Id: <script>|Host: <evil>"), Verdict()), (refused(400), nowhere("<script>"), nowhere("<evil>"))),
    case("trusted-empty-host", "trusted: an empty X-Forwarded-Host says nothing", "RFC 7239 §4", Level.GOOD,
         get("X-Forwarded-Host:|X-Forwarded-Proto:"), (status(200), sent("X-Forwarded-Host", "h"), sent("X-Forwarded-Proto", "http")), setting="trusting"),
    case("trusted-empty-members", "trusted: empty members of a chain do not go on", "RFC 9110 §5.6.1.1", Level.GOOD,
         get("X-Forwarded-For: , 1.2.3.4,,"), (status(200), sent("X-Forwarded-For", "1.2.3.4, 127.0.0.1")), setting="trusting"),
    case("trusted-forwarded-nominated", "trusted: a nominated Forwarded ends here", HOP, Level.MUST,
         get("Connection: Forwarded|Forwarded: for=6.6.6.6"), (status(200), sent_nowhere("6.6.6.6")), setting="trusting"),
    case("trusted-trailers", "trusted: X-Forwarded-For in a trailer is believed by nobody", "RFC 9110 §6.5.1", Level.GOOD,
         CHUNKED + "1|a|0|X-Forwarded-For: 6.6.6.6||", (status(200), sent_nowhere("6.6.6.6")), setting="trusting"),
    case("ruled-nominated-trailer", "a field that the route sets, nominated and sent as a trailer", "CVE-2021-32813", Level.GOOD,
         "POST /ruled HTTP/1.1|Host: h|Connection: X-Auth-User|Transfer-Encoding: chunked||1|a|0|X-Auth-User: root||",
         (status(200), sent("X-Auth-User", "a"), sent_nowhere("root")), setting="ruled"),
    case("ruled-upgrade", "a field that the route sets stands in an upgrade, too", "CVE-2021-32813", Level.GOOD,
         (ASK.replace("/ws", "/ruled/ws").replace(": Upgrade", ": Upgrade, X-Auth-User"), Response()),
         (status(101), sent("X-Auth-User", "a"), sent_options("upgrade")), (SWITCH, Tunnel()), setting="ruled"),
    case("ruled-dots", "a path that leaves a route by dots is routed by its bytes, and goes on as it came", "RFC 9110 §7.7", Level.MUST,
         "GET /ruled/../x HTTP/1.1|Host: h||", (status(200), sent_start("GET /ruled/../x HTTP/1.1")), setting="ruled"),
    case("via-first-line", "an upstream of HTTP/1.0 and a client of HTTP/1.0 each have their version in Via", "RFC 9110 §7.6.3", Level.MUST,
         "GET / HTTP/1.0|Host: h||", (sent_like("Via", r"1\.0 .+"), got_like("Via", r"1\.0 .+"), status(200)),
         "HTTP/1.0 200 OK|Content-Length: 2||ok"),
]  # fmt: skip
