"""Rules for the admin listener that types cannot express."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from proxy.config.build import candidates, listen_addresses, parse_listen
from proxy.config.findings import Finding, fault
from proxy.config.model import Config
from proxy.transport.regular_file import read_regular

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]{1,4096}=*")  # RFC 6750 §2.1
_TOKEN_BYTES: Final = 8192


def admin_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with the admin listener."""
    admin = config.admin
    if admin.token_file and (expected := fault(read_token, admin.token_file)) is not None:
        yield ("admin", "token_file"), f'"{admin.token_file}"', expected
    if not admin.listen:
        return
    if (expected := fault(parse_listen, admin.listen)) is not None:
        yield ("admin", "listen"), f'"{admin.listen}"', f'expected {expected}, or "" for none'
        return
    host, port = parse_listen(admin.listen)
    if (port or host.startswith("/")) and admin.listen in listen_addresses(config):
        yield ("admin", "listen"), f'"{admin.listen}"', "clients are accepted at this address: expected another one"
    for name, upstream in config.upstreams.items():
        try:
            origins = candidates(upstream)
        except ValueError:
            continue  # `upstream_problems` reports it
        for candidate in origins:
            if port and candidate.origin.port == port and _may_be_one(candidate.origin.host, host):
                expected = "this is the admin listener, which no client may reach: expected a service"
                yield ("upstreams", name, "urls"), f'"{candidate.origin}"', expected


def read_token(path: str) -> str:
    """The token in a file. Raises ValueError, which says what is wrong with it."""
    try:
        token = read_regular(path, _TOKEN_BYTES).decode("ascii", "replace").strip()
    except OSError as exc:
        raise ValueError(f"cannot be read: {exc.strerror}") from exc
    if not _TOKEN.fullmatch(token):
        raise ValueError("expected one line with a token: letters, digits and ._~+/-")
    return token


def is_loopback(host: str) -> bool:
    """Whether an address to listen on can only be reached from this machine, as the path of a Unix socket is."""
    if host.startswith("/"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _may_be_one(host: str, listening: str) -> bool:
    """Whether a connection to `host` may arrive at a listener on `listening`."""
    if listening in ("", "0.0.0.0", "::") or host == listening:  # noqa: S104  # compared, not bound
        return is_loopback(host) or host == listening
    return is_loopback(host) and is_loopback(listening)
