"""Rules for upstreams that types cannot express."""

import re
from collections.abc import Iterator
from typing import Final

from proxy.config.build import client_tls
from proxy.config.destinations import answers_itself
from proxy.config.findings import Finding, fault
from proxy.config.model import Config
from proxy.config.upstream_model import UpstreamConfig, UpstreamTlsConfig
from proxy.http1.fields import is_token
from proxy.http1.masking import shown_text
from proxy.http1.target import has_authority_form
from proxy.transport.certificates import CertificateFault, unreadable
from proxy.transport.tls import ClientTls, client_context
from proxy.upstream.balancing.hash import hash_key
from proxy.upstream.health.settings import HealthCheckSettings, status_ranges
from proxy.upstream.health.state import LONGEST_EJECTION_S
from proxy.upstream.origin import is_encodable, origin_of

_PATH: Final = re.compile(r"/[!-\"$-~]*", re.ASCII)  # a fragment goes to no server
_NAME: Final = re.compile(r"[\w-]+(?:\.[\w-]+)*")
_DAY_S: Final = 86_400.0


def upstream_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with the upstreams of a configuration whose types are right."""
    if not config.upstreams and not any(map(answers_itself, config.routes.values())):
        yield ("upstreams",), "", "no upstream: give --upstream URL, ONEHOP_UPSTREAM, or an [upstreams.NAME] table"
    for name, upstream in config.upstreams.items():
        if upstream.urls and upstream.origins:
            yield ("upstreams", name, "origins"), "", "is set together with urls: list all origins in one of them"
        key = ("upstreams", name, "origins" if upstream.origins else "urls")
        for origin in upstream.listed():
            if (expected := fault(origin_of, origin.url)) is not None:
                yield key, f'"{shown_text(origin.url)}"', f"expected {expected}"
        if upstream.origins and all(origin.backup for origin in upstream.origins):
            yield key, "", "expected one that is no backup"
        yield from _balancing(("upstreams", name), upstream)
        yield from _limits(("upstreams", name), upstream, config.workers)
        for method in upstream.retry.methods:
            if not is_token(method) or method != method.upper():
                yield ("upstreams", name, "retry", "methods"), f'"{method}"', 'expected a method, such as "POST"'
        if upstream.tls != UpstreamTlsConfig():
            yield from _upstream_tls(("upstreams", name, "tls"), upstream)
        yield from _health(("upstreams", name), upstream)
        if upstream.host is not None and not has_authority_form(upstream.host.encode("latin-1", "replace")):
            yield ("upstreams", name, "host"), f'"{upstream.host}"', "expected HOST or HOST:PORT"


def _limits(key: tuple[str, ...], upstream: UpstreamConfig, workers: int) -> Iterator[Finding]:
    if 0 < upstream.max_connections < workers:
        expected = f"expected {workers} or more: each of the workers opens connections of its own"
        yield (*key, "max_connections"), str(upstream.max_connections), expected
    if upstream.queue and not upstream.max_connections:
        yield (*key, "queue"), str(upstream.queue), "does nothing without max_connections"
    if not 0 < upstream.queue_s <= 3600:
        yield (*key, "queue_s"), f"{upstream.queue_s:g}", "expected more than 0 seconds, and an hour at most"


def _balancing(key: tuple[str, ...], upstream: UpstreamConfig) -> Iterator[Finding]:
    if (expected := fault(hash_key, upstream.hash_on)) is not None:
        yield (*key, "hash_on"), f'"{upstream.hash_on}"', expected
    elif upstream.hash_on != "client_address" and upstream.balance != "hash":
        yield (*key, "hash_on"), f'"{upstream.hash_on}"', 'does nothing without balance = "hash"'
    if upstream.sticky_cookie and not is_token(upstream.sticky_cookie):
        yield (*key, "sticky_cookie"), f'"{upstream.sticky_cookie}"', "expected the name of a cookie"


def _health(key: tuple[str, ...], upstream: UpstreamConfig) -> Iterator[Finding]:
    ejection = upstream.ejection
    if not 0 <= upstream.slow_start_s <= _DAY_S:
        yield (*key, "slow_start_s"), f"{upstream.slow_start_s:g}", "expected 0 to a day of seconds"
    if not 0 < upstream.resolve_s <= _DAY_S:
        yield (*key, "resolve_s"), f"{upstream.resolve_s:g}", "expected more than 0 and up to a day of seconds"
    if upstream.health_check is not None:
        yield from _health_check((*key, "health_check"), upstream.health_check)
    if not 0 < ejection.eject_s <= LONGEST_EJECTION_S:
        expected = f"expected more than 0 and up to {LONGEST_EJECTION_S:g} seconds"
        yield (*key, "ejection", "eject_s"), f"{ejection.eject_s:g}", expected
    for status in ejection.statuses:
        if not 200 <= status <= 599:
            yield (*key, "ejection", "statuses"), str(status), "expected statuses from 200 to 599, such as [502, 503]"


def _health_check(key: tuple[str, ...], check: HealthCheckSettings) -> Iterator[Finding]:
    if check.path and not _PATH.fullmatch(check.path):
        yield (*key, "path"), f'"{check.path}"', "expected a path such as /healthz, in ASCII, perhaps with a ?query"
    if check.host and not has_authority_form(check.host.encode("latin-1", "replace")):
        yield (*key, "host"), f'"{check.host}"', "expected HOST or HOST:PORT"
    for name in ("interval_s", "timeout_s"):
        if not 0 < getattr(check, name) <= _DAY_S:
            yield (*key, name), f"{getattr(check, name):g}", "expected more than 0 and up to a day of seconds"
    if (expected := fault(status_ranges, check.status)) is not None:
        yield (*key, "status"), f'"{check.status}"', f"expected {expected}"
    if not check.path:
        for name in ("host", "status"):
            if getattr(check, name) != getattr(HealthCheckSettings(), name):
                yield (*key, name), f'"{getattr(check, name)}"', "does nothing without a path"


def _upstream_tls(key: tuple[str, ...], upstream: UpstreamConfig) -> Iterator[Finding]:
    tls = upstream.tls
    if not any(origin.url.lower().startswith("https:") for origin in upstream.listed()):
        yield key, "", "does nothing: none of the upstream's urls begins with https://"
    if not tls.verify and tls.ca:
        yield (*key, "verify"), "false", "leave it out: if false, ca has no effect"
    if tls.server_name and not (_NAME.fullmatch(tls.server_name) and is_encodable(tls.server_name)):
        yield (*key, "server_name"), f'"{tls.server_name}"', "expected a host name"
    if tls.key and not tls.certificate:
        yield (*key, "key"), f'"{tls.key}"', "belongs to a certificate: set certificate, too"
    if tls.certificate and tls.key and (expected := unreadable(tls.key)) is not None:
        yield (*key, "key"), f'"{tls.key}"', f"cannot be read: {expected}"
    elif (expected := _file_problem(ClientTls(ca=tls.ca))) is not None:
        yield (*key, "ca"), f'"{tls.ca}"', f"expected a PEM file of certificates: {expected}"
    elif (expected := _file_problem(client_tls(upstream))) is not None:
        yield (
            (*key, "certificate"),
            f'"{tls.certificate}"',
            f"expected a certificate and its key in PEM: {expected}",
        )


def _file_problem(settings: ClientTls) -> str | None:
    try:
        context = client_context(settings)  # kept by this process: at a reload, files may have changed
        context.look_again()
    except CertificateFault as exc:
        return exc.reason
    return context.fault.reason if context.fault is not None else None
