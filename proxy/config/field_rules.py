"""What types cannot say about the fields that a route changes."""

import re
from collections.abc import Iterator
from typing import Final

from proxy.config.findings import Finding
from proxy.config.route_model import FieldRulesConfig
from proxy.http1.field_names import Trait, canonical_name, names
from proxy.http1.fields import TOKEN
from proxy.http1.masking import MASK

#: What a field's value may be: a line end in it would begin another field, or another request (CVE-2023-25690).
VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_NOT_A_ROUTES: Final = names(Trait.HOP_BY_HOP | Trait.FRAMING | Trait.AUTHORITY)


def field_problems(
    key: tuple[str, ...], rules: FieldRulesConfig, stated: frozenset[bytes], stated_anyway: frozenset[bytes]
) -> Iterator[Finding]:
    """What is wrong with a route's `put` and `remove`. `stated` cannot be put, `stated_anyway` not removed."""
    taken: dict[str, str] = {}
    for name in (*rules.put, *rules.remove):
        where = (*key, "put", name) if name in rules.put else (*key, "remove")
        # Services that read CGI's variables take `_` for `-`: X_Forwarded_For would speak against ours.
        canonical = canonical_name(name.encode("latin-1", "replace"))
        if not TOKEN.fullmatch(name.encode("latin-1", "replace")):
            yield where, f'"{name}"', "expected a field name"
        elif "*" in name:  # a token by the letter, but it is meant as a pattern
            yield where, f'"{name}"', "names have no wildcards: write each name by itself"
        elif canonical in _NOT_A_ROUTES:
            hint = "; to change Host, set upstreams.NAME.host" if canonical == b"host" else ""
            yield where, f'"{name}"', f"belongs to one hop, and is made anew for each{hint}"
        elif name in rules.put and canonical in stated:
            yield where, f'"{name}"', "is stated by this proxy itself"
        elif name not in rules.put and canonical in stated_anyway:
            expected = "leave this out: onehop states its own, whatever the client says"
            yield where, f'"{name}"', expected
    for name, value in rules.put.items():
        if (first := taken.setdefault(name.lower(), name)) != name:
            yield (*key, "put", name), MASK, f"is put already, as {first}"
        if not VALUE.fullmatch(value):
            yield (*key, "put", name), MASK, "expected one line of Latin-1 text without control characters"
