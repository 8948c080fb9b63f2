"""Where an upstream connection leads to: the key of the pool."""

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

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
