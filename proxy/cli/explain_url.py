"""`onehop explain URL`: sends a request through a running instance, and shows its four heads with all decisions.

The inspector of the instance reports what was done. The exchange is found by a random `X-Request-Id`, which the
inspector records as received, whether the instance keeps it or replaces it.
"""

import contextlib
import os
import re
import secrets
import socket
import ssl
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import click
import h11
import msgspec

from proxy.cli.admin_client import AdminListener, CannotAsk, Following
from proxy.cli.exchange_lines import decision_lines, one_line, sent_lines
from proxy.cli.health import connected
from proxy.config.build import parse_listen
from proxy.telemetry.inspection import MOST_PER_SECOND, Shown

_TOLD_S: Final = 10.0  # for the inspector, once the exchange has ended
_ID: Final = "X-Request-Id"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Asked(NamedTuple):
    """The request to make, and how."""

    url: str
    method: str
    fields: tuple[str, ...]  # as "Name: value"
    body: bytes | None
    connect: str | None  # HOST:PORT in place of the URL's
    insecure: bool
    timeout_s: float


def explain_url(asked: Asked, listener: AdminListener, *, as_json: bool) -> None:
    """Make the request, and print what was done with it. Raises CannotAsk, click.UsageError."""
    own = f"explain-{secrets.token_hex(16)}"
    head = _head(asked, own)
    with contextlib.closing(_following(listener, asked.url)) as following:
        told = following.told()
        for each in told:
            if each is None or not each.number:
                break  # exchanges that ended earlier have all been read
        status = _ask(asked, head)
        exchange = _told(following, own)
    if exchange is None:
        answered = f"answered {status}" if status else f"gave no answer in {asked.timeout_s:g} s"
        raise CannotAsk(
            f"{asked.url} {answered}, and the inspector at {listener.address} shows no such exchange: does another "
            f"instance serve it, or did a worker of this one get more than {MOST_PER_SECOND} requests in that second?"
        )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(exchange), indent=2).decode())
        return
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    click.echo("\n".join(four_heads(exchange, colour=colour)), color=colour)


def _following(listener: AdminListener, url: str) -> Following:
    try:
        return Following(listener)
    except CannotAsk as exc:
        raise CannotAsk(
            f"{exc}\nWithout an inspector: set explain.secret, and the answer to "
            f"`curl -i -H 'X-Explain-Secret: SECRET' {url}` has the decisions"
        ) from exc


def four_heads(exchange: Shown, *, colour: bool = False) -> Iterator[str]:
    """Each message twice: as received, with the decision about each line, and as sent."""
    service = exchange.attempts[-1].origin if exchange.attempts else "the service"
    sides = {
        "request": ("client -> onehop", f"onehop -> {service}"),
        "request trailers": ("trailers, client -> onehop", f"trailers, onehop -> {service}"),
    }
    back = (f"{service} -> onehop", "onehop -> client")
    sides["response trailers"] = (f"trailers, {back[0]}", f"trailers, {back[1]}")
    for message in exchange.messages:
        came, went = sides.get(message.kind, back)
        if message.received or message.kind != "response":
            yield click.style(came, bold=colour)
            yield f"  {message.received}".rstrip()
            yield from (f"    {line}" for line in decision_lines(message, stated=False, colour=colour))
            yield ""
        if message.sent or message.sent_lines:
            yield click.style(went, bold=colour)
            yield f"  {message.sent}".rstrip()
            yield from (f"    {line}" for line in sent_lines(message, colour=colour))
            yield ""
    yield one_line(exchange, colour=colour)


def _head(asked: Asked, own: str) -> list[tuple[str, str]]:
    parts = urlsplit(asked.url)
    for field in asked.fields:
        if ":" not in field:
            raise click.BadParameter(f'{field!r}: expected "Name: value"', param_hint="-H")
    given = [field.partition(":")[::2] for field in asked.fields]
    fields = [(name.strip(), value.strip()) for name, value in given]
    names = {name.lower() for name, _ in fields}
    if _ID.lower() in names:
        raise click.UsageError(f"{_ID} cannot be given: explain recognises its own exchange by it")
    lines = [] if "host" in names else [("Host", parts.netloc.rpartition("@")[2])]
    lines.append((_ID, own))
    if "user-agent" not in names:
        lines.append(("User-Agent", "onehop-explain"))
    if "accept" not in names:
        lines.append(("Accept", "*/*"))
    lines += fields
    if asked.body is not None and not names & {"content-length", "transfer-encoding"}:
        if "content-type" not in names:
            lines.append(("Content-Type", "application/x-www-form-urlencoded"))
        lines.append(("Content-Length", str(len(asked.body))))
    return lines


