"""What a route changes in the fields of a message, after stripping: so no peer can undo it by nominating a field."""

from functools import cached_property

import msgspec

from proxy.http1.field_names import canonical_name
from proxy.http1.fields import FieldLine, Fields
from proxy.policy.decisions import Decisions, Outcome, Rule

_PUT = Rule(Outcome.SET, "by the route's rules")
_PUT_ANEW = Rule(Outcome.REPLACED, "replaced by the route's rules")
_REMOVED = Rule(Outcome.REMOVED_BY_ROUTE, "removed by the route's rules")


class FieldRules(msgspec.Struct, frozen=True, dict=True):
    """What a route changes in a message's fields, after stripping: `remove` (lower-case names), then `put`,
    then `add`: one line more, whatever others there are.

    A name is meant in all its spellings, and `_` for `-` is one: CGI, WSGI and PHP services read both as one name.
    """

    remove: frozenset[bytes] = frozenset()
    put: tuple[FieldLine, ...] = ()
    add: tuple[FieldLine, ...] = ()

    @cached_property
    def _owned(self) -> dict[bytes, Rule]:
        """The rule for every name that the route puts or removes."""
        removed = dict.fromkeys(map(canonical_name, self.remove), _REMOVED)
        return removed | dict.fromkeys((canonical_name(name) for name, _ in self.put), _PUT_ANEW)

    def owns(self, name: bytes) -> bool:
        """Whether the route puts or removes a field."""
        return canonical_name(name) in self._owned

    def without_owned(self, lines: Fields, decisions: Decisions | None = None) -> Fields:
        """Return the lines that the route neither puts nor removes. Of a trailer section, only these may go on."""
        owned = self._owned
        if decisions is not None:
            for line in lines:
                if (rule := owned.get(canonical_name(line[0]))) is not None:
                    decisions.decide(line, rule)
        return [line for line in lines if canonical_name(line[0]) not in owned]

    def trailers(self, lines: Fields, decisions: Decisions | None = None) -> Fields:
        """Return the lines of a trailer section that may go on: none brings in again what the route puts, adds or
        removes in the head."""
        kept = self.without_owned(lines, decisions)
        if not self.add:
            return kept
        added = {canonical_name(name) for name, _ in self.add}
        if decisions is not None:
            decisions.decide_all([line for line in kept if canonical_name(line[0]) in added], _PUT_ANEW)
        return [line for line in kept if canonical_name(line[0]) not in added]

    def apply(self, lines: Fields, decisions: Decisions | None = None) -> Fields:
        """Return the changed lines. A field that is put replaces every line of its name."""
        if decisions is not None:
            decisions.decide_all((*self.put, *self.add), _PUT)
        return [*self.without_owned(lines, decisions), *self.put, *self.add]
