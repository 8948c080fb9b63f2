"""What the parent keeps of reloads: nothing, whether they were accepted or refused. Real processes."""

import socket
from pathlib import Path

from tests.harness.processes import descriptors_of, onehop, output_of
from tests.harness.waiting import until
from tests.interop.test_reload import ONEHOP

_OF_A_KIND = 3


def open_files(pid: int) -> list[str]:
    """What a process has open, by kind."""
    return sorted(link.partition("[")[0] for link in descriptors_of(pid).values())


async def test_reloads_leave_no_descriptor_behind(tmp_path: Path) -> None:
    file = tmp_path / "onehop.toml"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = f"127.0.0.1:{taken.getsockname()[1]}"
        head = 'listen = ["127.0.0.1:0"]\nworkers = 2\nupstreams.a.urls = ["http://127.0.0.1:9"]\n'

        def write(admin: str) -> None:
            file.write_text(f'{head}[admin]\nlisten = "{admin}"\n')

        write("127.0.0.1:0")
        async with onehop("run", "--config", str(file)) as proxy:
            before = open_files(proxy.process.pid)
            for _ in range(_OF_A_KIND):
                write(busy)
                status, said = await output_of(*ONEHOP, "reload", "--config", str(file))
                assert status == 1, said
                assert busy in said
            assert open_files(proxy.process.pid) == before
            write("127.0.0.1:0")
            for _ in range(_OF_A_KIND):
                status, said = await output_of(*ONEHOP, "reload", "--config", str(file))
                assert status == 0, said
            await until(lambda: open_files(proxy.process.pid) == before)
