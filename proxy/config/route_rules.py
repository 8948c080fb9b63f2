"""Rules for routes that types cannot express."""

from collections.abc import Iterator
from typing import Final

import msgspec

from proxy.config.destinations import destination_problems
from proxy.config.field_rules import field_problems
from proxy.config.files import page_problems
from proxy.config.findings import Finding
from proxy.config.match_rules import match_problems
from proxy.config.model import Config
from proxy.config.rewriting import rewriting_problems
from proxy.config.setting_rules import number_problems, upgrade_problems
from proxy.http1.field_names import Trait, names

_STATED: Final = names(Trait.STATED_IN_REQUEST)
#: Fields that `remove` cannot change: a client's own are removed or stated anew in any case.
_STATED_ANYWAY: Final = names(Trait.STATED_ABOUT_CLIENT) | {b"expect", b"max-forwards"}
_STATED_IN_RESPONSE: Final = names(Trait.STATED_IN_RESPONSE)


def route_problems(config: Config) -> Iterator[Finding]:
    """Everything wrong with the routes of a configuration whose types are right."""
    yield from match_problems(config)
    yield from page_problems(config)
    if config.upstreams and not config.routes:
        yield ("routes",), "", "several upstreams need routes: a [routes.NAME] table for each"
    for name, route in config.routes.items():
        key = ("routes", name)
        yield from destination_problems(key, config, route)
        for table, settings in (("timeouts", route.timeouts), ("limits", route.limits)):
            yield from number_problems((*key, table), settings)
        if route.upgrades is not msgspec.UNSET:
            yield from upgrade_problems((*key, "upgrades"), route.upgrades)
        yield from rewriting_problems(key, route)
        anyway = _STATED_ANYWAY | {b"forwarded"} if config.forwarded else _STATED_ANYWAY
        yield from field_problems((*key, "request_fields"), route.request_fields, _STATED, anyway)
        yield from field_problems((*key, "response_fields"), route.response_fields, _STATED_IN_RESPONSE, frozenset())
