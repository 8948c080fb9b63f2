"""A reverse proxy as one writes it with aiohttp's server and client: the best plain Python peer."""

import sys

from aiohttp import ClientSession, TCPConnector, web

HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "proxy-authorization"}


async def forward(request: web.Request) -> web.StreamResponse:
    """Carry one request."""
    session: ClientSession = request.app["session"]
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
    headers.append(("X-Forwarded-For", request.remote or ""))
    body = request.content if request.can_read_body else None
    async with session.request(
        request.method, request.app["upstream"] + request.path_qs, headers=headers, data=body, allow_redirects=False
    ) as answer:
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in HOP_BY_HOP:
                response.headers.add(name, value)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


def main() -> None:
    """`python -m benchmarks.load.aiohttp_proxy PORT UPSTREAM [log]`."""
    import uvloop

    uvloop.install()
    app = web.Application(client_max_size=1 << 30)
    app["upstream"] = f"http://127.0.0.1:{sys.argv[2]}"

    async def session(app: web.Application):  # type: ignore[no-untyped-def]
        app["session"] = ClientSession(connector=TCPConnector(limit=0), auto_decompress=False)
        yield
        await app["session"].close()

    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", forward)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, handle_signals=True)


if __name__ == "__main__":
    main()
