"""The page and its assets. All values from requests are escaped, secrets are masked.

The page has no inline script or style: its Content-Security-Policy allows only files of this service.
"""

from collections.abc import Iterable
from html import escape
from importlib.resources import files
from string import Template
from typing import Final

from proxy.demo.endpoints import HOP_FIELDS_KEPT_OPEN, NO_STORE
from proxy.demo.exchange import Exchange, FieldLine, Refusal
from proxy.demo.observation import VERDICTS, FieldNote, Lookup, Observation, shown_value

_CONTENT_TYPES: Final = {
    "demo.css": b"text/css; charset=utf-8",
    "demo.js": b"text/javascript; charset=utf-8",
    "hop.svg": b"image/svg+xml",
    "pixel.png": b"image/png",
}
_PAGE_FIELDS: Final[list[FieldLine]] = [
    NO_STORE,
    (b"Content-Security-Policy", b"default-src 'self'; connect-src 'self' ws: wss:"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"no-referrer"),
]


class Page:
    """The page and its assets, read once."""

    def __init__(self, lookup: Lookup | None) -> None:
        folder = files("proxy.demo") / "assets"
        self._assets = {name: (folder / name).read_bytes() for name in _CONTENT_TYPES}
        self._template = Template((folder / "page.html").read_text("utf-8"))
        self._lookup = lookup

    async def answer(self, exchange: Exchange) -> None:
        """Show this very request, as onehop saw it and as it arrived here."""
        request_id = exchange.first_value(b"x-request-id")
        observation = self._lookup(request_id) if self._lookup is not None and request_id else None
        received = exchange.request.headers.raw_items()
        content = self._template.substitute(
            verdicts=_verdicts(observation),
            received_line=escape(f"{exchange.method} {exchange.target} HTTP/{_version(exchange)}"),
            received_rows=_rows(_received_row(name, value) for name, value in received),
            hop_rows=_rows(_hop_row(name.decode(), value.decode()) for name, value in HOP_FIELDS_KEPT_OPEN),
            host=escape(exchange.first_value(b"host") or "127.0.0.1"),
        )
        await exchange.answer(200, b"text/html; charset=utf-8", content.encode(), _PAGE_FIELDS)

    async def answer_asset(self, exchange: Exchange, name: str) -> None:
        """Send one of the page's files."""
        if name not in self._assets:
            raise Refusal(404, "no such asset")
        await exchange.answer(200, _CONTENT_TYPES[name], self._assets[name], [NO_STORE])

    async def answer_icon(self, exchange: Exchange) -> None:
        """Send the icon that browsers request by themselves."""
        await self.answer_asset(exchange, "hop.svg")


def _version(exchange: Exchange) -> str:
    return exchange.request.http_version.decode("ascii")


def _rows(rows: Iterable[str]) -> str:
    return "\n".join(rows)


def _verdicts(observation: Observation | None) -> str:
    if observation is None:
        return (
            '<p class="note"><strong>This page was reached without onehop.</strong> '
            "What follows is the service alone: open it through the proxy’s port to see what onehop does.</p>"
        )
    rows = _rows(_verdict_row(FieldNote(*note)) for note in observation.fields)
    return (
        f'<p class="line"><code>{escape(observation.request_line)}</code></p>\n'
        '<div class="scroll"><table id="verdicts">\n'
        '<thead><tr><th scope="col">Field</th><th scope="col">Value</th>'
        '<th scope="col">Verdict</th><th scope="col">Rule</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody></table></div>"
    )


def _verdict_row(note: FieldNote) -> str:
    known = note.verdict if note.verdict in VERDICTS else "other"
    sign = VERDICTS.get(note.verdict, "·")
    return (
        f'<tr data-verdict="{escape(note.verdict)}"><th scope="row">{escape(note.name)}</th>'
        f'<td class="value">{escape(shown_value(note.name, note.value))}</td>'
        f'<td class="verdict"><span class="label {known}"><span aria-hidden="true">{sign}</span> '
        f"{escape(note.verdict)}</span></td>"
        f'<td class="rule">{escape(note.rule)}</td></tr>'
    )


def _received_row(raw_name: bytes, raw_value: bytes) -> str:
    name = raw_name.decode("latin-1")
    value = shown_value(name, raw_value.decode("latin-1"))
    return f'<tr><th scope="row">{escape(name)}</th><td class="value">{escape(value)}</td></tr>'


def _hop_row(name: str, value: str) -> str:
    # Constants of this service, not secrets: masked, they could not be compared with what the browser receives.
    return (
        f'<tr data-field="{escape(name)}" data-sent="{escape(value)}"><th scope="row">{escape(name)}</th>'
        f'<td class="value">{escape(value)}</td><td class="outcome">…</td></tr>'
    )
