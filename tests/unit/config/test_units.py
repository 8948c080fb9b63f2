"""Times and sizes as people write them, in each source of the configuration."""

import json
import re
from pathlib import Path

import pytest

from proxy.config.schema import config_schema
from proxy.config.sources import load
from proxy.config.units import seconds, size, unit_of

ONE = {"upstreams.default.urls": ["http://127.0.0.1:9000"]}

TIMES = [
    ("10s", 10), ("1m30s", 90), ("1m 30s", 90), ("500ms", 0.5), ("1.5s", 1.5), ("2 min", 120), ("1h", 3600),
    ("1d", 86_400), (" 10 s ", 10), ("1h1m1s", 3661),
]  # fmt: skip
NO_TIMES = ["", "s", "10", "10 parsecs", "-1s", "1m30", "1e3s", "10S0", "1s\n2", "inf s", "1_0s"]
SIZES = [
    ("64k", 65_536), ("64K", 65_536), ("64kB", 65_536), ("10 MiB", 10_485_760), ("10MiB", 10_485_760), ("1g", 1 << 30),
    ("1.5k", 1536), ("100", 100), ("100B", 100), ("2 TiB", 1 << 41),
]  # fmt: skip
NO_SIZES = ["", "k", "64q", "-1k", "1k2", "0.3k", "1e3", "64 kk", "٦k"]


@pytest.mark.parametrize(("text", "value"), TIMES)
def test_a_time_with_its_unit_is_seconds(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", NO_TIMES)
def test_a_text_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="1m30s"):
        seconds(text)


@pytest.mark.parametrize(("text", "value"), SIZES)
def test_a_size_with_its_unit_is_bytes(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", NO_SIZES)
def test_a_text_that_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"10 MiB|whole number"):
        size(text)


def test_the_file_the_environment_and_set_take_units(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('[timeouts]\nconnect_s = "1m30s"\n[limits]\nrequest_body_bytes = "10 MiB"\n')
    environ = {"ONEHOP_TIMEOUTS_DRAIN_S": "500ms", "ONEHOP_LIMITS_TRAILER_BYTES": "64k"}
    config = load(file, environ, ONE, ["timeouts.linger_s=2s", "pool.replay_bytes=1k"]).config
    assert config is not None
    assert (config.timeouts.connect_s, config.timeouts.drain_s, config.timeouts.linger_s) == (90, 0.5, 2)
    assert (config.limits.request_body_bytes, config.limits.trailer_bytes) == (10 << 20, 64 << 10)
    assert config.pool.replay_bytes == 1024


WRONG = [
    ("timeouts.connect_s=10x", 'timeouts.connect_s = "10x": expected a time: a number of seconds, or a text such as'),
    ("limits.trailer_bytes=10x", 'limits.trailer_bytes = "10x": expected a size: a number of bytes, or a text such as'),
    ("timeouts.connect_s=0s", "expected more than 0 seconds"),
    ("limits.request_head_bytes=1k1", "expected a size"),
    ("limits.request_head_bytes=512b", "expected 1024 or more"),
    ("limits.field_count=1k", "expected a whole number"),  # a count has no unit
    ("workers=1k", "expected a whole number"),
]


@pytest.mark.parametrize(("setting", "said"), WRONG)
def test_a_wrong_time_or_size_is_told_with_what_to_write(setting: str, said: str) -> None:
    [found] = map(str, load(None, {}, ONE, [setting]).problems)
    assert said in found


def test_a_rate_is_no_time() -> None:
    assert unit_of("requests_per_s") is None
    assert unit_of("request_minimum_bytes_per_s") == unit_of("request_body_bytes")
    assert unit_of("connect_s") != unit_of("connections")


@pytest.mark.parametrize(
    ("table", "key", "values", "others"),
    [("Timeouts", "connect_s", TIMES, NO_TIMES), ("Limits", "trailer_bytes", SIZES, NO_SIZES)],
)
def test_an_editor_takes_units_too(table: str, key: str, values: list[tuple[str, float]], others: list[str]) -> None:
    schema = json.loads(json.dumps(config_schema()))
    number, text = schema["$defs"][table]["properties"][key]["anyOf"]
    assert number["type"] in ("number", "integer")
    assert all(re.search(text["pattern"], said) for said, _ in values if said == said.strip())
    assert not any(re.search(text["pattern"], said) for said in others if "\n" not in said and "0.3" not in said)
