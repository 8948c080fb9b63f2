"""A client for the admin listener of a running instance: finds it, authenticates, reads its answers."""

import os
import select
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import click
import h11

from proxy.cli.health import connected
from proxy.config.admin_model import DEFAULT_LISTEN
from proxy.config.admin_rules import read_token
from proxy.config.build import parse_listen
from proxy.config.sources import TOKEN_VARIABLE, load

_PATIENCE_S: Final = 10.0
_SILENCE_S: Final = 45.0  # of a stream that sends a comment every 15 s
_MOST_UNREAD_BYTES: Final = 4 << 20  # many times the longest exchange
_MOST_BYTES: Final = 64 * 1024 * 1024  # of an answer


class CannotAsk(click.ClickException):
    """There is no usable answer; the message says what to do."""

    def show(self, file: object = None) -> None:
        """Print the message in the form of all commands."""
        click.echo(f"onehop: {self.message}", err=True)


class HasEnded(CannotAsk):
    """Nothing accepts connections there."""


class Answer(NamedTuple):
    """An answer: status and body."""

    status: int
    body: bytes


class AdminListener:
    """The address of an admin listener, and its token."""

    def __init__(self, address: str, token: str = "", token_from: str = "") -> None:
        """`token_from` is where the token was found, for messages."""
        self.address = address
        self._host, self._port = parse_listen(address)
        self._token = token
        self._token_from = token_from

    def connect(self) -> socket.socket:
        """A connection. Raises HasEnded, CannotAsk."""
        try:
            return connected(self._host, self._port)
        except (ConnectionRefusedError, FileNotFoundError) as exc:
            raise HasEnded(
                f"nothing accepts connections at {self.address}: is onehop running, and is that its admin.listen? "
                "(--admin HOST:PORT asks another)"
            ) from exc
        except OSError as exc:
            raise CannotAsk(f"{self.address} cannot be asked: {exc.strerror or exc}") from exc

    def request(self, connection: h11.Connection, path: str, last_event: int = 0) -> bytes:
        """A GET request as bytes. `last_event` is the number of the last exchange that is known (Last-Event-ID)."""
        host = "localhost" if self._host.startswith("/") else self.address
        headers = [("Host", host.removeprefix(":") if host[:1] != ":" else f"127.0.0.1{host}"), ("Connection", "close")]
        if self._token:
            headers.append(("Authorization", f"Bearer {self._token}"))
        if last_event:
            headers.append(("Last-Event-ID", str(last_event)))
        sent = connection.send(h11.Request(method="GET", target=path, headers=headers)) or b""
        return sent + (connection.send(h11.EndOfMessage()) or b"")

    def get(self, path: str) -> Answer:
        """Send a GET and read the answer. Raises CannotAsk."""
        body = bytearray()
        status = 0
        with self.connect() as connected:
            for event in _events(connected, self, path):
                if isinstance(event, h11.Response):
                    status = event.status_code
                elif isinstance(event, h11.Data):
                    body += event.data
                    if len(body) > _MOST_BYTES:
                        raise CannotAsk(f"{self.address} answers with more than {_MOST_BYTES} bytes")
        return Answer(status, bytes(body))

    def refused(self, answer: Answer, missing: str) -> CannotAsk:
        """The error for an answer that is not 200. `missing`: the text for a 404 of an onehop."""
        said = answer.body[:200].decode("utf-8", "replace").strip()
        if answer.status == 401 and self._token:
            return CannotAsk(f"{self.address} rejects the token of {self._token_from}")
        if answer.status == 401:
            return CannotAsk(
                f"{self.address} asks for a token: name the configuration with its admin.token_file (--config), "
                f"or set {TOKEN_VARIABLE}"
            )
        if answer.status == 404 and self.get("/livez") == Answer(200, b"live\n"):
            return CannotAsk(f"{self.address}: {missing}")
        if answer.status == 404:
            return CannotAsk(f"what answers at {self.address} is not an admin listener of onehop")
        return CannotAsk(f"{self.address} answers {answer.status}: {said if said.isprintable() else ''}".rstrip(": "))


def _events(connected: socket.socket, listener: AdminListener, path: str) -> Iterator[h11.Event]:
    """The h11 events of one answer. Raises CannotAsk."""
    connection = h11.Connection(h11.CLIENT)
    ends_at = time.monotonic() + _PATIENCE_S
    try:
        connected.sendall(listener.request(connection, path))
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connected.settimeout(max(ends_at - time.monotonic(), 0.001))
                connection.receive_data(connected.recv(65_536))
            elif isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
                return
            elif isinstance(event, h11.Event):
                yield event
    except OSError as exc:
        raise CannotAsk(f"{listener.address} does not answer: {exc.strerror or exc}") from exc
    except h11.ProtocolError as exc:
        raise CannotAsk(f"what answers at {listener.address} does not speak HTTP: {exc}") from exc


