"""The WebSocket echo: sends every frame back. No subprotocols, no extensions, no message held whole."""

import h11
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

from proxy.demo.exchange import Exchange, Refusal
from proxy.demo.wire import Wire


async def echo_websocket(exchange: Exchange) -> None:
    """Take over the connection and echo until the client closes, or is silent for too long."""
    websocket = WSConnection(ConnectionType.SERVER)
    _expect_opening_handshake(exchange, websocket)
    await exchange.discard_body()  # a GET's empty body: behind it, every byte is WebSocket
    wire = exchange.wire
    await wire.write(websocket.send(AcceptConnection()))
    received, _ = wire.http.trailing_data
    closing = False
    while not closing:
        if received:
            websocket.receive_data(received)
            for event in websocket.events():
                closing = isinstance(event, CloseConnection)
                await wire.write(_reply(websocket, event))
                if closing:
                    return
        received = await _read_or_close(wire, websocket)
        closing = not received


async def _read_or_close(wire: Wire, websocket: WSConnection) -> bytes:
    try:
        return await wire.read()
    except TimeoutError:
        await wire.write(websocket.send(CloseConnection(CloseReason.GOING_AWAY, "idle")))
        return b""


def _reply(websocket: WSConnection, event: Event) -> bytes:
    match event:
        case TextMessage() | BytesMessage():
            return websocket.send(event)
        case Ping() | CloseConnection():
            return websocket.send(event.response())
        case _:  # an unsolicited pong
            return b""


def _expect_opening_handshake(exchange: Exchange, websocket: WSConnection) -> None:
    if exchange.method != "GET" or not exchange.understands_http_1_1:
        raise Refusal(426, "a WebSocket begins with GET and HTTP/1.1", _UPGRADE)
    try:
        websocket.initiate_upgrade_connection(exchange.request.headers.raw_items(), exchange.request.target)
        next(websocket.events())
    except (RemoteProtocolError, h11.ProtocolError, UnicodeError, StopIteration) as exc:
        raise Refusal(426, f"not a WebSocket's opening handshake: {exc}", _UPGRADE) from exc


_UPGRADE = [(b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Version", b"13")]
