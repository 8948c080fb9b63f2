"""The demo service: its paths, and how it is started. Does not know the proxy in front of it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable

from proxy.demo import endpoints
from proxy.demo.connection import DemoConnection
from proxy.demo.exchange import Exchange, Refusal
from proxy.demo.observation import FieldNote, Lookup, Observation
from proxy.demo.page import Page

__all__ = ["FieldNote", "Lookup", "Observation", "start_demo_service"]


async def start_demo_service(listening: socket.socket, lookup: Lookup | None = None) -> asyncio.Server:
    """Answer on a listening socket until the server is closed, which closes it.

    Closing the server ends no open connection: their tasks are cancelled when the loop ends. (From Python
    3.12 on, `wait_closed` waits for the clients.)
    """
    answer = Paths(Page(lookup)).answer
    return await asyncio.get_running_loop().create_server(lambda: DemoConnection(answer), sock=listening)


class Paths:
    """Finds the endpoint of a path."""

    def __init__(self, page: Page) -> None:
        self._whole: dict[str, Callable[[Exchange], Awaitable[None]]] = {
            "/": page.answer,
            "/favicon.ico": page.answer_icon,
            "/echo": endpoints.echo,
            "/hop": endpoints.hop,
            "/stream": endpoints.stream,
            "/events": endpoints.events,
            "/ws": _echo_websocket,
            "/early-hints": endpoints.early_hints,
            "/trailers": endpoints.trailers,
            "/upload": endpoints.upload,
        }
        self._with_argument: dict[str, Callable[[Exchange, str], Awaitable[None]]] = {
            "/assets": page.answer_asset,
            "/bytes": endpoints.some_bytes,
            "/slow": endpoints.slow,
            "/status": endpoints.status,
        }

    async def answer(self, exchange: Exchange) -> None:
        """Let the endpoint answer; a refusal becomes an error answer."""
        try:
            await self._find_and_answer(exchange)
        except Refusal as refusal:
            await exchange.answer_json(refusal.status, {"error": str(refusal)}, refusal.fields)

    async def _find_and_answer(self, exchange: Exchange) -> None:
        if exchange.path in self._whole:
            return await self._whole[exchange.path](exchange)
        first, _, argument = exchange.path.rpartition("/")
        if first in self._with_argument:
            return await self._with_argument[first](exchange, argument)
        raise Refusal(404, "nothing here; the page at / tells what there is")


async def _echo_websocket(exchange: Exchange) -> None:
    try:
        from proxy.demo.websocket import echo_websocket
    except ModuleNotFoundError as exc:
        raise Refusal(501, "the WebSocket echo needs wsproto: pip install 'onehop[demo]'") from exc
    await echo_websocket(exchange)
