"""How many examples: few in a plain run, many with HYPOTHESIS_PROFILE=long."""

import os

from hypothesis import HealthCheck, settings

# A shared or slow machine is no finding.
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("default", max_examples=100, stateful_step_count=30, **_UNTIMED)
settings.register_profile("long", max_examples=5_000, stateful_step_count=100, **_UNTIMED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
