"""A reverse proxy as one writes it with aiohttp's server and client, on uvloop: the best plain Python peer.

`python -m benchmarks.load.peers.aiohttp_proxy PORT UPSTREAM_PORT [log]`
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from typing import Final, TypeAlias

import uvloop
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType, web

HOP_BY_HOP: Final = frozenset({
    "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authenticate",
    "proxy-authorization", "proxy-connection",
})  # fmt: skip
_SESSION: Final = web.AppKey("session", ClientSession)
_UPSTREAM: Final = web.AppKey("upstream", str)


async def forward(request: web.Request) -> web.StreamResponse:
    """Carry one request."""
    if request.headers.get("Upgrade", "").lower() == "websocket":
        return await forward_websocket(request)
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
    headers.append(("X-Forwarded-For", request.remote or ""))
    async with request.app[_SESSION].request(
        request.method,
        request.app[_UPSTREAM] + request.path_qs,
        headers=headers,
        data=request.content if request.can_read_body else None,
        allow_redirects=False,
    ) as answer:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP:
                response.headers.add(name, value)
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response


Messages: TypeAlias = web.WebSocketResponse | ClientWebSocketResponse


async def forward_websocket(request: web.Request) -> web.StreamResponse:
    """Carry one WebSocket, message by message: aiohttp gives no plain tunnel."""
    downstream = web.WebSocketResponse()
    async with request.app[_SESSION].ws_connect(request.app[_UPSTREAM] + request.path_qs) as upstream:
        await downstream.prepare(request)
        back = asyncio.create_task(relay(upstream, downstream))
        try:
            await relay(downstream, upstream)
        finally:
            back.cancel()
    return downstream


async def relay(source: Messages, sink: Messages) -> None:
    """Pass messages on until there are no more."""
    async for message in source:
        if message.type is WSMsgType.TEXT:
            await sink.send_str(message.data)
        else:
            await sink.send_bytes(message.data)


async def sessions(app: web.Application) -> AsyncIterator[None]:
    """One client session for all requests."""
    connector = TCPConnector(limit=0, keepalive_timeout=60)
    async with ClientSession(connector=connector, auto_decompress=False) as app[_SESSION]:
        yield


def main() -> None:
    """Serve until told to end."""
    log = None
    if sys.argv[3:] == ["log"]:
        logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
        log = logging.getLogger("aiohttp.access")
    app = web.Application(client_max_size=1 << 30)
    app[_UPSTREAM] = f"http://127.0.0.1:{sys.argv[2]}"
    app.cleanup_ctx.append(sessions)
    app.router.add_route("*", "/{path:.*}", forward)
    web.run_app(
        app, host="127.0.0.1", port=int(sys.argv[1]), backlog=4096, access_log=log, print=None, keepalive_timeout=75,
        loop=uvloop.new_event_loop(),
    )  # fmt: skip


if __name__ == "__main__":
    main()
