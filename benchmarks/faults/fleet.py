"""The proxies before the three origins, each with the checks, retries and times that its documentation recommends.

All have the same times: one second to connect and one for a response's head, and a check each second that fails after
half a second. All send a request to the origin with the fewest under way, and leave one out after a single failed
request. What may be retried is retried, everywhere: idempotent requests after failures, time-outs and 503s, others only
where no connection came about.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.stress.names import ADDRESS, NameServer, asking_us
from tests.harness.programs import CADDY, ENVOY, HAPROXY, NGINX, ONEHOP, Program, nginx_user
from tests.harness.programs.process import Server, free_port, serving, wait_until_listening

PROGRAMS: Final[dict[str, Program]] = {
    "onehop": ONEHOP, "nginx": NGINX, "HAProxy": HAPROXY, "Caddy": CADDY, "Envoy": ENVOY,
}  # fmt: skip


@contextmanager
def running(name: str, folder: Path, origins: Sequence[str], names: NameServer | None) -> Iterator[Server]:
    """A proxy that listens; leaving ends it."""
    program = PROGRAMS[name].find()
    assert program is not None
    port = free_port()
    prefix = asking_us(folder) if names is not None else []
    command = [*prefix, *_command(name, program, folder, port, origins, named=names is not None)]
    own = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with serving(command, port, errors=folder / "errors", environment=own) as server:
        wait_until_listening(server)
        yield server


def _command(name: str, program: str, folder: Path, port: int, origins: Sequence[str], *, named: bool) -> list[str]:
    match name:
        case "onehop":
            urls = ", ".join(f'"http://{origin}"' for origin in origins)
            path = _write(folder / "onehop.toml", _ONEHOP.format(port=port, urls=urls))
            return [program, "-m", "proxy", "run", "--config", path]
        case "nginx":
            servers = " ".join(f"server {origin};" for origin in origins)
            text = _NGINX.format(port=port, folder=folder, servers=servers, user=nginx_user())
            return [program, "-p", str(folder), "-c", _write(folder / "nginx.conf", text)]
        case "HAProxy":
            resolvers = f"resolvers r\n  nameserver n {ADDRESS}:53\n  hold valid 1s\n" if named else ""
            more = "resolvers r init-addr last,libc,none resolve-prefer ipv4" if named else ""
            servers = "\n".join(f"  server s{number} {origin} {more}" for number, origin in enumerate(origins))
            text = _HAPROXY.format(port=port, resolvers=resolvers, servers=servers)
            return [program, "-db", "-f", _write(folder / "haproxy.cfg", text)]
        case "Caddy":
            text = _CADDY.format(port=port, origins=" ".join(origins))
            path = _write(folder / "Caddyfile", text)
            return [program, "run", "--adapter", "caddyfile", "--config", path]
        case _:
            endpoints = "\n".join(_ENVOY_ENDPOINT.format(*origin.split(":")) for origin in origins)
            text = _ENVOY.format(
                port=port, endpoints=endpoints, kind="STRICT_DNS" if named else "STATIC", elsewhere=_ENVOY_ELSEWHERE
            )
            path = _write(folder / "envoy.yaml", text)
            return [program, "-c", path, "--concurrency", "1", "--disable-hot-restart", "-l", "off"]


def _write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


_ONEHOP: Final = """
listen = ["127.0.0.1:{port}"]
workers = 1
access_log = "off"
[admin]
listen = ""
[timeouts]
connect_s = 1.0
response_head_s = 1.0
[upstreams.service]
urls = [{urls}]
balance = "least_requests"
resolve_s = 1.0
[upstreams.service.health_check]
path = "/small"
interval_s = 1.0
timeout_s = 0.5
[upstreams.service.ejection]
failures = 1
statuses = [503]
[upstreams.service.retry]
attempts = 3
on = ["connect_failure", "reset", "response_timeout", "503"]
budget_percent = 50
"""

_NGINX: Final = """
{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  upstream service {{ zone service 64k; least_conn; {servers} keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_connect_timeout 1s; proxy_read_timeout 1s;
      proxy_next_upstream error timeout http_503; proxy_next_upstream_tries 3;
    }}
  }}
}}
"""

_HAPROXY: Final = """
defaults
  mode http
  retries 2
  option redispatch 1
  retry-on conn-failure empty-response response-timeout 503
  timeout connect 1s
  timeout client 75s
  timeout server 1s
  timeout check 500ms
{resolvers}
frontend f
  bind 127.0.0.1:{port} backlog 4096
  default_backend b
backend b
  balance leastconn
  option httpchk GET /small
  http-request disable-l7-retry if METH_POST
  default-server check inter 1s fall 3 rise 2 observe layer7 error-limit 1 on-error mark-down
{servers}
"""

_CADDY: Final = """
{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
  reverse_proxy {origins} {{
    lb_policy least_conn
    lb_retries 2
    lb_try_duration 3s
    lb_try_interval 10ms
    fail_duration 10s
    max_fails 1
    unhealthy_status 503
    health_uri /small
    health_interval 1s
    health_timeout 500ms
    health_fails 3
    health_passes 2
    transport http {{
      dial_timeout 1s
      response_header_timeout 1s
    }}
  }}
}}
"""

_ENVOY_ENDPOINT: Final = "        - endpoint: {{address: {{socket_address: {{address: {0}, port_value: {1}}}}}}}"
#: Not again to the origin that was tried, for three draws.
_ENVOY_ELSEWHERE: Final = """host_selection_retry_max_attempts: 3, retry_host_predicate: [{name: p, typed_config:
  {"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}]"""
_ENVOY: Final = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          route_config:
            virtual_hosts:
            - name: v
              domains: ["*"]
              routes:
              - match: {{prefix: /, headers: [{{name: ":method", string_match: {{exact: POST}}}}]}}
                route:
                  cluster: c
                  timeout: 1s
                  retry_policy: {{retry_on: "connect-failure,refused-stream", num_retries: 2, {elsewhere}}}
              - match: {{prefix: /}}
                route:
                  cluster: c
                  timeout: 4s
                  retry_policy: {{retry_on: "connect-failure,refused-stream,reset,gateway-error", num_retries: 2,
                    per_try_timeout: 1s, {elsewhere}}}
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: c
    type: {kind}
    lb_policy: LEAST_REQUEST
    connect_timeout: 1s
    dns_lookup_family: V4_ONLY
    dns_refresh_rate: 1s
    health_checks:
    - {{timeout: 0.5s, interval: 1s, unhealthy_threshold: 3, healthy_threshold: 2, http_health_check: {{path: /small}}}}
    outlier_detection: {{consecutive_5xx: 1, consecutive_gateway_failure: 1, enforcing_consecutive_gateway_failure: 100,
      base_ejection_time: 10s, max_ejection_percent: 50, interval: 1s}}
    load_assignment:
      cluster_name: c
      endpoints:
      - lb_endpoints:
{endpoints}
"""
