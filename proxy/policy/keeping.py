"""Why a connection is kept open behind an exchange, or closed: a value for each branch of those decisions.

They are made in `exchange` for clients, and in `upstream` for services; these values say why, to logs and pages.
"""

from typing import Final, NamedTuple


class Keeping(NamedTuple):
    """What becomes of a connection, and why, in words for a person."""

    is_kept: bool
    why: str


# -- a client's --------------------------------------------------------------------------------------------------

CLIENT_KEPT: Final = Keeping(True, "its next request may come (RFC 9112 §9.3)")
UPLOAD_UNFINISHED: Final = Keeping(False, "its response was complete first, and more of its request may still arrive")
LEAVING: Final = Keeping(False, "this worker shuts down, or other clients wait for a connection")
DELIMITS: Final = Keeping(False, "nothing else tells an HTTP/1.0 client where the body ends (RFC 9112 §6.3)")
NOT_ASKED: Final = Keeping(False, "its request said close, or is HTTP/1.0 without keep-alive (RFC 9112 §9.3)")
NOT_SAFE: Final = Keeping(False, "after such an error, it is unknown where its next request begins")
CUT: Final = Keeping(False, "its response was cut, and must not look complete")
TUNNELLED: Final = Keeping(False, "it was a tunnel, which has ended")
STOPPED: Final = Keeping(False, "the worker shut down first")

# -- a service's -------------------------------------------------------------------------------------------------

POOLED: Final = Keeping(True, "idle, for another request")
HANDED_OVER: Final = Keeping(True, "handed to a request that was waiting for it")
BOUND: Final = Keeping(True, "for this client alone, which has logged in on it (RFC 4559 §6)")
POOL_ENDED: Final = Keeping(False, "this worker shuts down")
NOT_SENT: Final = Keeping(False, "the request was not sent whole")
CLOSES: Final = Keeping(False, "its response said close, or is HTTP/1.0 without keep-alive (RFC 9112 §9.3)")
NOT_WHOLE: Final = Keeping(False, "the response is not complete")
ENDS_BODY: Final = Keeping(False, "the response's body ended with it (RFC 9112 §6.3)")
SURPLUS: Final = Keeping(False, "more bytes than the response arrived, or the connection ended")
LAST_PROMISED: Final = Keeping(False, "its Keep-Alive promised no further request")
TOO_MANY: Final = Keeping(False, "it has carried pool.max_requests")
TOO_OLD: Final = Keeping(False, "it is older than pool.max_age_s")
RETIRED: Final = Keeping(False, "the origin is no longer used")
TOO_SHORT: Final = Keeping(False, "the timeout in its Keep-Alive is too short to reuse it safely")
GIVEN_UP: Final = Keeping(False, "the attempt was abandoned")
