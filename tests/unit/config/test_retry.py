"""[upstreams.NAME.retry]: what is refused, and that what is accepted reaches the service."""

from pathlib import Path

import pytest

from proxy.config.build import retry_settings
from proxy.config.sources import load
from proxy.policy.retry import IDEMPOTENT, RetrySettings


def file_of(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "c.toml"
    file.write_text("\n".join(["[upstreams.a]\nurls = ['http://a']\n[upstreams.a.retry]", *lines]))
    return file


REFUSED = [
    # line                    said
    ("attempts = 0",          "attempts = 0: expected a whole number >= 1"),
    ("attempts = 101",        "attempts = 101: expected a whole number <= 100"),
    ('on = ["500"]',          "on = [\"500\"]: expected any of \"502\", \"503\", \"504\", \"connect_failure\""),
    ('on = "reset"',          "on = \"reset\": expected a list, got a text"),
    ('methods = ["post"]',    'methods = "post": expected a method, such as "POST"'),
    ('methods = ["PO ST"]',   'methods = "PO ST": expected a method, such as "POST"'),
    ("budget_percent = -1",   "budget_percent = -1: expected a number >= 0"),
    ("budget_percent = 101",  "budget_percent = 101: expected a number <= 100"),
    ("delay_s = 1",           "delay_s: unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "said"), REFUSED)
def test_what_cannot_work_is_refused(tmp_path: Path, line: str, said: str) -> None:
    [found] = map(str, load(file_of(tmp_path, line), {}).problems)
    assert found.partition("upstreams.a.retry.")[2].startswith(said)


def test_the_defaults(tmp_path: Path) -> None:
    config = load(file_of(tmp_path), {}).valid()
    assert retry_settings(config.upstreams["a"]) == RetrySettings(
        attempts=2, on=frozenset({"connect_failure"}), repeatable=IDEMPOTENT, budget_percent=20.0
    )


def test_every_key_reaches_the_service(tmp_path: Path) -> None:
    lines = ("attempts = 4", 'on = ["reset", "503"]', 'methods = ["POST"]', "budget_percent = 5")
    config = load(file_of(tmp_path, *lines), {}).valid()
    assert retry_settings(config.upstreams["a"]) == RetrySettings(
        attempts=4, on=frozenset({"reset", "503"}), repeatable=IDEMPOTENT | {b"POST"}, budget_percent=5.0
    )
