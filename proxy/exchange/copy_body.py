"""The request's body on its way up, beside the response on its way down.

Both directions run at once where the body did not arrive whole with its head: an upstream may answer early, and some
answer while they read.
"""

import asyncio
from collections.abc import Callable

from proxy.errors import BadRequest, ClientGone, InternalError, ProxyError, RequestTimeout, ResponseTimeout
from proxy.http1 import writer
from proxy.http1.fields import Fields
from proxy.http1.parsing.body import Body
from proxy.http1.parsing.head_parser import HeadParser
from proxy.policy.settings import Limits, Timeouts
from proxy.transport.incoming import BodyCutShort, read_body
from proxy.transport.stream import ConnectionEnded, Stream

#: Buffers smaller than this together are joined and written in one call: cheaper than a scattered write.
_JOIN_BYTES = 16_384


def write_all(stream: Stream, buffers: list[bytes]) -> None:
    """Write buffers in order: joined where they are small, untouched where they are not."""
    if len(buffers) == 1:
        stream.write(buffers[0])
    elif sum(map(len, buffers)) <= _JOIN_BYTES:
        stream.write(b"".join(buffers))
    else:
        stream.writelines(buffers)


class Upload:
    """Carries a request's body upstream. `error` says why it stopped short; the exchange decides what follows."""

    __slots__ = (
        "_body",
        "_chunked",
        "_limits",
        "_loop",
        "_reader",
        "_sink",
        "_source",
        "_timeouts",
        "_trailers",
        "_when_sent",
        "error",
        "sent_whole",
    )

    def __init__(
        self,
        source: Stream,
        reader: HeadParser,
        body: Body,
        sink: Stream,
        *,
        chunked: bool,
        trailers: Callable[[Fields], Fields],
        timeouts: Timeouts,
        limits: Limits,
        loop: asyncio.AbstractEventLoop,
        when_sent: Callable[[], None],
    ) -> None:
        self._source = source
        self._reader = reader
        self._body = body
        self._sink = sink
        self._chunked = chunked
        self._trailers = trailers
        self._timeouts = timeouts
        self._limits = limits
        self._loop = loop
        self._when_sent = when_sent
        self.sent_whole = False
        self.error: ProxyError | None = None

    async def run(self) -> None:
        """Carry the body to its end. Does not raise: a failure is kept in `error`, and breaks the upstream connection,
        so that whoever waits for the response wakes up."""
        try:
            while not self.sent_whole and not self._sink.is_ended:
                deadline = self._loop.time() + self._timeouts.request_body_idle_s
                self.pass_on(await read_body(self._source, self._reader, self._body, deadline))
                if not self.sent_whole and self._sink.must_drain():
                    await self._drain()
        except ProxyError as error:
            self.error = error
        except TimeoutError:
            self.error = RequestTimeout("the request body did not arrive in time")
        except BodyCutShort:
            self.error = BadRequest("the connection ended within the request body", code="request_body_cut")
        except ConnectionEnded:
            self.error = ClientGone("the client closed the connection within its request")
        except Exception as exc:  # a defect of ours: the exchange says so
            self.error = InternalError.from_defect(exc)
        if self.error is not None:
            self._sink.abort()

    def pass_on(self, pieces: list[bytes]) -> None:
        """Write body bytes, and the end where they are the last. Raises BadRequest 413."""
        limit = self._limits.request_body_bytes
        if limit and self._body.received_bytes > limit:
            raise BadRequest(f"request body over {limit} bytes", status=413, code="body_too_large")
        buffers = writer.chunks(pieces) if self._chunked else pieces
        if self._body.complete:
            self.sent_whole = True
            if self._chunked:
                buffers = [*buffers, writer.last_chunk(self._trailers(self._body.trailers))]
        if buffers:
            write_all(self._sink, buffers)
        if self.sent_whole:
            self._when_sent()

    async def _drain(self) -> None:
        try:
            await self._sink.drain(self._timeouts.request_body_idle_s)
        except TimeoutError as exc:
            raise ResponseTimeout("the upstream stopped reading the request", code="upstream_write_timeout") from exc
        except ConnectionEnded:
            return  # the upstream is gone; what it said before that, the exchange reads
