"""The inspector's page, and the stream of exchanges that it follows (server-sent events)."""

import re
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from proxy.admin.exchanges import Exchanges
from proxy.admin.pages import SECURITY, asset

_KEEP_ALIVE_S: Final = 15.0
_NUMBER: Final = re.compile(r"[0-9]{1,20}")  # int() raises ValueError beyond 4,300 digits
#: A comment after the exchanges that were kept: those that follow are live. Browsers ignore it.
LIVE: Final = b": live\n\n"


def inspector_routes(exchanges: Exchanges) -> list[Route]:
    """The page and its stream."""

    async def page(_: Request) -> Response:
        return asset("inspector.html")

    async def events(request: Request) -> Response:
        last = request.headers.get("last-event-id", "")
        after = int(last) if _NUMBER.fullmatch(last) else 0
        if exchanges.is_full:
            return PlainTextResponse("too many clients follow the inspector\n", 503, {"Retry-After": "30"})

        async def stream() -> AsyncIterator[bytes]:
            yield b"retry: 1000\n\n"
            newest, is_live = exchanges.newest, False
            with exchanges.looking(after) as looker:
                while True:
                    if not is_live and looker.number >= newest:
                        is_live = True
                        yield LIVE
                    found = await looker.next(_KEEP_ALIVE_S)
                    if found is not None:
                        yield b"id: %d\ndata: %b\n\n" % found
                    elif looker.is_at_end:
                        return
                    else:
                        yield b": alive\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream", headers=SECURITY)

    return [Route("/inspector", page), Route("/inspector/events", events)]
