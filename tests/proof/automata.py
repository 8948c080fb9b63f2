"""Finite automata over bytes, made of `re` patterns, and whether one language lies within another.

Possessive repeats are read as greedy ones: that can only make a language larger, so what is shown to lie within another
lies within it. Look-behind is not read at all: whoever makes an automaton leaves it out, and says what it had excluded.
"""

from collections import deque
from collections.abc import Callable, Iterable
from re import _constants as sre  # type: ignore[attr-defined]  # the parser of `re`, which has no public name
from re import _parser  # type: ignore[attr-defined]
from typing import Any, Final, NamedTuple

ALL_BYTES: Final = frozenset(range(256))
_SPACE: Final = frozenset(b" \t\n\r\x0b\x0c")
_DIGITS: Final = frozenset(b"0123456789")
#: Symbols beside the bytes, which mark places in a text.
VALUE_BEGINS, VALUE_ENDS = 256, 257


class Automaton(NamedTuple):
    """A nondeterministic one: from a state, by one of some symbols or by none, to another."""

    size: int  # its states are numbered below this
    start: int
    end: int
    steps: list[tuple[int, frozenset[int] | None, int]]


def literal(*symbols: int) -> Automaton:
    """Exactly these symbols."""
    steps = [(i, frozenset([symbol]), i + 1) for i, symbol in enumerate(symbols)]
    return Automaton(len(symbols) + 1, 0, len(symbols), list(steps))


def any_of(symbols: Iterable[int]) -> Automaton:
    """One of these symbols."""
    return Automaton(2, 0, 1, [(0, frozenset(symbols), 1)])


def sequence(*parts: Automaton) -> Automaton:
    """One behind the other."""
    steps: list[tuple[int, frozenset[int] | None, int]] = []
    offset, last = 0, -1
    for part in parts:
        if last >= 0:
            steps.append((last, None, offset + part.start))
        steps += [(a + offset, symbols, b + offset) for a, symbols, b in part.steps]
        last = offset + part.end
        offset += part.size
    return Automaton(offset, parts[0].start, last, steps) if parts else literal()


def either(*parts: Automaton) -> Automaton:
    """One of them."""
    steps: list[tuple[int, frozenset[int] | None, int]] = []
    offset = 2
    for part in parts:
        steps += [(a + offset, symbols, b + offset) for a, symbols, b in part.steps]
        steps += [(0, None, part.start + offset), (part.end + offset, None, 1)]
        offset += part.size
    return Automaton(offset, 0, 1, steps)


def repeated(part: Automaton, least: int = 0, most: int | None = None) -> Automaton:
    """So many times; any number where `most` is None."""
    parts = [part] * least
    if most is None:
        looped = Automaton(
            part.size + 2, part.size, part.size + 1,
            [*part.steps, (part.size, None, part.start), (part.end, None, part.start),
             (part.size, None, part.size + 1), (part.end, None, part.size + 1)],
        )  # fmt: skip
        return sequence(*parts, looped)
    return sequence(*parts, *[either(part, literal())] * (most - least)) if most else literal()


def of_pattern(pattern: bytes) -> Automaton:
    """What a pattern matches from its beginning to its end. Raises ValueError for what is not read here."""
    return _of(_parser.parse(pattern))


def _of(parsed: Iterable[tuple[Any, Any]]) -> Automaton:
    return sequence(*[_of_one(operation, argument) for operation, argument in parsed], literal())


def _of_one(operation: Any, argument: Any) -> Automaton:
    if operation is sre.LITERAL:
        return literal(argument)
    if operation is sre.NOT_LITERAL:
        return any_of(ALL_BYTES - {argument})
    if operation is sre.IN:
        return any_of(_class(argument))
    if operation is sre.SUBPATTERN:
        return _of(argument[3])
    if operation is sre.BRANCH:
        return either(*[_of(branch) for branch in argument[1]])
    if operation in (sre.MAX_REPEAT, sre.POSSESSIVE_REPEAT):
        least, most, inner = argument
        return repeated(_of(inner), int(least), None if most is sre.MAXREPEAT else int(most))
    raise ValueError(f"not read: {operation}")


def _class(members: list[tuple[Any, Any]]) -> frozenset[int]:
    found: set[int] = set()
    negated = False
    for kind, value in members:
        if kind is sre.NEGATE:
            negated = True
        elif kind is sre.LITERAL:
            found.add(value)
        elif kind is sre.RANGE:
            found.update(range(value[0], value[1] + 1))
        elif kind is sre.CATEGORY and value is sre.CATEGORY_SPACE:
            found |= _SPACE
        elif kind is sre.CATEGORY and value is sre.CATEGORY_DIGIT:
            found |= _DIGITS
        else:
            raise ValueError(f"not read: {kind} {value}")
    return ALL_BYTES - found if negated else frozenset(found)


class Deterministic:
    """An automaton read as sets of its states, as far as they are asked for."""

    def __init__(self, automaton: Automaton) -> None:
        self._end = automaton.end
        self._silent: dict[int, list[int]] = {}
        self._moves: dict[int, list[tuple[frozenset[int], int]]] = {}
        for a, symbols, b in automaton.steps:
            if symbols is None:
                self._silent.setdefault(a, []).append(b)
            else:
                self._moves.setdefault(a, []).append((symbols, b))
        self.start = self._closed([automaton.start])
        self.symbol_sets = {symbols for _, symbols, _ in automaton.steps if symbols is not None}

    def accepts(self, states: frozenset[int]) -> bool:
        return self._end in states

    def after(self, states: frozenset[int], symbol: int) -> frozenset[int]:
        return self._closed([b for state in states for symbols, b in self._moves.get(state, ()) if symbol in symbols])

    def _closed(self, states: list[int]) -> frozenset[int]:
        seen, todo = set(states), list(states)
        while todo:
            for state in self._silent.get(todo.pop(), ()):
                if state not in seen:
                    seen.add(state)
                    todo.append(state)
        return frozenset(seen)


class Comparison(NamedTuple):
    """A text that breaks the claim, or None where there is none; and how many pairs of states were looked at."""

    counterexample: tuple[int, ...] | None
    pairs: int


def compare(automata: list[Automaton], holds: Callable[[list[bool]], bool]) -> Comparison:
    """Whether the claim holds of every text, given which of the automata accept it."""
    machines = [Deterministic(automaton) for automaton in automata]
    symbols = _representatives(set().union(*(machine.symbol_sets for machine in machines)))
    start = tuple(machine.start for machine in machines)
    seen: dict[tuple[frozenset[int], ...], tuple[int, ...]] = {start: ()}
    todo = deque([start])
    while todo:
        pair = todo.popleft()
        if not holds([machine.accepts(states) for machine, states in zip(machines, pair, strict=True)]):
            return Comparison(seen[pair], len(seen))
        for symbol in symbols:
            following = tuple(machine.after(states, symbol) for machine, states in zip(machines, pair, strict=True))
            if following not in seen and following[0]:  # what the first one can never accept any more says nothing
                seen[following] = (*seen[pair], symbol)
                todo.append(following)
    return Comparison(None, len(seen))


def _representatives(sets: set[frozenset[int]]) -> list[int]:
    """One symbol for each class of symbols between which no automaton tells."""
    ordered = list(sets)
    classes: dict[tuple[bool, ...], int] = {}
    for symbol in [*range(256), VALUE_BEGINS, VALUE_ENDS]:
        classes.setdefault(tuple(symbol in members for members in ordered), symbol)
    return list(classes.values())
