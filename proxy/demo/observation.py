"""A request as onehop received it, with its decisions, for the page. Decides nothing itself."""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

_ALREADY_MASKED: Final = re.compile(r"\*\*\* \([0-9]+ bytes\)")
_SECRET_NAMES: Final = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
_SECRET_WORDS: Final = ("token", "secret", "api-key", "api_key", "apikey", "password")


class FieldNote(NamedTuple):
    """One field line of the request, and the decision about it."""

    name: str
    value: str
    verdict: str  # one of VERDICTS; another is shown as it is
    rule: str  # why, as a sentence


class Observation(NamedTuple):
    """One request as it arrived at onehop."""

    request_line: str
    fields: list[FieldNote]


#: Finds an observation by the request's X-Request-Id. None: onehop did not see this request.
Lookup = Callable[[str], Observation | None]

#: The sign of each verdict on the page: some readers cannot tell colours apart.
VERDICTS: Final = {"kept": "✓", "stripped": "✕", "set": "+", "replaced": "⇄", "untrusted": "!"}


def shown_value(name: str, value: str) -> str:
    """Return the value as a page may show it: of a secret, only its size."""
    lowered = name.lower()
    if lowered not in _SECRET_NAMES and not any(word in lowered for word in _SECRET_WORDS):
        return value
    if _ALREADY_MASKED.fullmatch(value):
        return value  # masked again, it would state the size of the mask
    return f"*** ({len(value.encode())} bytes)"
