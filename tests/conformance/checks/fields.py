"""What the checks of either side look for in one message."""

import re
from collections.abc import Iterable

from tests.harness.wire import Message


def names(lines: list[tuple[str, str]]) -> list[str]:
    return [name.lower() for name, _ in lines]


def same(what: str, found: object, expected: object) -> str | None:
    return None if found == expected else f"{what}: {found!r}, not {expected!r}"


def lacks(message: Message, wanted: tuple[str, ...], where: str) -> str | None:
    found = [name for name in wanted if message.values(name)]
    return f"{', '.join(found)} {where}" if found else None


def no_line(messages: Iterable[Message], name: str, value: str, where: str) -> str | None:
    """No field line or trailer of that name, in any message, holds the value."""
    for message in messages:
        for key, found in (*message.fields, *message.trailers):
            if key.lower() == name.lower() and value.lower() in found.lower():
                return f"`{key}: {found}` {where}"
    return None


def is_like(message: Message, name: str, pattern: str) -> str | None:
    values = message.values(name)
    return None if len(values) == 1 and re.fullmatch(pattern, values[0]) else f"{name}: {values}, not like {pattern}"


def has_body(message: Message, data: bytes, what: str) -> str | None:
    if not message.complete:
        return f"the {what} was cut"
    return None if message.body == data else f"{what} body {message.body[:60]!r}, not {data[:60]!r}"


def trailers_lack(message: Message, wanted: tuple[str, ...], what: str) -> str | None:
    found = [name for name in wanted if name.lower() in names(message.trailers)]
    return f"trailer {', '.join(found)} of the {what} went on" if found else None


def no_trailer(message: Message, wanted: tuple[str, ...], what: str) -> str | None:
    found = [name for name in wanted if name.lower() in names(message.trailers) or message.values(name)]
    return f"trailer {', '.join(found)} of the {what} went on" if found else None


def options(message: Message, allowed: tuple[str, ...]) -> str | None:
    surplus = message.options() - {"close", "keep-alive"} - {option.lower() for option in allowed}
    return f"Connection nominates {sorted(surplus)}" if surplus else None
