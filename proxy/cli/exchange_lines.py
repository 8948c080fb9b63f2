"""An exchange of the inspector as lines of text: its result, and the decisions about its fields."""

import time
from collections.abc import Iterator
from typing import Final

import click

from proxy.cli.explanation import COLOURS, aligned
from proxy.telemetry.escaping import escape_control, escape_text, escape_word
from proxy.telemetry.inspection import Shown, ShownMessage

_TITLES: Final = {
    # kind of message: titles for what was received, and what was sent
    "request": ("the client sent", "the service was sent"),
    "interim": ("the service sent an interim response", "the client was sent"),
    "response": ("the service answered", "the client was sent"),
    "request trailers": ("trailers of the client", ""),
    "response trailers": ("trailers of the service", ""),
}


def one_line(exchange: Shown, *, colour: bool = False) -> str:
    """Time, client, request, status, bytes, duration and origin, in the form of the access log's text line."""
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(exchange.at)) + f".{int(exchange.at % 1 * 1000):03d}Z"
    status = str(exchange.status)
    if colour:
        status = click.style(status, "red" if exchange.error or exchange.status >= 500 else _tone(exchange.status))
    method, target = escape_word(exchange.method) or "-", escape_word(exchange.target) or "-"
    origin, reused = "-", ""
    if exchange.attempts:
        origin, reused = exchange.attempts[-1].origin, " reused" if exchange.attempts[-1].reused else ""
    attempts = ""
    if len(exchange.attempts) > 1:
        earlier = ",".join(f"{each.origin}:{each.result}" for each in exchange.attempts[:-1])
        attempts = f" attempts={len(exchange.attempts)} earlier={earlier}"
    route = f" route={exchange.route}" if exchange.route else ""
    tunnel = f" tunnel={exchange.tunnel_end}" if exchange.tunnel_end else ""
    failed = f" error={exchange.error} ({escape_text(exchange.detail)})" if exchange.error else ""
    return (
        f'{at} {escape_word(exchange.client)} "{method} {target} HTTP/{escape_word(exchange.version) or "?"}" '
        f"{status} {exchange.request_bytes}>{exchange.response_bytes} {exchange.ended_ms:.1f}ms "
        f"{origin}{reused}{attempts}{route} id={escape_word(exchange.id)}{tunnel}{failed}"
    )


def _tone(status: int) -> str:
    return "yellow" if status >= 400 else "green"


def decided(exchange: Shown, *, colour: bool = False) -> Iterator[str]:
    """Each message: as received, with the decision about each line and its rule, and its first line as sent."""
    for message in exchange.messages:
        came, went = _TITLES.get(message.kind, (message.kind, ""))
        if message.received or message.kind.endswith("trailers"):
            yield f"  {came}: {escape_control(message.received)}".rstrip(": ")
        elif message.kind == "response":
            yield "  onehop answered"
        yield from (f"    {line}" for line in decision_lines(message, colour=colour))
        if message.sent:
            yield f"  {went}: {escape_control(message.sent)}"


def decision_lines(message: ShownMessage, *, stated: bool = True, colour: bool = False) -> list[str]:
    """A line for each field line of a message: the verdict, the field, and the rule. `stated`: also for lines that were
    added."""
    lines = _rows(
        [
            (line.verdict, f"{line.name}: {line.value}", line.rule)
            for line in message.lines
            if stated or line.verdict != "set"
        ],
        colour,
    )
    if message.left_out:
        lines.append(f"and {message.left_out} more lines")
    return lines


def sent_lines(message: ShownMessage, *, colour: bool = False) -> list[str]:
    """A line for each field line that was sent, in order: kept, or set and by which rule."""
    rules = {(line.name, line.value): line.rule for line in message.lines if line.verdict == "set"}
    rows = []
    for name, value in message.sent_lines:
        rule = rules.get((name, value))
        rows.append(("kept" if rule is None else "set", f"{name}: {value}", rule or "unchanged"))
    return _rows(rows, colour)


def _rows(rows: list[tuple[str, str, str]], colour: bool) -> list[str]:
    rows = [(verdict, escape_control(field), escape_control(rule)) for verdict, field, rule in rows]
    lines = aligned(rows)
    if not colour:
        return lines
    return [
        click.style(line[: len(row[0])], COLOURS.get(row[0])) + line[len(row[0]) :]
        for row, line in zip(rows, lines, strict=True)
    ]
