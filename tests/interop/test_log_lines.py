"""The access log of the command, as it stands on standard output."""

import json
import re
import sys

import pytest

from tests.harness.processes import onehop, output_of
from tests.harness.scripted import OK, PATIENCE_S, ScriptedUpstream, answering, client

REQUESTS = [
    b'GET /a"b HTTP/1.1\r\nHost: h\r\nUser-Agent: "Mozilla"\r\n\r\n',
    b"GET /refused HTTP/1.1\r\nHost: h\r\nUser-Agent: curl/8\r\nX : 1\r\n\r\n",
]


@pytest.mark.parametrize("form", ["json", "text"])
async def test_each_request_has_its_line_also_a_refused_one_and_a_health_check_has_none(form: str) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving():
        arguments = ("--listen", "127.0.0.1:0", "--upstream", f"http://127.0.0.1:{upstream.port}", "--workers", "1")
        async with onehop("run", *arguments, "--access-log", form) as proxy:
            for request in REQUESTS:
                async with client(proxy.port) as peer:
                    await peer.send(request)
                    await peer.response()
            listening = f"127.0.0.1:{proxy.port}"
            asked = await output_of(
                sys.executable, "-m", "proxy", "health", "--listen", listening, patience_s=PATIENCE_S
            )
            assert asked == (0, "")
    if form == "text":
        assert re.findall(r'"GET .*?HTTP/1.1" \d+', "\n".join(proxy.log)) == [
            '"GET /a\\"b HTTP/1.1" 200',
            '"GET /refused HTTP/1.1" 400',
        ]
        return
    lines = [json.loads(line) for line in proxy.log]
    told = [(line["target"], line["host"], line["user_agent"], line["status"]) for line in lines]
    assert told == [('/a"b', "h", '"Mozilla"', 200), ("/refused", "h", "curl/8", 400)]
    assert all(0 <= line["first_byte_s"] <= line["duration_s"] for line in lines)
