"""The features: what is written for each, in the configuration and in the request."""

from typing import Final, NamedTuple


class Case(NamedTuple):
    """A feature. `top` stands above all tables, `upstream`, `route` and `listener` in those; `more` is behind them.
    PORT is the service's, FOLDER has `a.pem`, a certificate with its key, and `users`, in which ann has `secret`."""

    name: str
    top: str = ""
    upstream: str = ""
    route: str = ""
    listener: str = ""
    more: str = ""
    fields: bytes = b""  # more lines of the request
    tls: bool = False  # towards the client
    before: bytes = b""  # what the client sends first on its connection
    tls_upstream: bool = False


_ANN: Final = b"Authorization: Basic YW5uOnNlY3JldA==\r\n"

CASES: Final = [
    Case("defaults: access log as text, counters"),
    Case("`access_log` off", 'access_log = "off"'),
    Case("`access_log` as JSON", 'access_log = "json"'),
    Case("two `access_log_fields`", 'access_log_fields = ["request:User-Agent", "response:Content-Type"]'),
    Case('`reader = "h11"`', 'reader = "h11"'),
    Case("`forwarded`", "forwarded = true"),
    Case("`via` off", "via = false"),
    Case("`underscore_names` dropped", 'underscore_names = "drop"'),
    Case(
        "a trusted gateway before it", 'trusted_networks = ["127.0.0.0/8"]',
        fields=b"X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nX-Forwarded-Proto: https\r\n",
    ),
    Case("a PROXY header, once per connection", listener='proxy_protocol = ["127.0.0.0/8"]',
         before=b"PROXY TCP4 192.0.2.1 192.0.2.9 5000 443\r\n"),
    Case("TLS to the client", tls=True, listener='[listeners.l.tls]\ncertificates = [{ certificate = "FOLDER/a.pem" }]'),
    Case("TLS to the service", tls_upstream=True, upstream="tls.verify = false"),
    Case("a hundred routes by host", more="\n".join(
        f'[routes.h{number}]\nhost = "h{number}.example"\nupstream = "u"' for number in range(100)
    )),
    Case("a route by method and field", route='methods = ["GET"]\nheaders = { "X-Env" = "canary" }',
         fields=b"X-Env: canary\r\n"),
    Case("two `request_fields`, put and removed",
         route='[routes.r.request_fields]\nput = { "X-Env" = "prod" }\nremove = ["X-Debug"]'),
    Case("two `response_fields`, put and removed",
         route='[routes.r.response_fields]\nput = { "X-Env" = "prod" }\nremove = ["Server"]'),
    Case("`strip_prefix` and `add_prefix`", route='strip_prefix = "/small"\nadd_prefix = "/inside"'),
    Case("`rewrite_path`", route='rewrite_path = { pattern = "^/small/([0-9]+)$", to = "/big/$1" }'),
    Case("a `split` in two", route='split = [{ upstream = "u", weight = 9 }, { upstream = "u", weight = 1 }]'),
    Case("`access.allow`", route='access.allow = ["127.0.0.0/8"]'),
    Case("`rate_limit`", route="rate_limit = { requests_per_s = 100000, burst = 100000 }"),
    Case("`access.basic_auth`, remembered", route='access.basic_auth = "FOLDER/users"', fields=_ANN),
    Case("`access.forward_auth`", route='access.forward_auth = { upstream = "u", copy = ["X-User"] }'),
    Case("`mirror` of all", route='mirror = { upstream = "u" }'),
    Case("`respond`, which asks no service", route=f'respond = {{ body = "{"x" * 128}" }}'),
    Case("a route's own `timeouts` and `limits`",
         route='timeouts.response_head_s = 300\nlimits.request_body_bytes = "1 MiB"'),
    Case("`[error_pages]`, not needed", more='[error_pages]\n"5xx" = "FOLDER/users"'),
    Case("the inspector, of what it records", more="[admin]\ninspector = true"),
    Case("`[tracing]` of one request in a hundred", more='[tracing]\notlp_endpoint = "http://127.0.0.1:PORT"'),
    Case("`[tracing]` of all", more='[tracing]\notlp_endpoint = "http://127.0.0.1:PORT"\nsample_percent = 100'),
    Case("`[explain]`, for a request that asks nothing", more='[explain]\nsecret = "0123456789abcdef"'),
    Case("`client_half_close`", "client_half_close = true"),
    Case("`timeouts.request_total_s`", more="[timeouts]\nrequest_total_s = 60"),
    Case("`limits.connections_per_client`", more="[limits]\nconnections_per_client = 100"),
    Case("two origins", upstream='urls = ["http://127.0.0.1:PORT", "http://localhost:PORT"]'),
    Case("two origins, `least_requests`",
         upstream='urls = ["http://127.0.0.1:PORT", "http://localhost:PORT"]\nbalance = "least_requests"'),
    Case("two origins, `random_two`",
         upstream='urls = ["http://127.0.0.1:PORT", "http://localhost:PORT"]\nbalance = "random_two"'),
    Case("two origins, `hash` by address",
         upstream='urls = ["http://127.0.0.1:PORT", "http://localhost:PORT"]\nbalance = "hash"'),
    Case("two origins, `sticky_cookie`",
         upstream='urls = ["http://127.0.0.1:PORT", "http://localhost:PORT"]\nsticky_cookie = "sid"'),
    Case("`max_connections` and a queue", upstream="max_connections = 10\nqueue = 10"),
]  # fmt: skip


def configuration(case: Case, port: int, folder: str) -> str:
    """The whole file."""
    scheme = "https" if case.tls_upstream else "http"
    upstream = case.upstream if "urls" in case.upstream else f'urls = ["{scheme}://127.0.0.1:PORT"]\n{case.upstream}'
    route = case.route if case.route.startswith(("split", "respond")) else f'upstream = "u"\n{case.route}'
    text = (
        f'workers = 1\n{case.top}\n[listeners.l]\naddress = "127.0.0.1:0"\n{case.listener}\n[upstreams.u]\n{upstream}\n'
        f"[routes.r]\n{route}\n{case.more}\n"
    )
    return text.replace("PORT", str(port)).replace("FOLDER", folder)
