"""Each proxy's own settings: its defaults, with checks and retries as its users set them.

onehop: config/examples/health.toml. nginx, which has no checks: its defaults, and 502 and 503 are retried, too.
HAProxy: the times of Debian's package, httpchk, retries for all but POST. Caddy: active and passive checks, and retries
for five seconds. Envoy: checks, outlier detection with its defaults, and one retry. All choose origins in turn or by
chance, which is what each does where nobody says otherwise.
"""

from typing import Final

from benchmarks.faults.settings import Settings

_ONEHOP: Final = """
listen = ["127.0.0.1:{port}"]
workers = 1
access_log = "off"
[admin]
listen = ""
[upstreams.service]
urls = [{origins}]
resolve_s = 10.0
slow_start_s = 30.0
[upstreams.service.health_check]
path = "/small"
interval_s = 2.0
fall = 2
[upstreams.service.ejection]
statuses = [502, 503]
[upstreams.service.retry]
on = ["connect_failure", "reset", "response_timeout", "502", "503"]
"""

_NGINX: Final = """
{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 100000000;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  upstream service {{ zone service 64k; {origins} keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_next_upstream error timeout http_502 http_503;
    }}
  }}
}}
"""

_HAPROXY: Final = """
defaults
  mode http
  option redispatch
  retry-on all-retryable-errors
  timeout connect 5s
  timeout client 50s
  timeout server 50s
{resolvers}
frontend f
  bind 127.0.0.1:{port} backlog 4096
  default_backend b
backend b
  balance roundrobin
  option httpchk GET /small
  http-request disable-l7-retry if METH_POST
  default-server check
{origins}
"""

_CADDY: Final = """
{{
  admin off
  auto_https off
}}
http://:{port} {{
  bind 127.0.0.1
  reverse_proxy {origins} {{
    lb_try_duration 5s
    fail_duration 30s
    unhealthy_status 5xx
    health_uri /small
  }}
}}
"""

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
                  retry_policy: {{retry_on: "connect-failure,refused-stream"}}
              - match: {{prefix: /}}
                route:
                  cluster: c
                  retry_policy: {{retry_on: "5xx"}}
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: c
    type: {kind}
    dns_lookup_family: V4_ONLY
    health_checks:
    - {{timeout: 1s, interval: 5s, unhealthy_threshold: 2, healthy_threshold: 2, http_health_check: {{path: /small}}}}
    outlier_detection: {{}}
    load_assignment:
      cluster_name: c
      endpoints:
      - lb_endpoints:
{origins}
"""

SETTINGS: Final = {
    "onehop": Settings("onehop.toml", _ONEHOP, '"http://{origin}"', ", "),
    "nginx": Settings("nginx.conf", _NGINX, "server {origin};", " "),
    "HAProxy": Settings("haproxy.cfg", _HAPROXY, "  server s{number} {origin} {resolved}"),
    "Caddy": Settings("Caddyfile", _CADDY, "{origin}", " "),
    "Envoy": Settings(
        "envoy.yaml",
        _ENVOY,
        "        - endpoint: {{address: {{socket_address: {{address: {host}, port_value: {port}}}}}}}",
    ),
}
