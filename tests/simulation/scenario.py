"""What a seed decides before anything happens: how the proxy is configured, who takes part, what fails around them.

A `Reduction` leaves something out. All who are left behave as before: each has dice of its own.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from msgspec.structs import replace

from proxy.config.access_model import AccessConfig, ForwardAuthConfig, RateLimitConfig
from proxy.config.model import Config
from proxy.config.route_model import MirrorConfig, RouteConfig
from proxy.config.route_settings import RouteLimitsConfig, RouteTimeoutsConfig
from proxy.config.upstream_model import UpstreamConfig, UpstreamRetryConfig, UpstreamTlsConfig
from proxy.policy.settings import Limits, PoolSettings, Timeouts
from proxy.upstream.health.settings import EjectionSettings, HealthCheckSettings
from tests.simulation.access import USER_FIELD
from tests.simulation.dice import Dice, chance_of, dice_of

TIMEOUTS: Final = Timeouts(
    request_head_s=8.0,
    handshake_s=4.0,
    request_body_idle_s=8.0,
    connect_s=2.0,
    response_head_s=8.0,
    response_body_idle_s=8.0,
    client_write_idle_s=8.0,
    client_idle_s=10.0,
    upstream_idle_s=6.0,
    tunnel_idle_s=9.0,
    tunnel_half_closed_s=9.0,
    drain_s=60.0,
    tunnel_shutdown_s=60.0,
    linger_s=1.0,
    linger_total_s=20.0,
    worker_stall_s=0.0,
)
#: Longer than every deadline of as many exchanges as one client asks for, with all their attempts: whoever waits longer
#: waits for ever.
PATIENCE_S: Final = 400.0
_PATIENCE_OF_MANY_S: Final = 2000.0
MOST_BODY_BYTES: Final = 50_000  # where there is a limit
_FEW_BYTES: Final = 300 * 8
_SHORT_BYTES: Final = 5_000  # more than the smallest buffers, less than the others
MOVING: Final = "service.example"  # whose addresses change
HEALTH_PATH: Final = "/healthz"
_FIRST_PORT: Final = 9000
_TLS: Final = UpstreamTlsConfig(verify=False)

#: What a world may have beside clients and services that misbehave, and in how many worlds.
FEATURES: Final[dict[str, float]] = {
    "large": 0.12,  # bodies and kernel buffers as large as in reality; else all is eight times smaller
    "long": 0.7,  # bodies that no buffer holds; else most would be
    "many requests": 0.5,  # on each connection, with small bodies: most of the exchanges, in little of the time
    "narrow": 0.5,  # kernel buffers that do not even hold a head
    "control process": 0.15,  # tells workers which addresses are well, and dies perhaps
    "health checks": 0.6,  # where there is one
    "moving name": 0.15,  # of the service: its addresses change
    "unix sockets": 0.05,  # of the service
    "early answers": 0.1,  # behind which services close, to uploads: what they said may be lost to a reset
    "half close": 0.3,
    "h11": 0.15,
    "shut down": 0.1,  # early, with `drain_s` to spare
    "shut down in haste": 0.06,  # so that what is under way is cut
    "reload": 0.12,  # another worker begins, this one retires
    "retries": 0.4,
    "POST may be repeated": 0.05,
    "statuses eject": 0.2,
    "connection limit": 0.25,
    "queue": 0.6,  # where there is a limit
    "outages": 0.25,
    "auth service": 0.12,
    "mirror": 0.12,
    "HTTP/1.0": 0.1,  # most requests: only the end of the connection delimits some of their responses
    "basic auth": 0.06,  # whose worlds answer many requests by themselves
    "rate limit": 0.06,
    "total time": 0.1,
    "body limit": 0.1,
    "short times": 0.15,
    "TLS to clients": 0.04,  # costs most of all: handshakes are real
    "TLS to services": 0.04,
    "PROXY header": 0.1,
    "splices": 0.4,  # bodies that are moved within the kernel, from a few bytes on
}  # fmt: skip
BALANCES: Final[tuple[Literal["round_robin", "least_requests", "random_two", "hash"], ...]] = (
    "round_robin", "least_requests", "random_two", "hash",
)  # fmt: skip
RETRIED: Final = ("connect_failure", "reset", "response_timeout", "502", "503", "504")


def path_of(number: int) -> str:
    """Where the service of this number listens, if not at a port."""
    return f"/run/service{number}.sock"


@dataclass(frozen=True)
class Reduction:
    """What is left out of a world."""

    clients: frozenset[int] = frozenset()  # by number, from 1 on
    asks: frozenset[int] = frozenset()  # requests, by number
    features: frozenset[str] = frozenset()
    most_bytes: int = 1 << 30  # of a body
    most_services: int = 99
    calm: bool = False  # no delays and no small pieces on the network


@dataclass
class Scenario:
    """What there is in one world."""

    seed: int
    reduction: Reduction = Reduction()
    features: frozenset[str] = field(init=False)
    services: int = field(init=False)
    clients: list[int] = field(init=False)  # by number, those that are there
    spread_s: float = field(init=False)  # within which clients come
    bodies: float = field(init=False)  # how many requests have one

    def __post_init__(self) -> None:
        seed, left_out = self.seed, self.reduction
        self.features = frozenset(
            name for name, share in FEATURES.items() if chance_of(seed, name) < share and name not in left_out.features
        )
        dice = dice_of(seed, "scenario")
        self.services = min(dice.choice((1, 1, 2, 3)), left_out.most_services)
        count = dice.choice((1, 4, 8, 16, 24))
        self.clients = [number for number in range(1, count + 1) if number not in left_out.clients]
        self.spread_s = dice.choice((0.0, 0.3, 4.0))
        self.bodies = 1.0 if self.has("early answers") else dice.random()

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: clients {self.clients}, {self.services} service(s); {', '.join(sorted(self.features))}"
        )

    def has(self, feature: str) -> bool:
        """Whether this world has it."""
        return feature in self.features

    def dice(self, name: str) -> Dice:
        """What decides for one who takes part."""
        return dice_of(self.seed, name)

    @property
    def scale(self) -> int:
        """How many times smaller everything is than in reality."""
        return 1 if self.has("large") else 8

    @property
    def asks(self) -> tuple[int, ...]:
        """How many requests a client may have."""
        return (12, 25, 40) if self.has("many requests") else (1, 2, 3, 6)

    @property
    def patience_s(self) -> float:
        """Whoever waits longer waits for ever."""
        return _PATIENCE_OF_MANY_S if self.has("many requests") else PATIENCE_S

    def size(self, usual: int) -> int:
        """How large a body is that usually has so many bytes."""
        if self.has("many requests") and not self.has("early answers"):
            usual = min(usual, _FEW_BYTES)
        if usual > _SHORT_BYTES and not self.has("long"):
            usual = _SHORT_BYTES
        return min(usual if usual < 100 else usual // self.scale, self.reduction.most_bytes)

    def config(self) -> Config:
        """What the proxy is told. Services listen at the ports from 9000 on: those behind the route, then the others."""
        dice = self.dice("config")
        attempts = dice.choice((2, 3, 4))
        retried = [reason for reason in RETRIED if dice.random() < 0.6]
        balance = dice.choice(BALANCES)
        most = dice.choice((1, 2, 4))
        failures = dice.choice((1, 2, 3))
        drain_s = dice.choice((0.0, 0.5, 3.0))
        total_s = dice.choice((0.5, 2.0))
        short = {"response_head_s": 0.5, "response_body_idle_s": 0.5, "client_write_idle_s": 0.5}
        timeouts = RouteTimeoutsConfig(
            **(short if self.has("short times") else {}),
            **({"request_total_s": total_s} if self.has("total time") else {}),
        )
        limits = RouteLimitsConfig()
        if self.has("body limit"):
            limits = RouteLimitsConfig(request_body_bytes=MOST_BODY_BYTES // self.scale)
        scheme = "https" if self.has("TLS to services") else "http"
        urls = [f"{scheme}://192.0.2.2:{_FIRST_PORT + number}" for number in range(self.services + 2)]
        served = urls[: self.services]
        if self.has("unix sockets"):
            served = [f"unix:{path_of(number)}" for number in range(self.services)]
        elif self.has("moving name"):
            served = [f"{scheme}://{MOVING}:{_FIRST_PORT}"]
        check = None
        if self.has("control process") and self.has("health checks"):
            check = HealthCheckSettings(
                path=dice.choice(("", HEALTH_PATH, HEALTH_PATH)), interval_s=dice.choice((0.3, 2.0)), timeout_s=0.5,
                rise=dice.choice((1, 2)), fall=dice.choice((1, 2)),
            )  # fmt: skip
        access, rate = AccessConfig(), RateLimitConfig()
        if self.has("basic auth"):
            access = AccessConfig(basic_auth="/users", user_field=USER_FIELD)
        mirror: dict[str, Any] = {}
        upstreams = {
            "s": UpstreamConfig(
                urls=served,
                health_check=check,
                resolve_s=dice.choice((0.5, 2.0)),
                slow_start_s=dice.choice((0.0, 0.0, 2.0)),
                tls=_TLS,
                balance=balance,
                hash_on="header:X-Key",
                max_connections=most if self.has("connection limit") else 0,
                queue=dice.choice((1, 100)) if self.has("queue") else 0,
                queue_s=dice.choice((0.5, 5.0)),
                ejection=EjectionSettings(
                    failures=failures, eject_s=1.0, statuses=[503] if self.has("statuses eject") else []
                ),
                retry=UpstreamRetryConfig(
                    attempts=attempts if self.has("retries") else 1,
                    on=retried,  # type: ignore[arg-type]
                    methods=["POST"] if self.has("POST may be repeated") else [],
                ),
            )
        }
        if self.has("auth service"):
            upstreams["auth"] = UpstreamConfig(urls=[urls[self.services]], tls=_TLS)
            auth = ForwardAuthConfig(upstream="auth", path="/verify", copy=["X-User"])
            access = replace(access, forward_auth=auth)
        if self.has("mirror"):
            upstreams["shadow"] = UpstreamConfig(urls=[urls[self.services + 1]], tls=_TLS)
            mirror = {"mirror": MirrorConfig(upstream="shadow")}
        if self.has("rate limit"):
            dice = self.dice("rate limit")
            rate = RateLimitConfig(requests_per_s=dice.choice((1.0, 20.0)), burst=dice.choice((1, 10, 50)))
        return Config(
            access_log="off",
            log_level="error",
            workers=1,
            reader="h11" if self.has("h11") else "auto",
            client_half_close=self.has("half close"),
            timeouts=replace(TIMEOUTS, drain_s=drain_s) if self.has("shut down in haste") else TIMEOUTS,
            limits=Limits(connection_buffer_bytes=131_072 // self.scale),
            pool=PoolSettings(replay_bytes=65_536 // self.scale),
            upstreams=upstreams,
            routes={
                "r": RouteConfig(
                    upstream="s", access=access, rate_limit=rate, timeouts=timeouts, limits=limits, **mirror
                )
            },
        )
