"""The admin listener's keys: what is refused, and what is said of it."""

from pathlib import Path

import pytest

from proxy.config.sources import load

TOKEN = "0123456789abcdef"


def problems(*settings: str, url: str = "http://127.0.0.1:9000") -> list[str]:
    """What is said of a configuration with one upstream."""
    return [str(problem) for problem in load(None, {}, {"upstreams.default.urls": [url]}, settings).problems]


WRONG = [
    # setting                                what is said
    ("admin.listen=9901",                    'expected an address as "HOST:PORT", or unix:/PATH, or "" for none'),
    ("admin.listen=127.0.0.1:8080",          "clients are accepted at this address: expected another one"),
    ("admin.token_file=/nowhere/token",      "cannot be read: No such file or directory"),
    ("admin.listens=:1",                     "unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "said"), WRONG)
def test_a_setting_that_cannot_work_is_refused(setting: str, said: str) -> None:
    [found] = problems(setting)
    assert said in found


@pytest.mark.parametrize("content", ["", "two words of a token", f"{TOKEN}\n{TOKEN}\n", "\xfc" * 20])
def test_a_token_that_is_none_is_refused_and_not_shown(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    [found] = problems(f"admin.token_file={file}")
    assert "expected one line with a token: letters, digits and ._~+/-" in found
    assert not content or content not in found


def test_a_token_may_end_with_a_line_end(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}=\n")
    assert problems(f"admin.token_file={tmp_path / 'token'}") == []


REACHED = [
    # admin.listen        upstream                   refused
    ("127.0.0.1:9901",    "http://127.0.0.1:9901",   True),
    ("127.0.0.1:9901",    "http://localhost:9901",   True),
    ("127.0.0.1:9901",    "http://[::1]:9901",       True),
    (":9901",             "http://127.0.0.1:9901",   True),
    ("10.0.0.1:9901",     "http://10.0.0.1:9901",    True),
    ("127.0.0.1:9901",    "http://127.0.0.1:9902",   False),
    ("127.0.0.1:9901",    "http://app:9901",         False),
    ("10.0.0.1:9901",     "http://127.0.0.1:9901",   False),
    ("127.0.0.1:0",       "http://127.0.0.1:9901",   False),
    ("",                  "http://127.0.0.1:9901",   False),
]  # fmt: skip


@pytest.mark.parametrize(("listen", "url", "refused"), REACHED)
def test_no_upstream_is_the_admin_listener(listen: str, url: str, refused: bool) -> None:
    found = problems(f"admin.listen={listen}", url=url)
    assert ["this is the admin listener" in line for line in found] == ([True] if refused else [])
