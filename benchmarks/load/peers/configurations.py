"""Configuration files of the peers. Each function writes one into a folder and returns its path."""

from pathlib import Path
from typing import Final

from tests.harness.programs import nginx_user


def nginx(folder: Path, port: int, upstream_port: int, *, log: bool) -> Path:
    """nginx. It streams uploads, as all others do: by default it would write them to disk first."""
    access_log = f"{folder}/access.log combined" if log else "off"
    return _write(
        folder / "nginx.conf",
        f"""
{nginx_preamble(folder)}
http {{
  access_log {access_log};
  client_max_body_size 0; keepalive_requests 100000000; keepalive_timeout 75s;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  map $http_upgrade $connection_option {{ default upgrade; "" ""; }}
  upstream service {{ server 127.0.0.1:{upstream_port}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://service; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_option;
    }}
  }}
}}
""",
    )


def nginx_preamble(folder: Path) -> str:
    """What any nginx of ours begins with."""
    return (
        f"{nginx_user()} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;\n"
        "worker_rlimit_nofile 20000; events { worker_connections 20000; }"
    )


def haproxy(folder: Path, port: int, upstream_port: int, *, log: bool, streams: bool = False) -> Path:
    """HAProxy. `no strict-limits`: idle clients need one file each, where it reserves two. `streams`: without
    `http-no-delay`, it lets the kernel hold each event of a stream back for up to 200 ms (MSG_MORE)."""
    streaming = "option http-no-delay" if streams else ""
    logging = "log stdout format raw local0\n  option httplog" if log else ""
    return _write(
        folder / "haproxy.cfg",
        f"""
global
  nbthread 1
  maxconn 12000
  no strict-limits
defaults
  mode http
  {streaming}
  timeout connect 5s
  timeout client 75s
  timeout server 75s
  timeout tunnel 75s
frontend f
  bind 127.0.0.1:{port} backlog 4096
  {logging}
  option forwardfor
  default_backend b
backend b
  http-reuse always
  server s 127.0.0.1:{upstream_port}
""",
    )


def caddy(folder: Path, port: int, upstream_port: int, *, log: bool) -> Path:
    """Caddy: X-Forwarded-* and streaming are its defaults."""
    logging = "log {\n output stdout\n format json\n }" if log else ""
    return _write(
        folder / "Caddyfile",
        f"""
{{
 admin off
 auto_https off
 persist_config off
}}
http://:{port} {{
 bind 127.0.0.1
 {logging}
 reverse_proxy 127.0.0.1:{upstream_port} {{
  transport http {{
   keepalive_idle_conns_per_host 1024
   compression off
  }}
 }}
}}
""",
    )


def envoy(folder: Path, port: int, upstream_port: int, *, log: bool) -> Path:
    """Envoy, with its circuit breakers out of the way."""
    return _write(
        folder / "envoy.yaml",
        f"""
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    tcp_backlog_size: 4096
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          use_remote_address: true
          http_protocol_options: {{accept_http_10: true}}
          upgrade_configs: [{{upgrade_type: websocket}}]
          access_log: [{_ENVOY_LOG if log else ""}]
          route_config:
            virtual_hosts:
            - name: v
              domains: ["*"]
              routes: [{{match: {{prefix: /}}, route: {{cluster: c, timeout: 60s}}}}]
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: c
    type: STATIC
    circuit_breakers: {{thresholds: [{{max_connections: 20000, max_pending_requests: 20000, max_requests: 20000}}]}}
    load_assignment:
      cluster_name: c
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream_port}}}}}}}
""",
    )


_ENVOY_LOG: Final = """{name: a, typed_config: {
            "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog,
            log_format: {json_format: {
              time: "%START_TIME%", client: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", method: "%REQ(:METHOD)%",
              target: "%REQ(:PATH)%", version: "%PROTOCOL%", status: "%RESPONSE_CODE%",
              request_bytes: "%BYTES_RECEIVED%", response_bytes: "%BYTES_SENT%", duration_ms: "%DURATION%",
              request_id: "%REQ(X-REQUEST-ID)%", upstream: "%UPSTREAM_HOST%"}}}}"""


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
