"""How a proxy's configuration is made: a text with what differs from run to run left open."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.stress.names import ADDRESS


class Settings(NamedTuple):
    """A proxy's configuration: the name of its file, and its text, in which `{origins}` stands for all of them: `origin`
    for each, and `between` them. The other names in braces are the keywords of `format` below."""

    file: str
    body: str
    origin: str
    between: str = "\n"

    def text(self, *, port: int, folder: Path, origins: Sequence[str], named: bool, user: str) -> str:
        """The configuration for these origins, as HOST:PORT."""
        listed = self.between.join(
            self.origin.format(
                origin=origin,
                host=origin.split(":")[0],
                port=origin.split(":")[1],
                number=number,
                resolved=_RESOLVED if named else "",
            )
            for number, origin in enumerate(origins)
        )
        return self.body.format(
            port=port,
            folder=folder,
            user=user,
            origins=listed,
            resolvers=_RESOLVERS if named else "",
            kind="STRICT_DNS" if named else "STATIC",
            elsewhere=_ELSEWHERE,
        )


_RESOLVERS: Final = f"resolvers r\n  nameserver n {ADDRESS}:53\n  hold valid 1s\n"
_RESOLVED: Final = "resolvers r init-addr last,libc,none resolve-prefer ipv4"
#: Envoy: not again to the origin that was tried, for three draws.
_ELSEWHERE: Final = """host_selection_retry_max_attempts: 3, retry_host_predicate: [{name: p, typed_config:
  {"@type": type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate}}]"""
