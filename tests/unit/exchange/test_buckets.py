"""The table of buckets: its size is fixed, and processes share it."""

import contextlib
import os

import pytest

from proxy.exchange.buckets import Buckets
from proxy.policy.rate_limit import SECOND, RateLimit

ONE_A_MINUTE = RateLimit(b"r", 60 * SECOND, 1)
NOW = 1_000_000 * SECOND


def test_each_key_has_a_bucket_and_a_new_limit_reads_the_same_one() -> None:
    with contextlib.closing(Buckets()) as buckets:
        assert buckets.take(b"a", ONE_A_MINUTE, NOW) == 0
        assert buckets.take(b"a", ONE_A_MINUTE, NOW + SECOND) == 59 * SECOND
        assert buckets.take(b"b", ONE_A_MINUTE, NOW) == 0
        assert buckets.take(b"a", RateLimit(b"r", 60 * SECOND, 2), NOW + SECOND) == 0, "as after a reload"
        assert buckets.take(b"a", ONE_A_MINUTE, NOW + 119 * SECOND) == SECOND
        assert buckets.take(b"a", ONE_A_MINUTE, NOW + 120 * SECOND) == 0


def test_where_a_set_is_full_the_bucket_that_is_full_soonest_gives_way() -> None:
    with contextlib.closing(Buckets(sets=1)) as buckets:
        keys = [b"%d" % number for number in range(8)]
        for number, key in enumerate(keys):
            assert buckets.take(key, ONE_A_MINUTE, NOW + number * SECOND) == 0
        later = NOW + 10 * SECOND
        assert buckets.take(b"newcomer", ONE_A_MINUTE, later) == 0
        assert all(buckets.take(key, ONE_A_MINUTE, later) for key in [*keys[1:], b"newcomer"])
        assert buckets.take(keys[0], ONE_A_MINUTE, later) == 0, "the oldest was forgotten"


def test_a_request_that_is_refused_pushes_nobody_out() -> None:
    # Else a flood of refused requests would cost somebody else its memory, and the flood's own.
    with contextlib.closing(Buckets(sets=1)) as buckets:
        for number in range(8):
            buckets.take(b"%d" % number, ONE_A_MINUTE, NOW)
        for _ in range(100):
            assert buckets.take(b"0", ONE_A_MINUTE, NOW) > 0
        assert all(buckets.take(b"%d" % number, ONE_A_MINUTE, NOW) for number in range(8))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_processes_take_from_the_same_bucket_exactly_what_is_in_it() -> None:
    limit = RateLimit(b"r", 3_600 * SECOND, 500)
    with contextlib.closing(Buckets(patience_s=20.0)) as buckets:  # whoever else is busy on this machine
        results, told = os.pipe()
        children = []
        for _ in range(4):
            pid = os.fork()
            if not pid:
                took = sum(buckets.take(b"everybody", limit, NOW) == 0 for _ in range(400))
                os.write(told, b"%d\n" % took)
                os._exit(0)
            children.append(pid)
        for pid in children:
            assert os.waitpid(pid, 0)[1] == 0
        os.close(told)
        with os.fdopen(results, "rb") as file:
            counts = [int(line) for line in file]
        assert sum(counts) == 500
        assert len(counts) == 4


def test_without_a_nameless_file_of_the_kernels_a_temporary_one_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    with contextlib.closing(Buckets()) as buckets:
        assert buckets.take(b"a", ONE_A_MINUTE, NOW) == 0
        assert buckets.take(b"a", ONE_A_MINUTE, NOW) > 0
