"""Settings of the I/O shell: frozen, checked once when the configuration is read, units in their names."""

import msgspec

from proxy.http1.limits import MessageLimits


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long each phase may take, in seconds. Body and tunnel times start anew with every bit of progress."""

    request_head_s: float = 30.0  # from its first byte to its last; nginx allows 60, Caddy no limit
    request_body_idle_s: float = 60.0
    connect_s: float = 5.0  # to one address of an upstream
    continue_s: float = 1.0  # an upstream's silence after which we invite the body of `Expect: 100-continue`
    response_head_s: float = 60.0  # from the request's last byte
    response_body_idle_s: float = 60.0
    client_write_idle_s: float = 60.0  # a client that reads nothing
    client_idle_s: float = 75.0  # between requests: what nginx grants, and browsers expect
    upstream_idle_s: float = 55.0  # in the pool; below the 60 to 75 of common servers, so that we close first
    tunnel_idle_s: float = 600.0
    drain_s: float = 30.0  # after SIGTERM; below the 30 + grace of orchestrators
    linger_s: float = 2.0  # reading on before a close, so that a reset does not destroy our answer


class Limits(MessageLimits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one worker takes on."""

    connections: int = 16_384  # clients at once, per worker; more are answered 503


class PoolSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long upstream connections live."""

    idle_per_origin: int = 256  # kept open and unused, per worker
    max_requests: int = 100_000  # on one connection, then it is replaced
    max_age_s: float = 3_600.0  # then it is replaced, so that a changed DNS answer takes effect
    just_used_s: float = 1.0  # a request that cannot be replayed takes an idle connection only this fresh
    replay_bytes: int = 65_536  # a request body up to this size is kept for one retry
