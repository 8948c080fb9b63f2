"""Rules for listeners that types cannot express."""

import time
from collections.abc import Iterator
from typing import Final

from proxy.config.build import listen_addresses, parse_listen, server_tls
from proxy.config.findings import Finding, fault
from proxy.config.listener_model import ListenerConfig, ListenerTlsConfig
from proxy.config.model import Config
from proxy.config.setting_rules import network_problems
from proxy.transport.certificates import CertificateFault
from proxy.transport.server_tls import server_contexts

_HIGHEST_PORT: Final = 65_535


def listener_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with the addresses and listeners of a configuration whose types are right."""
    if not listen_addresses(config):
        yield ("listen",), "[]", "expected at least one address, here or in a [listeners.NAME] table"
    for listen in config.listen:
        if (expected := fault(parse_listen, listen)) is not None:
            yield ("listen",), f'"{listen}"', f"expected {expected}"
        elif config.listen.count(listen) > 1 and not listen.endswith(":0"):
            yield ("listen",), f'"{listen}"', "is listed twice"
            break
    taken = dict.fromkeys(config.listen, "listen")
    for name, listener in config.listeners.items():
        key = ("listeners", name)
        address = listener.address
        if (expected := fault(parse_listen, address)) is not None:
            yield (*key, "address"), f'"{address}"', f"expected {expected}"
        elif address in taken and not address.endswith(":0"):
            yield (*key, "address"), f'"{address}"', f"is the address of {taken[address]} already"
        taken[address] = f"listeners.{name}"
        if listener.socket_mode != ListenerConfig(address="").socket_mode and not address.startswith("unix:"):
            yield (*key, "socket_mode"), f'"{listener.socket_mode}"', "does nothing: the address is no Unix socket"
        yield from network_problems((*key, "proxy_protocol"), listener.proxy_protocol)
        for peers in listener.proxy_protocol:
            if (peers == "unix") is not address.startswith("unix:"):
                wanted = "a network" if peers == "unix" else '"unix"'
                yield (*key, "proxy_protocol"), f'"{peers}"', f"never connects to {address}: expected {wanted}"
        if listener.tls.certificates and listener.redirect_to_https:
            yield (*key, "redirect_to_https"), "true", "expected a listener without TLS: this one has https already"
        if not 1 <= listener.https_port <= _HIGHEST_PORT:
            yield (*key, "https_port"), str(listener.https_port), "expected a port, from 1 to 65535"
        elif listener.https_port != ListenerConfig(address="").https_port and not listener.redirect_to_https:
            yield (*key, "https_port"), str(listener.https_port), "does nothing without redirect_to_https"
        yield from _tls((*key, "tls"), listener.tls)


def _tls(key: tuple[str, ...], tls: ListenerTlsConfig) -> Iterator[Finding]:
    if not tls.certificates:
        if tls != ListenerTlsConfig():
            yield key, "", "needs certificates: without one, no TLS is spoken"
        return
    if tls.client_certificate != "off" and not tls.client_ca:
        yield (*key, "client_certificate"), f'"{tls.client_certificate}"', "needs client_ca: the CAs that sign them"
        return
    if tls.client_ca and tls.client_certificate == "off":
        expected = 'does nothing: set client_certificate to "optional" or "required", too'
        yield (*key, "client_ca"), f'"{tls.client_ca}"', expected
        return
    settings = server_tls(tls)
    assert settings is not None
    try:
        contexts = server_contexts(settings)  # made here, before any fork: see there
        contexts.renew_ticket_keys(time.monotonic())
        contexts.look_again()
        if contexts.fault is not None:
            raise contexts.fault
    except CertificateFault as exc:
        name = "client_ca" if exc.path == tls.client_ca else "certificates"
        wanted = "a PEM file of certificates" if name == "client_ca" else "a certificate and its key in PEM"
        yield (*key, name), f'"{exc.path}"', f"expected {wanted}: {exc.reason}"
