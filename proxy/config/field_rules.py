"""Rules for the fields that a route changes, which types cannot express."""

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
_DONE: Final = {"put": "put", "add": "added"}
_NOT_A_ROUTES: Final = names(Trait.HOP_BY_HOP | Trait.FRAMING | Trait.AUTHORITY)


def field_problems(
    key: tuple[str, ...], rules: FieldRulesConfig, stated: frozenset[bytes], stated_anyway: frozenset[bytes]
) -> Iterator[Finding]:
    """What is wrong with a route's `put`, `add` and `remove`. `stated` cannot be put or added, `stated_anyway` not
    removed."""
    places = [("put", name) for name in rules.put] + [("add", name) for name in rules.add]
    for where, name in (*places, *(("remove", name) for name in rules.remove)):
        at = (*key, where) if where == "remove" else (*key, where, name)
        # Services that read CGI's variables take `_` for `-`: X_Forwarded_For would contradict ours.
        canonical = canonical_name(name.encode("latin-1", "replace"))
        if not TOKEN.fullmatch(name.encode("latin-1", "replace")):
            yield at, f'"{name}"', "expected a field name"
        elif "*" in name:  # a valid token, but meant as a pattern
            yield at, f'"{name}"', "names have no wildcards: write each name by itself"
        elif canonical in _NOT_A_ROUTES:
            hint = "; to change Host, set upstreams.NAME.host" if canonical == b"host" else ""
            yield at, f'"{name}"', f"belongs to one hop, and is rewritten for each{hint}"
        elif where != "remove" and canonical in stated:
            yield at, f'"{name}"', "is stated by this proxy itself"
        elif where == "remove" and canonical in stated_anyway and name not in rules.put:
            yield at, f'"{name}"', "leave this out: onehop states its own, whatever the client says"
    taken: dict[str, tuple[str, str]] = {}
    for where, name in places:
        value = (rules.put if where == "put" else rules.add)[name]
        first = taken.setdefault(name.lower(), (where, name))
        if first != (where, name):
            yield (*key, where, name), MASK, f"is {_DONE[first[0]]} already, as {first[1]}"
        if not VALUE.fullmatch(value):
            yield (*key, where, name), MASK, "expected one line of Latin-1 text without control characters"
