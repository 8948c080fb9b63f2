"""Where a worker's self-test finds that a pattern is wrong, the worker says so and reads everything by the h11 parser."""

import pytest
from click.testing import CliRunner

from proxy.cli.main import main
from proxy.http1.parsing import fast_path
from tests.harness.running_proxy import running_proxy
from tests.harness.scripted import OK, ScriptedUpstream, answering, client, fields_of
from tests.unit.http1.parsing.test_self_test import REQUEST_CUT, RESPONSE_CUT

_REQUEST = b"GET /a HTTP/1.1\r\nHost: h\r\nX-Empty: \r\nCookie: c=1\r\nAuthorization: b\r\n\r\n"
_SAID = "self-test failed on this Python"


def break_the_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_path, "_REQUEST", REQUEST_CUT)
    monkeypatch.setattr(fast_path, "_RESPONSE", RESPONSE_CUT)


async def test_a_worker_with_a_broken_pattern_says_so_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    break_the_patterns(monkeypatch)
    found = fast_path._REQUEST.match(_REQUEST)
    assert found is not None
    assert b"Cookie" not in found[0], "the pattern is not broken: nothing would be shown"
    received: list[bytes] = []
    answer = b"HTTP/1.1 200 OK\r\nX-Empty: \r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok"
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
    assert fields_of(head)["set-cookie"] == ["a=b"]
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
    break_the_patterns(monkeypatch)
    broken = CliRunner().invoke(main, ["check", "--upstream", "http://127.0.0.1:1"])
    assert broken.exit_code == 0
    assert broken.stderr.startswith(f"onehop: {_SAID}: ")
