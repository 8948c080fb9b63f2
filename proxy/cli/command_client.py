"""`onehop reload`: lets a running instance load its configuration again, and reports the result. The reload itself is
in `process.reload`."""

import contextlib
import os
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final, NoReturn

import click
import msgspec

from proxy.process.commands import MOST_BYTES, NAME, Instance, Request, Result, may_talk, without_surrogates

_ANSWER_S: Final = 2.0  # for an instance to describe itself
_NOT_FOUND: Final = 2  # the exit status; 1 is a configuration that was refused


@click.command(short_help="Let a running onehop read its configuration again.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    envvar="ONEHOP_CONFIG",
    help="The instance that was started with this file; default: the one that ONEHOP_CONFIG names.",
)
@click.option("--pid", type=int, help="The instance with this process id.")
@click.option("--pid-file", type=click.Path(path_type=Path), help="The one whose process id this file holds.")
@click.option("--timeout", "timeout_s", type=float, default=120.0, show_default=True, help="Seconds to wait.")
def reload(config: Path | None, pid: int | None, pid_file: Path | None, timeout_s: float) -> None:
    """Let a running onehop read its configuration again, and wait until it serves by it.

    A configuration with a mistake in it is refused: the exit status is 1, the problems are printed, and the old one
    keeps serving. Without options, the only instance that this user runs is asked. SIGHUP does the same."""
    if pid_file is not None:
        pid = _read_pid(pid_file)
    found = list(instances())
    wanted = [one for one in found if _is_meant(one[1], config, pid)]
    if len(wanted) != 1:
        _refuse([instance for _, instance in wanted or found], bool(wanted))
    [(connected, _)] = wanted
    for other, _ in found:
        if other is not connected:
            other.close()
    with connected:
        result = ask(connected, timeout_s)
    for line in result.lines:
        click.echo(f"onehop: {line}", err=result.status != 0)
    raise SystemExit(result.status)


@contextlib.contextmanager
def ready_to_run(option: Path | None, watch: bool, pid_file: Path | None) -> Iterator[Path | None]:
    """Prepare `run` for reloads: find the configuration file by the option or the environment, check that it can be
    watched, and write the PID file, which is removed at the end. Raises click.UsageError."""
    name = option or os.environ.get("ONEHOP_CONFIG")
    config = Path(name) if name else None
    if watch:
        _require_watching(config)
    if pid_file is None:
        yield config
        return
    try:
        pid_file.write_text(f"{os.getpid()}\n", "ascii")
    except OSError as exc:
        raise click.BadParameter(f"cannot be written: {exc.strerror}", param_hint="--pid-file") from exc
    try:
        yield config
    finally:
        with contextlib.suppress(OSError):
            pid_file.unlink()


def _require_watching(file: Path | None) -> None:
    """Refuse `--watch` without a file, or without the package for it."""
    if not file:
        raise click.UsageError("--watch needs a file: --config, or ONEHOP_CONFIG")
    if find_spec("watchfiles") is None:
        raise click.UsageError("--watch needs the package watchfiles: pip install 'onehop[watch]'")


def _read_pid(file: Path) -> int:
    try:
        return int(file.read_text("ascii").strip())
    except OSError as exc:
        raise click.BadParameter(f"cannot be read: {exc.strerror}", param_hint="--pid-file") from exc
    except ValueError as exc:
        raise click.BadParameter("holds no process id", param_hint="--pid-file") from exc


def instances() -> Iterator[tuple[socket.socket, Instance]]:
    """Every instance on this machine that this user may command, with a connection to it."""
    try:
        lines = Path("/proc/net/unix").read_text("utf-8", "replace").splitlines()[1:]
    except OSError:
        return
    names = {line.split(maxsplit=7)[-1] for line in lines}
    for name in sorted(one[1:] for one in names if one.startswith(f"@{NAME}")):
        connected = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connected.settimeout(_ANSWER_S)
        try:
            connected.connect(f"\0{name}")
            if may_talk(connected):
                yield connected, msgspec.json.decode(connected.recv(MOST_BYTES), type=Instance)
                continue
        except (OSError, msgspec.DecodeError):
            pass  # it has just ended, or is another user's
        connected.close()


def _is_meant(instance: Instance, config: Path | None, pid: int | None) -> bool:
    if pid is not None:
        return instance.pid == pid
    if config is None:
        return True
    named = without_surrogates(str(config.resolve()))
    return bool(instance.config) and str(Path(instance.config).resolve()) == named


def ask(connected: socket.socket, timeout_s: float) -> Result:
    connected.settimeout(timeout_s)
    try:
        connected.send(msgspec.json.encode(Request(command="reload")))
        packet = connected.recv(MOST_BYTES)
    except TimeoutError:
        return Result(status=1, lines=[f"no answer in {timeout_s:g} s; the reload may still succeed"])
    except OSError:
        packet = b""
    if not packet:
        return Result(status=1, lines=["onehop ended before it could answer"])
    return msgspec.json.decode(packet, type=Result)


def _refuse(instances: list[Instance], were_meant: bool) -> NoReturn:
    if were_meant:
        click.echo("onehop: several instances may be meant; --pid chooses one of them:", err=True)
    elif instances:
        click.echo("onehop: no such instance is running; these are:", err=True)
    else:
        click.echo(f"onehop: no instance of user {os.geteuid()} is running here", err=True)
    for one in instances:
        where = ", ".join(one.listen)
        click.echo(f"  {one.pid}: {one.config or 'without a file'}, listens on {where}", err=True)
    raise SystemExit(_NOT_FOUND)
