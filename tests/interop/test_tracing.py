"""The example of docs/tracing.md, run as a process, with a collector."""

import json
import signal
from pathlib import Path

from tests.harness.collector import collector
from tests.harness.examples import curl, running_example
from tests.harness.scripted import OK, ScriptedUpstream, answering
from tests.harness.waiting import until


async def test_what_was_asked_is_exported_before_the_instance_ends(tmp_path: Path) -> None:
    app = ScriptedUpstream(answering(OK, OK))
    env = {"ONEHOP_ADMIN__LISTEN": ""}
    async with collector() as collecting, app.serving():
        ports = {9000: app.port, 4318: collecting.port}
        async with running_example("tracing", tmp_path, ports, env) as proxy:
            assert (await curl(f"{proxy.url}/a?token=s3cret"))[0] == 200
            assert (await curl(f"{proxy.url}/b"))[0] == 200
            await until(lambda: len(proxy.log) == 2)
            assert await proxy.stop(signal.SIGTERM) == 0
        spans = await collecting.wait_for(4)
    logged = [json.loads(line) for line in proxy.log]
    servers = {span.attributes["url.path"]: span for span in spans if not span.parent_id}
    assert [servers[path].trace_id for path in ("/a", "/b")] == [line["trace_id"] for line in logged]
    assert servers["/a"].attributes["onehop.request_id"] == logged[0]["request_id"]
    assert "s3cret" not in f"{spans} {proxy.log}"
