"""Every file system is read-only, /tmp and /dev/shm too, as under `readOnlyRootFilesystem`: nothing needs to be written."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.processes import running_command
from tests.harness.programs.process import free_port
from tests.harness.scripted import OK, ScriptedUpstream, answering, client
from tests.unit.admin.serving import Admin, labelled

_APART = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
#: Some, such as /proc, may refuse, but none that files could be written to.
_READ_ONLY = """
for place in $(cut -d' ' -f5 /proc/self/mountinfo | sort -ru); do mount -o remount,bind,ro "$place" 2>/dev/null; done
for place in / "$0" /tmp /dev/shm; do touch "$place/.probe" 2>/dev/null && { echo "$place is not read-only"; exit 3; }; done
exec "$@"
"""


def _can_be_made() -> bool:
    command = [*_APART, _READ_ONLY, "/", "true"]
    return (
        shutil.which("unshare") is not None and not subprocess.run(command, capture_output=True, check=False).returncode
    )


@pytest.mark.skipif(not _can_be_made(), reason="needs mount namespaces for this user")
async def test_it_serves_reloads_and_counts(tmp_path: Path) -> None:
    upstream, admin, file = ScriptedUpstream(answering(*[OK] * 2)), free_port(), tmp_path / "onehop.toml"
    async with upstream.serving():
        file.write_text(
            f'listen = "127.0.0.1:0"\nworkers = 2\nadmin.listen = "127.0.0.1:{admin}"\n'
            f'upstreams.a.urls = ["http://127.0.0.1:{upstream.port}"]\n'
        )
        onehop = [sys.executable, "-m", "proxy", "run", "--config", str(file)]
        async with running_command(*_APART, _READ_ONLY, str(tmp_path), *onehop) as proxy:
            proxy.process.send_signal(signal.SIGHUP)
            await proxy.said("reload: generation 2 serves")
            async with client(proxy.port) as peer:
                await peer.send(b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                assert (await peer.response())[1] == b"ok"
            assert (await Admin(admin).samples())[labelled("onehop_config_generation")] == 2
