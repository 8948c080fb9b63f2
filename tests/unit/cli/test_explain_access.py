"""What a route asks before a request goes on is told, and a network that is refused is refused here, too."""

from pathlib import Path

import pytest

from proxy.cli.explain import as_wire, explain_request, setup_from
from proxy.cli.explanation import plain
from proxy.config.sources import load
from proxy.errors import Forbidden

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"


def explained(example: str, client: str, *lines: str, trusted: str = "") -> list[str]:
    environ = {"ONEHOP_TRUSTED_NETWORKS": trusted}
    config = load(EXAMPLES / f"{example}.toml", environ).valid()
    return plain(explain_request(as_wire("\n".join(lines).encode()), setup_from(config, client)))


def test_what_is_asked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    told = explained("auth-service", "10.0.0.1", "GET /admin HTTP/1.1", "Host: h", "x_user: root")
    assert (
        "the route asks for: its networks let 10.0.0.1 in; a 2xx of upstream auth, whose X-User, X-Groups goes along"
        in told
    )
    assert any(line.startswith("stripped   x_user: root") for line in told)
    told = explained("basic-auth", "192.0.2.1", "GET /admin HTTP/1.1", "Host: h", "Authorization: Basic x")
    assert f"the route asks for: a name and a password of {EXAMPLES}/users.htpasswd" in told
    assert not any(line.startswith("  Authorization") for line in told)
    assert "the route asks for: a token of its rate limit" in explained(
        "rate-limits", "192.0.2.1", "GET /api HTTP/1.1", "Host: h"
    )
    assert not any("asks for" in line for line in explained("one-service", "::1", "GET / HTTP/1.1", "Host: h"))


def test_a_network_that_is_refused_is_refused() -> None:
    head = ("GET /admin HTTP/1.1", "Host: h")
    with pytest.raises(Forbidden):
        explained("auth-service", "192.0.2.1", *head)
    with pytest.raises(Forbidden):
        explained("auth-service", "192.0.2.1", *head, "X-Forwarded-For: 10.0.0.1")
    told = explained("auth-service", "192.0.2.1", *head, "X-Forwarded-For: 10.0.0.1", trusted="192.0.2.0/24")
    assert any("its networks let 10.0.0.1 in" in line for line in told)
