"""The peers of `benchmarks.load`, with TLS towards clients, or towards the service."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.load.peers import COMPILED, ONEHOP_COMPILED, ROOT, configurations
from tests.harness.programs import CADDY, ENVOY, HAPROXY, NGINX, ONEHOP, Program


class Place(NamedTuple):
    """Where one run happens. `pem` is a certificate with its key, which the service has, too, where `to_service`."""

    folder: Path
    port: int
    upstream_port: int
    pem: Path
    to_service: bool


class Peer(NamedTuple):
    """A proxy, and how it is started."""

    name: str
    program: Program
    command: Callable[[str, Place], list[str]]
    environment: Mapping[str, str] = {}


def _changed(path: Path, *changes: tuple[str, str]) -> str:
    text = path.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)
    return str(path)


def _onehop(python: str, place: Place) -> list[str]:
    file = place.folder / "onehop.toml"
    listener = f'address = "127.0.0.1:{place.port}"\n'
    if place.to_service:
        upstream = f'urls = ["https://127.0.0.1:{place.upstream_port}"]\ntls.verify = false\n'
    else:
        listener += f'tls.certificates = [{{ certificate = "{place.pem}" }}]\n'
        upstream = f'urls = ["http://127.0.0.1:{place.upstream_port}"]\n'
    file.write_text(f'workers = 1\naccess_log = "off"\n[listeners.l]\n{listener}[upstreams.u]\n{upstream}')
    # -P: what PYTHONPATH names goes before the folder that we are in.
    return [python, "-P", "-m", "proxy", "run", "--config", str(file)]


def _nginx(program: str, place: Place) -> list[str]:
    path = configurations.nginx(place.folder, place.port, place.upstream_port, log=False)
    if place.to_service:
        config = _changed(path, ("proxy_pass http://", "proxy_pass https://"))
    else:
        listen = f"listen 127.0.0.1:{place.port}"
        pem = f"ssl_certificate {place.pem}; ssl_certificate_key {place.pem};"
        config = _changed(path, (f"{listen} backlog=4096;", f"{listen} ssl backlog=4096; {pem}"))
    return [program, "-c", config, "-p", str(place.folder)]


def _haproxy(program: str, place: Place) -> list[str]:
    path = configurations.haproxy(place.folder, place.port, place.upstream_port, log=False)
    if place.to_service:
        service = f"server s 127.0.0.1:{place.upstream_port}"
        return [program, "-f", _changed(path, (service, f"{service} ssl verify none"))]
    return [program, "-f", _changed(path, ("backlog 4096", f"backlog 4096 ssl crt {place.pem}"))]


def _caddy(program: str, place: Place) -> list[str]:
    path = configurations.caddy(place.folder, place.port, place.upstream_port, log=False)
    if place.to_service:
        config = _changed(path, ("transport http {", "transport http {\n tls_insecure_skip_verify"))
    else:
        config = _changed(path, (f"http://:{place.port} {{", f"https://:{place.port} {{\n tls {place.pem} {place.pem}"))
    return [program, "run", "--config", config, "--adapter", "caddyfile"]


_TLS: Final = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"


def _envoy(program: str, place: Place) -> list[str]:
    path = configurations.envoy(place.folder, place.port, place.upstream_port, log=False)
    if place.to_service:
        secured = f"""
    transport_socket:
      name: tls
      typed_config: {{"@type": {_TLS}.UpstreamTlsContext}}
    load_assignment:"""
        config = _changed(path, ("\n    load_assignment:", secured))
    else:
        secured = f"""
    - transport_socket:
        name: tls
        typed_config:
          "@type": {_TLS}.DownstreamTlsContext
          common_tls_context:
            tls_certificates:
            - certificate_chain: {{filename: {place.pem}}}
              private_key: {{filename: {place.pem}}}
      filters:"""
        config = _changed(path, ("\n    - filters:", secured))
    return [program, "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "off"]


PEERS: Final = [
    Peer("onehop", ONEHOP, _onehop, {"PYTHONPATH": str(ROOT)}),
    Peer("onehop-compiled", ONEHOP_COMPILED, _onehop, {"PYTHONPATH": str(COMPILED)}),
    Peer("nginx", NGINX, _nginx),
    Peer("HAProxy", HAPROXY, _haproxy),
    Peer("Envoy", ENVOY, _envoy),
    Peer("Caddy", CADDY, _caddy, {"GOMAXPROCS": "1"}),
]
