"""The command `onehop explain`: what it goes by, what it writes where, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.cli.calling import onehop

GET = b"GET /api/x HTTP/1.1\nHost: h\nX-Env: prod\n"


@pytest.fixture
def config(tmp_path: Path) -> str:
    file = tmp_path / "onehop.toml"
    file.write_text(
        """
        trusted_networks = ["10.0.0.0/8"]
        upgrades = ["tcp"]
        [upstreams.app]
        urls = ["http://app:8000"]
        host = "app.internal"
        [routes.api]
        upstream = "app"
        path = "/api"
        request_fields.put = { X-Env = "prod" }
        response_fields.remove = ["Server"]
        [routes.other]
        upstream = "app"
        host = "other.example"
        """
    )
    return str(file)


def test_it_goes_by_the_file(config: str) -> None:
    output = onehop("explain", "--config", config, stdin=GET).stdout
    assert "replaced   X-Env: prod" in output, "though the route puts the same value"
    assert "  Host: app.internal\n" in output
    assert "the route: api, to upstream app" in output


def test_it_goes_by_environment_and_settings(config: str) -> None:
    head = GET + b"Via: 1.1 onehop, 1.1 onehop\n"
    refused = onehop("explain", "--set", "limits.passes=2", stdin=head, ONEHOP_CONFIG=config)
    assert refused.exit_code == 1
    assert refused.stderr == "refused with 508, loop_detected: this request has been through this proxy 2 times\n"
    assert onehop("explain", stdin=head, ONEHOP_CONFIG=config).exit_code == 0
    assert "  CDN-Loop: onehop" in onehop("explain", "--set", "via=false", stdin=GET).stdout


def test_it_goes_by_the_client(config: str) -> None:
    head = GET + b"X-Forwarded-For: 203.0.113.9\nX-Request-Id: abc\n"
    stranger = onehop("explain", "--config", config, stdin=head).stdout
    assert "untrusted  X-Forwarded-For: 203.0.113.9" in stranger
    assert "  X-Forwarded-For: 192.0.2.1\n" in stranger
    gateway = onehop("explain", "--config", config, "--client", "10.0.0.1", stdin=head).stdout
    assert "  X-Forwarded-For: 203.0.113.9, 10.0.0.1\n" in gateway
    assert "  X-Request-Id: abc\n" in gateway
    assert onehop("explain", "--client", "nobody", stdin=head).exit_code == 2


REFUSED = [
    (b"GET https://h/api HTTP/1.1\nHost: h\n",        "refused with 421, misdirected: "),
    (b"GET /none HTTP/1.1\nHost: h\n",                 "refused with 404, no_route: "),
    (b"POST /api HTTP/1.1\nHost: h\nContent-Length: 10\n", "refused with 413, body_too_large: "),
]  # fmt: skip


@pytest.mark.parametrize(("head", "said"), REFUSED)
def test_what_the_proxy_would_refuse_is_refused(config: str, head: bytes, said: str) -> None:
    result = onehop("explain", "--config", config, "--set", "limits.request_body_bytes=5", stdin=head)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(said)


def test_a_response_meets_the_rules_of_the_route_that_is_named(config: str) -> None:
    head = b"HTTP/1.1 200 OK\nServer: x\nContent-Length: 0\n"
    notes = json.loads(
        onehop("explain", "--config", config, "--response", "--route", "api", "--json", stdin=head).stdout
    )
    assert (notes[0]["name"], notes[0]["verdict"], notes[0]["rule"]) == (
        "Server",
        "stripped",
        "removed by the route's rules",
    )
    assert "kept       Server: x" in onehop("explain", "--config", config, "--response", stdin=head).stdout
    unknown = onehop("explain", "--config", config, "--response", "--route", "x", stdin=head)
    assert unknown.exit_code == 2


TURNED_BACK = [
    # which                                            Location
    (["--route", "v1"],                                "/v1/login"),
    (["--url", "http://any/v1/a"],                     "/v1/login"),
    (["--url", "http://any/other"],                    "/login"),
    (["--route", "v1", "--url", "http://any/other"],   "/login"),
    ([],                                               "/login"),
]  # fmt: skip


@pytest.mark.parametrize(("which", "location"), TURNED_BACK)
def test_a_response_is_that_to_a_request(tmp_path: Path, which: list[str], location: str) -> None:
    file = tmp_path / "onehop.toml"
    file.write_text(
        '[upstreams.app]\nurls = ["http://app"]\n[routes.v1]\nupstream = "app"\npath = "/v1"\nstrip_prefix = "/v1"\n'
        'methods = ["POST"]\n[routes.all]\nupstream = "app"\n[routes.fixed]\npath = "/fixed"\nrespond = { status = 204 }\n'
    )
    if which[:1] == ["--url"] and "/v1" in which[1]:
        file.write_text(file.read_text().replace('methods = ["POST"]\n', ""))
    head = b"HTTP/1.1 302 Found\nLocation: /login\nContent-Length: 0\n"
    result = onehop("explain", "--config", str(file), "--response", *which, stdin=head)
    assert (result.exit_code, result.stderr) == (0, "")
    assert f"  Location: {location}\n" in result.stdout.partition("The next hop is sent:")[2]
    for words, said in (
        (["--route", "fixed"], "no service is asked, the route answers itself"),
        (["--url", "http://any/fixed"], "no service is asked"),
        (["--url", "http://a b/"], "http://a b/"),
    ):
        wrong = onehop("explain", "--config", str(file), "--response", *words, stdin=head)
        assert wrong.exit_code == 2
        assert said in " ".join(wrong.stderr.split())
    assert "--url: only with --response" in onehop("explain", "--url", "http://h/", stdin=GET).stderr


def test_a_broken_configuration_is_told_and_nothing_is_explained() -> None:
    result = onehop("explain", "--set", "limits.passes=0", stdin=GET)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "limits.passes" in result.stderr


def test_a_person_at_a_terminal_is_told_that_it_waits() -> None:
    ours, theirs = os.openpty()
    try:
        os.write(ours, GET + b"\n\x04")  # Ctrl-D at the beginning of a line ends it
        done = subprocess.run(
            [sys.executable, "-m", "proxy", "explain"], stdin=theirs, capture_output=True, text=True, check=True
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stderr == "Type or paste a head; an empty line and Ctrl-D end it.\n"
    assert "  X-Env: prod\n" in done.stdout
