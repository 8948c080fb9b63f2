"""Which logins hold for a connection: a table."""

import pytest

from proxy.policy.connection_auth import request_authenticates_connection, response_authenticates_connection
from tests.harness.notation import request, response

REQUESTS = [
    ("Authorization: NTLM TlRM", True),
    ("authorization: negotiate YII=", True),
    ("Authorization: Basic YTpi", False),
    ("Authorization: NTLMX a", False),
    ("Authorization: Bearer NTLM", False),
    ("X-Authorization: NTLM a", False),
    ("Authorization:", False),
]
CHALLENGES = [
    ("WWW-Authenticate: NTLM", True),
    ("WWW-Authenticate: Negotiate|WWW-Authenticate: Basic realm=x", True),
    ('www-authenticate: Basic realm="x", NTLM', True),
    ("WWW-Authenticate: NTLM TlRMTVNTUAAC", True),
    ('WWW-Authenticate: Basic realm="a, NTLM"', False),
    ('WWW-Authenticate: Basic realm="a\\", NTLM"', False),
    ("WWW-Authenticate: Digest realm=NTLM", False),
    ("WWW-Authenticate: ,", False),
]


@pytest.mark.parametrize(("fields", "binds"), REQUESTS)
def test_a_request_with_such_a_login(fields: str, binds: bool) -> None:
    assert request_authenticates_connection(request(f"GET / HTTP/1.1|{fields}")) is binds


@pytest.mark.parametrize(("fields", "binds"), CHALLENGES)
def test_a_401_that_asks_for_one(fields: str, binds: bool) -> None:
    assert response_authenticates_connection(response(f"HTTP/1.1 401 Unauthorized|{fields}")) is binds
