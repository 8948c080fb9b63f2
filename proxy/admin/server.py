"""The admin listener: probes, metrics, status and pages, by Starlette on uvicorn, in the control process.

It never connects to services, and no client reaches it through the proxy: it has its own socket, on loopback unless
configured, and refuses requests that this instance has forwarded.
"""

import asyncio
import base64
import contextlib
import logging
import secrets
import socket
from collections.abc import Callable, Iterator
from functools import partial
from ipaddress import ip_address
from typing import Any, Final, cast

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from proxy.admin.exchanges import Exchanges
from proxy.admin.exposition import accepted, exposition
from proxy.admin.inspector import inspector_routes
from proxy.admin.instance import Instance
from proxy.admin.metrics import Metrics
from proxy.admin.pages import asset_routes, status_routes
from proxy.admin.status import Status, routes_without_origin
from proxy.telemetry.error_log import ErrorLog
from proxy.transport.sockets import unread_bytes

#: Paths that need no token: of the configuration, they show names only, and of requests nothing.
_OPEN: Final = frozenset({"/livez", "/readyz", "/metrics"})
_MOST_AT_ONCE: Final = 64
_KEEP_ALIVE_S: Final = 75  # above the 60 s between two scrapes
_HEAD_BYTES: Final = 16_384
_END_S: Final = 1  # for requests under way, when the process ends
_FAREWELL_S: Final = 0.5  # for clients that have connected, and have not sent a request yet
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Guard:
    """Decides which requests are answered."""

    def __init__(self, app: ASGIApp, *, pseudonym: str, token: str, is_loopback: bool) -> None:
        """Without `token`, a listener that is not on loopback answers only probes and metrics."""
        self._app = app
        self._pseudonym = pseudonym
        self._token = token.encode()
        self._is_loopback = is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on."""
        answer = self._refusal(Request(scope)) if scope["type"] == "http" else None
        await (answer or self._app)(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        came_by = request.headers.getlist("via") + request.headers.getlist("cdn-loop")
        if any(self._pseudonym in value for value in came_by):
            return _text(404, "not found")  # a client of the proxy, through an upstream that points to this listener
        if self._is_loopback and not _names_an_address(request.headers.get("host", "")):
            # DNS rebinding: a web page may point its own host name at this machine.
            return _text(421, "use an IP address, or the name localhost")
        if request.url.path in _OPEN or (self._is_loopback and not self._token):
            return None
        if not self._token:
            return _text(403, "set admin.token_file: only on loopback is no token needed")
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if secrets.compare_digest(_token(scheme.lower(), given.strip()), self._token):
            return None
        # A browser asks for a password: the token, with any name. A line each: Chromium reads one challenge of a line.
        refusal = _text(401, "a token is needed", {"WWW-Authenticate": 'Basic realm="onehop"'})
        refusal.headers.append("WWW-Authenticate", 'Bearer realm="onehop"')
        return refusal


def _token(scheme: str, given: str) -> bytes:
    """The token of a request, or nothing."""
    if scheme == "bearer":
        return given.encode("latin-1")
    if scheme == "basic":
        with contextlib.suppress(ValueError):  # not base64
            return base64.b64decode(given, validate=True).partition(b":")[2]
    return b""


def _names_an_address(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    with contextlib.suppress(ValueError):
        ip_address(name)
        return True
    return False


def _text(code: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return PlainTextResponse(text + "\n", code, {**_HEADERS, **(headers or {})})


def application(instance: Instance, token: str, *, is_loopback: bool, exchanges: Exchanges | None = None) -> Starlette:
    """The application of the listener. Without `exchanges` there is no inspector."""
    metrics, status = Metrics(instance), Status(instance)

    async def livez(_: Request) -> Response:
        return _text(200, "live")

    async def readyz(_: Request) -> Response:
        if not instance.is_ready():
            return _text(503, "not ready: stopping")
        if not instance.serves() and not instance.is_replaced():
            return _text(503, "not ready: no worker serves")
        # Still ready where every origin of a route is left out: other replicas have the same services, and routes that
        # work would lose this replica as well.
        out = routes_without_origin(instance)
        return _text(200, "ready" + "".join(f"\nroute {route}: every origin is left out" for route in out))

    async def metrics_text(request: Request) -> Response:
        form, content_type = accepted(request.headers.get("accept", ""))
        return Response(exposition(metrics(), form), headers={**_HEADERS, "Content-Type": content_type})

    async def status_json(_: Request) -> Response:
        return JSONResponse(status(), headers=_HEADERS)

    return Starlette(
        routes=[
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/metrics", metrics_text),
            Route("/status.json", status_json),
            *status_routes(instance, has_inspector=exchanges is not None),
            *(inspector_routes(exchanges) if exchanges is not None else []),
            *asset_routes(),
        ],
        middleware=[Middleware(Guard, pseudonym=instance.pseudonym, token=token, is_loopback=is_loopback)],
    )


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Connection(H11Protocol):
    """A connection to the listener.

    Neither a scrape nor a probe may fail because of a reload. So once another process serves the socket, a client that
    is idle or has just connected has a moment for a request that is on its way: the answer says `Connection: close`.
    """

    def __init__(self, *args: Any, is_ending: Callable[[], bool], **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_ending = is_ending

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if self._is_ending():
            self.shutdown()  # accepted after `uvicorn` had shut down the others

    def handle_events(self) -> None:
        """Begin requests whose heads have arrived."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and self._is_ending():  # its answer is not written before the loop's next turn
            self.cycle.default_headers = [*self.cycle.default_headers, (b"connection", b"close")]

    def shutdown(self) -> None:
        """Close after what is under way; where nothing is, after `_FAREWELL_S`."""
        if self._is_waiting():
            self.loop.call_later(_FAREWELL_S, self._leave)
        else:
            super().shutdown()

    def _leave(self) -> None:
        if self.transport.is_closing():
            return
        if self._is_waiting() and unread_bytes(self.transport.get_extra_info("socket")):
            self.loop.call_later(_FAREWELL_S, self._leave)  # a request came in time: the loop was held up
        else:
            super().shutdown()

    def _is_waiting(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request, whatever uvicorn declares
        return cycle is None or cycle.response_complete


class _ToErrorLog(logging.Handler):
    """Passes uvicorn's messages to the error log."""

    def __init__(self, errors: ErrorLog) -> None:
        super().__init__(logging.WARNING)
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        defect = record.exc_info[1] if record.exc_info else None
        if defect is not None:
            self._errors.defect(defect, "the admin listener")
        else:
            self._errors.warning(f"the admin listener: {record.getMessage()}")


class AdminServer:
    """Serves the admin listener on a socket that listens already."""

    def __init__(self, app: ASGIApp, errors: ErrorLog) -> None:
        logger = logging.getLogger("uvicorn")
        logger.handlers = [_ToErrorLog(errors)]
        logger.propagate = False
        connection = cast("type[asyncio.Protocol]", partial(_Connection, is_ending=self._is_ending))
        self._server = _Server(
            uvicorn.Config(
                app, http=connection, ws="none", lifespan="off", log_config=None, access_log=False,
                server_header=False,
                limit_concurrency=_MOST_AT_ONCE, timeout_keep_alive=_KEEP_ALIVE_S, backlog=128,
                h11_max_incomplete_event_size=_HEAD_BYTES, timeout_graceful_shutdown=_END_S, proxy_headers=False,
            )
        )  # fmt: skip

    async def serve(self, listening: socket.socket) -> None:
        """Serve until `end` was called."""
        await self._server.serve([listening])

    def _is_ending(self) -> bool:
        return self._server.should_exit

    def end(self) -> None:
        """Answer the requests under way, and stop."""
        self._server.should_exit = True
