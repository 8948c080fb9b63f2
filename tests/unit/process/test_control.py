"""The control process ends where its admin listener fails: the parent then says why, and starts another."""

import asyncio
import socket

import pytest

from proxy.admin.server import AdminServer
from proxy.config.model import Config
from proxy.process.control import Control
from proxy.process.link import Hub
from proxy.process.tally import Tally
from proxy.telemetry.error_log import ErrorLog
from tests.harness.scripted import PATIENCE_S


async def test_an_admin_listener_that_fails_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_server: AdminServer, _listening: socket.socket) -> None:
        raise OSError("no descriptor left")

    monkeypatch.setattr(AdminServer, "serve", fail)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tally = Tally()
        tally.prepare(Config(), [0])
        hub = Hub(asyncio.get_running_loop())
        control = Control(Config(), [listening], hub, ErrorLog(), ledger=tally.ledger)
        await control.start()
        running = asyncio.create_task(control.run_until_ended())
        done, _ = await asyncio.wait({running}, timeout=PATIENCE_S)
        assert done, "it goes on without an admin listener"
        with pytest.raises(OSError, match="no descriptor left"):
            running.result()
        await control.health.close()
