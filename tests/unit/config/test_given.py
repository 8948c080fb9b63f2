"""Paths of files: relative to the file in which they stand."""

from pathlib import Path

import pytest

from proxy.config.sources import load
from tests.harness.tls import Authority, authority

__all__ = ["authority"]


def test_relative_paths_begin_at_the_file_in_which_they_stand(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "elsewhere").mkdir()
    authority.file("a.example", path=str(tmp_path / "more" / "a.pem"))
    for name in ("sorry.html", "more/page.html", "more/token"):
        (tmp_path / name).write_text("x" * 40)
    (tmp_path / "onehop.toml").write_text(
        """
        include = ["more/*.toml"]
        access_log_file = "access.log"
        error_pages = { "502" = "sorry.html" }
        [upstreams.app]
        urls = ["https://127.0.0.1:9000"]
        tls = { ca = "ca.pem", certificate = "more/a.pem" }
        """
    )
    (tmp_path / "more" / "more.toml").write_text(
        """
        [admin]
        token_file = "token"
        [listeners.a]
        address = ":1"
        [listeners.a.tls]
        certificates = [{ certificate = "a.pem", key = "a.pem" }, { certificate = "SECOND" }]
        client_ca = "../ca.pem"
        client_certificate = "optional"
        [routes.r]
        respond = { file = "page.html" }
        error_pages = { "5xx" = "../sorry.html" }
        [routes.s]
        path = "/s"
        upstream = "app"
        access.basic_auth = "users"
        """.replace("SECOND", authority.file("b.example"))
    )
    monkeypatch.chdir(tmp_path / "elsewhere")
    for where in (tmp_path, Path("..")):
        found = load(where / "onehop.toml", {})
        assert [problem.key for problem in found.problems] == ["routes.s.access.basic_auth"]  # that one is missing
        assert f'= "{where / "more" / "users"}"' in str(found.problems[0])


def test_those_of_flags_begin_where_onehop_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.html").write_text("hello")
    monkeypatch.chdir(tmp_path)
    config = load(None, {"ONEHOP_ACCESS_LOG_FILE": "a.log"}, {}, ['routes.r.respond={ file = "page.html" }'])
    given = config.valid()
    assert given.access_log_file == "a.log"
    assert given.routes["r"].respond.file == "page.html"  # type: ignore[union-attr]
