"""The keys of explanations on the wire: what is refused, and that nothing shows the secret."""

import pytest

from proxy.config.show import effective
from proxy.config.sources import load
from tests.unit.cli.calling import onehop
from tests.unit.config.test_admin import problems

SECRET = "correct-horse-battery"

WRONG = [
    # settings                                                      what is said
    (["explain.secret=hunter2"],                                    "expected 16 to 256 visible ASCII characters, without spaces"),
    (["explain.secret=hunter2 hunter2 hunter2"],                    "expected 16 to 256 visible ASCII characters"),
    (["explain.header=X-My-Secret"],                                "explain needs a secret: without one, it is off"),
    ([f"explain.secret={SECRET}", "explain.header=X Y"],            "expected a field name"),
    ([f"explain.secret={SECRET}", "explain.header=X-Debug"],        'with "secret", "token" or "key" in it'),
    ([f"explain.secret={SECRET}", "explain.header=Authorization"],  "expected a name of its own"),
    ([f"explain.secret={SECRET}", "explain.networks=10.0.0.0/33"],  "expected a network such as 10.0.0.0/8"),
    ([f"explain.secret={SECRET}", "explain.networks="],             "expected the networks that may ask"),
    ([f"explain.secret={SECRET}", "explain.field_bytes=10"],        "expected 256 to 32768"),
    ([f"explain.secret={SECRET}", "explain.field_bytes=1m"],        "expected 256 to 32768"),
    ([f"explain.secret={SECRET}", "explain.server_timing=perhaps"], "explain.server_timing"),
    ([f"explain.secret={SECRET}", "explain.secrets=x"],             "unknown key"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "said"), WRONG)
def test_a_setting_that_cannot_work_is_refused(settings: list[str], said: str) -> None:
    [found] = problems(*settings)
    assert said in found
    assert "hunter2" not in found and SECRET not in found


def test_the_secret_is_not_shown() -> None:
    settings = (f"explain.secret={SECRET}",)
    loaded = load(None, {}, {"upstreams.default.urls": ["http://u"]}, settings)
    rows = {name: value for name, value, _ in effective(loaded.valid(), loaded.sources)}
    assert rows["explain.secret"] == "***"
    shown = onehop("check", "--print", "--upstream", "http://u", "--set", settings[0])
    assert shown.exit_code == 0
    assert SECRET not in shown.output


def test_no_log_may_have_the_field() -> None:
    assert any("secret" in found for found in problems("access_log_fields=request:X-Explain-Secret"))
