"""What is said about wrong values of what watches the origins of an upstream."""

from pathlib import Path

import pytest

from proxy.config.sources import load

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
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_value_is_told(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "onehop.toml"
    file.write_text(f'[upstreams.a]\nurls = ["http://a:80"]\n{text}\n')
    [problem] = load(file, {}, {}).problems
    assert said in str(problem)
