"""Where a worker's self-test finds that a pattern is wrong, the worker says so and reads everything by the h11 parser."""

import pytest
from click.testing import CliRunner

from proxy.cli.main import main
from proxy.http1.parsing import fast_path
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client, fields_of
from tests.unit.http1.parsing.test_self_test import FIELD_LINE_CUT, break_pattern

_REQUEST = b"GET /a HTTP/1.1\r\nHost: h\r\nX-A: 1 \r\nCookie: c=1\r\nAuthorization: b\r\n\r\n"
_SAID = "self-test failed on this Python"


def break_the_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    break_pattern(monkeypatch, fast_path, "_FIELD_LINE", FIELD_LINE_CUT)


async def test_a_worker_with_a_broken_pattern_says_so_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    break_the_pattern(monkeypatch)
    read = fast_path.parse_plain_request(_REQUEST)
    assert read is not None
    assert (b"X-A", b"1 ") in read[0].fields, "the pattern is not broken: nothing would be shown"
    received: list[bytes] = []
    answer = b"HTTP/1.1 200 OK\r\nX-A: 1 \r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok"
    upstream = ScriptedUpstream(answering(answer, requests=received))
    async with upstream.serving(), running_proxy(upstream.port) as proxy, client(proxy.port) as peer:
        await peer.send(_REQUEST)
        head, body = await peer.response()
        assert proxy.worker.self_test_failures
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith(f"onehop: warning: {_SAID}: the fast path and the h11 parser read a request differently: ")
    assert fields_of(received[0])["cookie"] == ["c=1"]
    assert fields_of(received[0])["authorization"] == ["b"]
    assert b"\r\nX-A: 1\r\n" in received[0]
    assert fields_of(head)["set-cookie"] == ["a=b"]
    assert b"\r\nX-A: 1\r\n" in head
    assert body == b"ok"
    assert len(received) == 1


async def test_a_worker_with_sound_patterns_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    upstream = ScriptedUpstream(answering(OK))
    async with upstream.serving(), running_proxy(upstream.port) as proxy:
        assert proxy.worker.self_test_failures == []
    assert capfd.readouterr().err == ""


def test_the_command_check_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = CliRunner().invoke(main, ["check", "--upstream", "http://127.0.0.1:1"])
    assert _SAID not in sound.output
    break_the_pattern(monkeypatch)
    broken = CliRunner().invoke(main, ["check", "--upstream", "http://127.0.0.1:1"])
    assert broken.exit_code == 0
    assert broken.stderr.startswith(f"onehop: {_SAID}: ")