class NumberedExchange(NamedTuple):
    """An exchange from the inspector, as JSON. Number 0 marks the end of the kept exchanges: new ones follow."""

    number: int
    exchange: bytes


class Following:
    """The inspector's stream of exchanges, on one connection."""

    def __init__(self, listener: AdminListener, last: int = 0) -> None:
        """Connect, and check that there is an inspector. `last` is the number of the last exchange that is known.

        Raises CannotAsk."""
        self._listener = listener
        self._connection = h11.Connection(h11.CLIENT)
        self._connected = listener.connect()
        self._unread = bytearray()
        try:
            self._connected.settimeout(_PATIENCE_S)
            self._connected.sendall(listener.request(self._connection, "/inspector/events", last))
            response = self._response()
        except OSError as exc:
            self.close()
            raise CannotAsk(f"{listener.address} does not answer: {exc.strerror or exc}") from exc
        except h11.ProtocolError as exc:
            self.close()
            raise CannotAsk(f"what answers at {listener.address} does not speak HTTP: {exc}") from exc
        if response.status_code != 200:
            self.close()
            said = listener.get("/inspector/events") if response.status_code != 503 else None
            answer = said or Answer(503, b"too many clients follow the inspector")
            raise listener.refused(answer, "the inspector is off; admin.inspector = true turns it on (onehop reload)")

    def close(self) -> None:
        """Close the connection."""
        self._connected.close()

    def _response(self) -> h11.Response:
        ends_at = time.monotonic() + _PATIENCE_S
        while True:
            event = self._connection.next_event()
            if event is h11.NEED_DATA:
                self._connected.settimeout(max(ends_at - time.monotonic(), 0.001))
                self._connection.receive_data(self._connected.recv(65_536))
            elif isinstance(event, h11.Response):
                return event
            elif isinstance(event, h11.ConnectionClosed):
                raise h11.RemoteProtocolError("the connection was closed")

    def told(self, reader: int | None = None, until: float = float("inf")) -> Iterator[NumberedExchange | None]:
        """The exchanges, until the stream ends or the monotonic time `until` is reached. None: the reader of the pipe
        `reader`, to which the command writes, has closed it."""
        poll = select.poll()
        poll.register(self._connected, select.POLLIN)
        if reader is not None:
            poll.register(reader, 0)  # only for POLLERR: its other end is closed
        silent_since = time.monotonic()
        while True:
            try:
                event = self._connection.next_event()
            except h11.ProtocolError:
                return  # cut: the instance has ended, or its control process
            if isinstance(event, h11.Data):
                self._unread += event.data
                yield from self._complete()
                if len(self._unread) > _MOST_UNREAD_BYTES:
                    return  # no exchange of ours is as long: this is something else
            elif event is not h11.NEED_DATA:
                return
            else:
                now = time.monotonic()
                ends_at = min(until, silent_since + _SILENCE_S)
                if now >= ends_at:
                    return
                ready = poll.poll((ends_at - now) * 1000 + 1)
                if any(descriptor == reader for descriptor, _ in ready):
                    yield None
                    return
                if ready:
                    silent_since = time.monotonic()
                    try:
                        self._connection.receive_data(self._connected.recv(262_144))
                    except OSError:
                        return

    def _complete(self) -> Iterator[NumberedExchange]:
        while (end := self._unread.find(b"\n\n")) >= 0:
            block = bytes(self._unread[:end])
            del self._unread[: end + 2]
            if block == b": live":
                yield NumberedExchange(0, b"")
                continue
            lines = dict(line.partition(b": ")[::2] for line in block.split(b"\n"))
            if b"data" in lines:
                yield NumberedExchange(int(lines.get(b"id", b"0")), lines[b"data"])


def find(address: str | None, config: Path | None) -> AdminListener:
    """The admin listener at `address`, else the one of the configuration. Raises CannotAsk, click.BadParameter."""
    token = os.environ.get(TOKEN_VARIABLE, "")
    found_in = f"the variable {TOKEN_VARIABLE}"
    if address is not None:
        try:
            parse_listen(address)
        except ValueError as exc:
            raise click.BadParameter(f"expected {exc}", param_hint="--admin") from exc
        if token:
            return AdminListener(address, token, found_in)
    loaded = load(config, os.environ, needs_upstream=False)
    if loaded.config is None:
        if address is not None and config is None:
            return AdminListener(address)
        raise CannotAsk(str(loaded.problems[0]))
    admin = loaded.config.admin
    if address is None and not admin.listen:
        raise CannotAsk('the admin listener is off: admin.listen is "" in the configuration')
    if not token and admin.token_file:
        token, found_in = read_token(admin.token_file), f"the file {admin.token_file}"
    return AdminListener(address or admin.listen or DEFAULT_LISTEN, token, found_in)