def _ask(asked: Asked, fields: Sequence[tuple[str, str]]) -> int:
    """Make the request and read its answer, as far as it arrives in time. Return the status; 0: no answer."""
    parts = urlsplit(asked.url)
    target = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    ends_at = time.monotonic() + asked.timeout_s
    status = 0
    try:
        target = target if target[0] == "/" else f"/{target}"
        request = h11.Request(method=asked.method, target=target, headers=list(fields))
        sent = connection.send(request) or b""
        if asked.body:
            sent += connection.send(h11.Data(data=asked.body)) or b""
        sent += connection.send(h11.EndOfMessage()) or b""
        with _connected(asked) as stream:
            stream.settimeout(max(ends_at - time.monotonic(), 0.001))
            with contextlib.suppress(ConnectionError):  # answered and closed before it was sent whole: read the answer
                stream.sendall(sent)
            while time.monotonic() < ends_at:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    stream.settimeout(max(ends_at - time.monotonic(), 0.001))
                    connection.receive_data(stream.recv(65_536))
                elif isinstance(event, h11.Response | h11.InformationalResponse):
                    status = event.status_code
                    if status == 101:
                        return status
                elif not isinstance(event, h11.Data):
                    return status
    except h11.LocalProtocolError as exc:
        raise click.UsageError(f"this request cannot be sent: {exc}") from exc
    except TimeoutError:
        pass  # an endless answer, or none: what the inspector knows of it is shown
    except OSError as exc:
        if not status:
            raise CannotAsk(f"{asked.url} cannot be asked: {exc.strerror or exc}") from exc
    except h11.RemoteProtocolError as exc:
        if not status:
            raise CannotAsk(f"{asked.url} ended without an answer: {exc}") from exc
    return status


def _connected(asked: Asked) -> socket.socket:
    parts = urlsplit(asked.url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
    to = parse_listen(asked.connect) if asked.connect else (host, port)
    stream = connected(*to)
    if parts.scheme == "http":
        return stream
    context = ssl.create_default_context()
    if asked.insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return context.wrap_socket(stream, server_hostname=host)
    except BaseException:
        stream.close()
        raise


def _told(following: Following, own: str) -> Shown | None:
    until = time.monotonic() + _TOLD_S
    for told in following.told(until=until):
        if told is not None and told.number and own.encode() in told.exchange:
            exchange = msgspec.json.decode(told.exchange, type=Shown)
            if _is_own(exchange, own):
                return exchange
    return None


def _is_own(exchange: Shown, own: str) -> bool:
    request = next((message for message in exchange.messages if message.kind == "request"), None)
    return request is not None and any(
        line.name.lower() == _ID.lower() and line.value == own and line.verdict != "set" for line in request.lines
    )


def checked_url(url: str) -> str:
    """The URL, if it is one that can be requested. Raises click.BadParameter."""
    parts = urlsplit(url)
    try:
        is_right = bool(parts.hostname) and parts.scheme in _DEFAULT_PORTS and (parts.port or 1) > 0
    except ValueError:  # the port is not a number up to 65535
        is_right = False
    if not is_right or "@" in parts.netloc or re.search(r"[^!-~]", url):
        raise click.BadParameter(f"{url!r}: expected http[s]://HOST[:PORT][/PATH], of ASCII, without a password")
    return url


def checked_address(address: str | None) -> str | None:
    """The address of `--connect`, if one is given. Raises click.BadParameter."""
    if address is not None:
        try:
            parse_listen(address)
        except ValueError as exc:
            raise click.BadParameter(f"expected {exc}", param_hint="--connect") from exc
    return address


def body_of(data: str | None) -> bytes | None:
    """The body that `-d` gives: a text, or @FILE. Raises click.BadParameter."""
    if data is None or not data.startswith("@"):
        return None if data is None else data.encode()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as exc:
        raise click.BadParameter(f"cannot be read: {exc.strerror}", param_hint="--data") from exc
