"""max_connections, queue and queue_s: what is refused, and how they are divided over workers."""

from pathlib import Path

import pytest

from proxy.config.build import share
from proxy.config.model import Config
from proxy.config.sources import load
from proxy.config.upstream_model import UpstreamConfig
from proxy.process import cpus
from proxy.process.cpus import worker_count

REFUSED = [
    # lines of the table                          said
    ("max_connections = -1",                      "max_connections = -1: expected a whole number >= 0"),
    ("max_connections = 1",                       "max_connections = 1: expected 2 or more: each of the workers opens"),
    ("queue = 3",                                 "queue = 3: does nothing without max_connections"),
    ("max_connections = 2\nqueue = -1",           "queue = -1: expected a whole number >= 0"),
    ("queue_s = 0",                               "queue_s = 0: expected more than 0 seconds"),
    ("queue_s = 7200",                            "queue_s = 7200: expected more than 0 seconds, and an hour at most"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "said"), REFUSED)
def test_what_cannot_work_is_refused(tmp_path: Path, lines: str, said: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(f"workers = 2\n[upstreams.a]\nurls = ['http://a']\n{lines}\n")
    [found] = map(str, load(file, {}).problems)
    assert found.partition("upstreams.a.")[2].startswith(said)


@pytest.mark.parametrize(("total", "workers"), [(1, 1), (10, 4), (4, 4), (7, 3), (100, 8)])
def test_the_shares_of_all_workers_are_the_whole(total: int, workers: int) -> None:
    shares = [share(total, workers, number) for number in range(workers)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


COUNTS = [
    # workers   cpus   max_connections   workers that there are
    (0,         8,     [0],              8),
    (0,         8,     [3],              3),
    (0,         2,     [3, 5],           2),
    (0,         8,     [5, 0, 3],        3),
    (4,         1,     [4],              4),
]  # fmt: skip


@pytest.mark.parametrize(("workers", "granted", "limits", "expected"), COUNTS)
def test_each_worker_has_a_connection_at_least(
    workers: int, granted: int, limits: list[int], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpus, "granted_cpus", lambda: granted)
    upstreams = {
        str(number): UpstreamConfig(urls=["http://a"], max_connections=limit) for number, limit in enumerate(limits)
    }
    assert worker_count(Config(workers=workers, upstreams=upstreams)) == expected
