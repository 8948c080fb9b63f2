"""The inspector's page, its files, and the stream of exchanges that it follows (server-sent events)."""

from collections.abc import AsyncIterator
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from proxy.admin.exchanges import Exchanges

_KEEP_ALIVE_S: Final = 15.0
_TYPES: Final = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_ASSETS: Final = files("proxy.admin").joinpath("assets")
#: Nothing from elsewhere, nothing inline: what a stranger sent cannot become a program.
SECURITY: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def asset(name: str) -> Response:
    """One of the files of this folder's pages."""
    content = _ASSETS.joinpath(name).read_bytes()
    return Response(content, media_type=f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8", headers=SECURITY)


def asset_routes() -> list[Route]:
    """Where scripts and styles of all pages are."""

    def route(name: str) -> Route:
        async def serve(_: Request) -> Response:
            return asset(name)

        return Route(f"/assets/{name}", serve)

    return [route(each.name) for each in _ASSETS.iterdir() if each.name.endswith((".css", ".js"))]


def inspector_routes(exchanges: Exchanges) -> list[Route]:
    """The page and its stream."""

    async def page(_: Request) -> Response:
        return asset("inspector.html")

    async def events(request: Request) -> Response:
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdigit() else 0
        if exchanges.is_full:
            return PlainTextResponse("too many pages look on\n", 503, {"Retry-After": "30"})

        async def stream() -> AsyncIterator[bytes]:
            yield b"retry: 1000\n\n"
            with exchanges.looking(after) as looker:
                while not looker.is_at_end:
                    found = await looker.next(_KEEP_ALIVE_S)
                    yield b": alive\n\n" if found is None else b"id: %d\ndata: %b\n\n" % found

        return StreamingResponse(stream(), media_type="text/event-stream", headers=SECURITY)

    return [Route("/inspector", page), Route("/inspector/events", events)]
