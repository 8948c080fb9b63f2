"""How many examples: a hundred in a plain run, more or fewer with HYPOTHESIS_PROFILE=long or few."""

import os

from hypothesis import HealthCheck, settings

# A shared or slow machine is no finding.
_UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("default", _UNTIMED, max_examples=100, stateful_step_count=30)
settings.register_profile("few", _UNTIMED, max_examples=25, stateful_step_count=30)
settings.register_profile("long", _UNTIMED, max_examples=5_000, stateful_step_count=100)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
