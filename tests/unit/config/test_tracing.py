"""The keys of tracing: what is refused, and what is said of it."""

import subprocess
import sys

import pytest

from proxy.config import tracing_rules
from proxy.config.sources import load
from proxy.config.tracing_rules import traces_url

UPSTREAM = {"upstreams.default.urls": ["http://127.0.0.1:9000"]}


def problems(*settings: str) -> list[str]:
    return [str(problem) for problem in load(None, {}, UPSTREAM, settings).problems]


WRONG = [
    # setting                                        what is said
    ("tracing.otlp_endpoint=collector:4318",         "expected http://HOST[:PORT][/PATH] or https://..."),
    ("tracing.otlp_endpoint=grpc://collector:4317",  "expected http://HOST[:PORT][/PATH] or https://..."),
    ("tracing.otlp_endpoint=http://c:99999",         "expected http://HOST[:PORT][/PATH] or https://..."),
    ("tracing.otlp_endpoint=http://c/?a",            "and no more"),
    ("tracing.otlp_endpoint=http://u:s3cret@c",      "put secrets into the environment: OTEL_EXPORTER_OTLP_HEADERS"),
    ("tracing.sample_percent=-1",                    "expected a number from 0 to 100"),
    ("tracing.sample_percent=100.5",                 "expected a number from 0 to 100"),
    ("tracing.sample_percent=nan",                   "expected a number from 0 to 100"),
    ("tracing.sample_percent=many",                  "expected a number"),
    ("tracing.sample_percents=1",                    "unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("setting", "said"), WRONG)
def test_a_setting_that_cannot_work_is_refused(setting: str, said: str) -> None:
    [found] = problems(setting)
    assert said in found
    assert "s3cret" not in found


@pytest.mark.parametrize("percent", ["0", "0.01", "100"])
def test_any_percentage_will_do(percent: str) -> None:
    assert problems(f"tracing.sample_percent={percent}", "tracing.otlp_endpoint=http://127.0.0.1:4318") == []


def test_without_the_extra_the_configuration_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing_rules, "_NEEDED", ("no_such_package.sdk",))
    [found] = problems("tracing.otlp_endpoint=http://127.0.0.1:4318")
    assert "pip install 'onehop[otlp]'" in found


def test_tracing_is_off_unless_there_is_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing_rules, "_NEEDED", ("no_such_package.sdk",))
    assert problems() == []


URLS = [
    ("http://c:4318", "http://c:4318/v1/traces"),
    ("https://c/", "https://c/v1/traces"),
    ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
    ("http://c/otlp", "http://c/otlp"),
]


@pytest.mark.parametrize(("endpoint", "url"), URLS)
def test_without_a_path_it_is_that_of_the_protocol(endpoint: str, url: str) -> None:
    assert traces_url(endpoint) == url


def test_nothing_of_opentelemetry_is_loaded_where_tracing_is_off() -> None:
    code = "import sys, proxy.process.worker, proxy.cli.main; print('opentelemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
