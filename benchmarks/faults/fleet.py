"""The proxies before the three origins, with settings of two kinds: `usual` and `same`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from benchmarks.faults import same, usual
from benchmarks.faults.settings import Settings
from benchmarks.stress.names import NameServer, asking_us
from tests.harness.programs import CADDY, ENVOY, HAPROXY, NGINX, ONEHOP, Program, nginx_user
from tests.harness.programs.process import Server, free_port, serving, wait_until_listening

PROGRAMS: Final[dict[str, Program]] = {
    "onehop": ONEHOP, "nginx": NGINX, "HAProxy": HAPROXY, "Caddy": CADDY, "Envoy": ENVOY,
}  # fmt: skip
KINDS: Final[dict[str, dict[str, Settings]]] = {"usual": usual.SETTINGS, "same": same.SETTINGS}


@contextmanager
def running(name: str, folder: Path, origins: Sequence[str], names: NameServer | None, kind: str) -> Iterator[Server]:
    """A proxy that listens, with settings of one of `KINDS`; leaving ends it."""
    program = PROGRAMS[name].find()
    assert program is not None
    port = free_port()
    prefix = asking_us(folder) if names is not None else []
    command = [*prefix, *_command(name, program, folder, port, origins, kind, named=names is not None)]
    own = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with serving(command, port, errors=folder / "errors", environment=own) as server:
        wait_until_listening(server)
        yield server


def _command(
    name: str, program: str, folder: Path, port: int, origins: Sequence[str], kind: str, *, named: bool
) -> list[str]:
    settings = KINDS[kind][name]
    path = folder / settings.file
    path.write_text(settings.text(port=port, folder=folder, origins=origins, named=named, user=nginx_user()))
    match name:
        case "onehop":
            return [program, "-m", "proxy", "run", "--config", str(path)]
        case "nginx":
            return [program, "-p", str(folder), "-c", str(path)]
        case "HAProxy":
            return [program, "-db", "-f", str(path)]
        case "Caddy":
            return [program, "run", "--adapter", "caddyfile", "--config", str(path)]
        case _:
            return [program, "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "-l", "off"]
