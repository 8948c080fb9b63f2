"""What a worker's sinks are told of each exchange, and in which order."""

from typing import Any

import pytest

from proxy.telemetry.events import Sink
from proxy.telemetry.record import ExchangeRecord
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client

UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + b"\r\n"
HEAD = b"GET /a HTTP/1.1\r\nHost: h\r\n"

TOLD = [
    # request                                                   answer       what is told, with the status by then
    (HEAD + b"\r\n",                                            OK,          ["began 0", "responded 200", "ended 200"]),
    (HEAD + UPGRADE + b"\r\n",                                  SWITCHING,   ["began 0", "responded 101", "ended 101"]),
    (HEAD + b"Max-Forwards: 5\r\n\r\n",    OK,          ["began 0", "responded 200", "ended 200"]),
    (HEAD + b"\r\n",                                            b"x\r\n",    ["began 0", "responded 502", "ended 502"]),
    (HEAD + b"X : 1\r\n\r\n",                                   OK,          ["responded 400", "ended 400"]),
]  # fmt: skip


@pytest.mark.parametrize(("request_bytes", "answer", "expected"), TOLD)
async def test_a_sink_is_told_of_the_head_the_response_and_the_end(
    request_bytes: bytes, answer: bytes, expected: Any
) -> None:
    told: list[str] = []
    sink = Sink(
        began=lambda record: told.append(f"began {record.status}"),
        responded=lambda record: told.append(f"responded {record.status}"),
        ended=lambda record: told.append(f"ended {record.status}"),
    )
    upstream = ScriptedUpstream(answering(answer))
    async with upstream.serving(), running_proxy(upstream.port, sinks=[sink]) as proxy:
        async with client(proxy.port) as peer:
            await peer.send(request_bytes)
            await peer.head()
        await proxy.records.wait_for(1)
    assert told == expected


async def test_a_sink_that_raises_costs_the_connection_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    def fail(record: ExchangeRecord) -> None:
        raise ZeroDivisionError

    sink = Sink(began=fail, responded=fail, ended=fail)
    upstream = ScriptedUpstream(answering(OK, OK))
    async with upstream.serving(), running_proxy(upstream.port, sinks=[sink]) as proxy:
        async with client(proxy.port) as peer:
            for _ in range(2):
                await peer.send(HEAD + b"\r\n")
                assert (await peer.response())[1] == b"ok"
        await proxy.records.wait_for(2)
    written = capfd.readouterr().err
    assert written.count(": ZeroDivisionError\n") == 6
    assert f"defect in request {proxy.records[0].request_id}: ZeroDivisionError" in written
