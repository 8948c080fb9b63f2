"""The same times, checks and retries for every proxy.

All have one second to connect and one for a response's head, and a check each second that fails after half a second.
All send a request to the origin with the fewest under way, and leave one out after a single failed request. What may
be retried is retried, everywhere: idempotent requests after failures, time-outs and 503s, others only where no
connection could be opened.
"""

from typing import Final

from benchmarks.faults.settings import Settings

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
urls = [{origins}]
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
  upstream service {{ zone service 64k; least_conn; {origins} keepalive 64; }}
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
