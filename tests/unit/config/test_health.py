"""What is said about wrong values of what watches the origins of an upstream."""

from pathlib import Path

import pytest

from proxy.config.sources import load
from proxy.upstream.health.settings import HealthCheckSettings

BAD = [
    # in the upstream's table, or below                         said
    ("slow_start_s = -1",                                       "upstreams.a.slow_start_s = -1: "),
    ("slow_start_s = 1e9",                                      "expected 0 to a day of seconds"),
    ("[upstreams.a.ejection]\nfailures = -1",                   "upstreams.a.ejection.failures = -1"),
    ("[upstreams.a.ejection]\neject_s = 0",                     "expected more than 0 and up to 300 seconds"),
    ('[upstreams.a.ejection]\neject_s = "6m"',                  "expected more than 0 and up to 300 seconds"),
    ("[upstreams.a.ejection]\nstatuses = [502, 99]",            "expected statuses from 200 to 599"),
    ("[upstreams.a.ejection]\nmax_ejected_percent = 101",       "upstreams.a.ejection.max_ejected_percent = 101"),
    ("[upstreams.a.ejection]\nfailure = 1",                     'did you mean "upstreams.a.ejection.failures"'),
    ("resolve_s = 0",                                           "expected more than 0 and up to a day of seconds"),
    ("[upstreams.a.health_check]\npath = 'healthz'",            'path = "healthz": expected a path such as /healthz'),
    ("[upstreams.a.health_check]\npath = '/a b'",               "expected a path such as /healthz"),
    ("[upstreams.a.health_check]\npath = '/a#b'",               "expected a path such as /healthz"),
    ("[upstreams.a.health_check]\npath = '/'\nhost = 'a b'",    "expected HOST or HOST:PORT"),
    ("[upstreams.a.health_check]\ninterval_s = 0",              "expected more than 0 and up to a day of seconds"),
    ("[upstreams.a.health_check]\ntimeout_s = -1",              "expected more than 0 and up to a day of seconds"),
    ("[upstreams.a.health_check]\nrise = 0",                    "upstreams.a.health_check.rise = 0"),
    ("[upstreams.a.health_check]\nfall = 0",                    "upstreams.a.health_check.fall = 0"),
    ("[upstreams.a.health_check]\npath = '/'\nstatus = '2xx'",  "expected statuses from 200 to 599"),
    ("[upstreams.a.health_check]\nstatus = '200'",              "does nothing without a path"),
    ("[upstreams.a.health_check]\nhost = 'a'",                  "does nothing without a path"),
    ("[upstreams.a.health_check]\nintervals_s = 1",             'did you mean "upstreams.a.health_check.interval_s"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_value_is_told(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "onehop.toml"
    file.write_text(f'[upstreams.a]\nurls = ["http://a:80"]\n{text}\n')
    [problem] = load(file, {}, {}).problems
    assert said in str(problem)


CHECKS = [
    # in the upstream's table                                   means
    ("",                                                        None),
    ("[upstreams.a.health_check]",                              HealthCheckSettings()),
    ('[upstreams.a.health_check]\ninterval_s = "1m"',           HealthCheckSettings(interval_s=60.0)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "meant"), CHECKS)
def test_the_table_alone_turns_checks_on(tmp_path: Path, text: str, meant: HealthCheckSettings | None) -> None:
    file = tmp_path / "onehop.toml"
    file.write_text(f'[upstreams.a]\nurls = ["http://a:80"]\n{text}\n')
    config = load(file, {}, {}).config
    assert config is not None
    assert config.upstreams["a"].health_check == meant
