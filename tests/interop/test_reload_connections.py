"""What services see of a reload: the old workers keep the connections that they are using, and no other. Real
processes."""

from pathlib import Path

import pytest

from tests.harness.origins import LiveOrigin, Mood, live_origins
from tests.harness.processes import onehop, output_of
from tests.harness.scripted import client
from tests.harness.waiting import until
from tests.interop.test_reload import ONEHOP

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


@pytest.mark.parametrize("limit", [0, 2])
async def test_old_workers_keep_no_idle_connection(tmp_path: Path, limit: int) -> None:
    origin, file = LiveOrigin(), tmp_path / "onehop.toml"
    async with live_origins(origin):
        file.write_text(
            f'listen = ["127.0.0.1:0"]\nworkers = 1\ntimeouts.drain_s = 60\n'
            f'[upstreams.a]\nurls = ["{origin.url}"]\nmax_connections = {limit}\n'
        )
        async with (
            onehop("run", "--config", str(file)) as proxy,
            client(proxy.port) as slow,
            client(proxy.port) as fast,
        ):
            origin.mood = Mood.WAITS
            await slow.send(GET)
            await until(lambda: len(origin.heads) == 1)
            origin.mood = Mood.ANSWERS
            await fast.send(GET)
            await fast.response()
            assert origin.open_connections == 2
            status, said = await output_of(*ONEHOP, "reload", "--config", str(file))
            assert status == 0, said
            await until(lambda: origin.open_connections == 1)
            origin.go_on.set()
            assert (await slow.response())[1] == b"127.0.0.1"
            await until(lambda: origin.open_connections == 0)
