"""Services and proxies that are restarted under load."""

import os
import time
from functools import partial
from typing import Final

from benchmarks.stress.fleet import GRACEFUL, Wanted, running
from benchmarks.stress.load import loaded
from benchmarks.stress.origins import Origins
from benchmarks.stress.row import Figure, Row, Setting
from benchmarks.stress.rows.hostile import settle
from tests.harness.programs.process import free_port


def _restarted(method: str, setting: Setting) -> Figure:
    with (
        Origins([free_port(), free_port()]) as origins,
        running(setting.proxy, setting.folder, Wanted(origins.addresses)) as server,
    ):
        settle(server.pid)  # else services that restart would wait for a processor beside a proxy that starts
        with loaded(server.port, method=method, keep_alive=True) as load:
            for _ in range(1 if setting.quick else 4):
                for number in range(2):
                    time.sleep(0.4)
                    origins.restart(number)
            time.sleep(0.5)
        return Figure(load.failures + load.twice, f"{load}, {load.twice} arrived twice")


def _stopped(setting: Setting) -> Figure:
    """Clients that were connected and asking when SIGTERM came: refused connections after it are no loss."""
    with running(setting.proxy, setting.folder, Wanted(setting.upstreams)) as server:
        with loaded(server.port, keep_alive=True) as load:
            time.sleep(1)
            os.kill(server.pid, GRACEFUL[setting.proxy])
            time.sleep(1)
        lost = load.failures - load.failed["ConnectionRefusedError"]
    kinds = ", ".join(f"{count} {kind}" for kind, count in load.failed.items() if kind != "ConnectionRefusedError")
    return Figure(lost, f"{lost} lost of {load.answered + lost}" + (f" ({kinds})" if kinds else ""))


ROWS: Final = [
    Row("services restarted, GET", "two origins in turn, 300 requests a second", partial(_restarted, "GET")),
    Row("services restarted, POST", "likewise; a POST that arrives twice counts", partial(_restarted, "POST")),
    Row("graceful stop", "300 requests a second on kept connections", _stopped),
]
