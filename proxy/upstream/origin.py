"""Where an upstream connection leads to: the key of the pool."""

from functools import lru_cache
from typing import NamedTuple


class Origin(NamedTuple):
    """A service's host and port."""

    host: str
    port: int

    @property
    def authority(self) -> bytes:
        """host[:port] as `Host` says it: brackets round IPv6, no port where it is 80."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port == 80 else f"{host}:{self.port}").encode("idna" if not host.isascii() else "ascii")

    @property
    def label(self) -> str:
        """host:port as logs and errors name it."""
        return _label(self.host, self.port)

    def __str__(self) -> str:
        return self.label


@lru_cache(maxsize=1024)
def _label(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
