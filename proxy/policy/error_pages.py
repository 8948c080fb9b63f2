"""Pages that replace the text of this proxy's own errors. The responses of services are not changed."""

import html
from collections.abc import Mapping
from typing import Final

import msgspec

_REQUEST_ID: Final = b"{request_id}"
_MARKUP: Final = (b"html", b"xml")


class ErrorPage(msgspec.Struct, frozen=True):
    """A page, in which `{request_id}` stands for the request's id."""

    content_type: bytes
    text: bytes

    def of(self, request_id: str) -> bytes:
        """The page for one request. A trusted peer may have chosen the id: in markup, it is text all the same."""
        if _REQUEST_ID not in self.text:
            return self.text
        is_markup = any(kind in self.content_type for kind in _MARKUP)
        shown = html.escape(request_id) if is_markup else request_id
        return self.text.replace(_REQUEST_ID, shown.encode("ascii", "replace"))


class ErrorPages:
    """Pages by status ("502") or by class ("5xx"): an exact status goes first, and a route's before the global ones."""

    def __init__(self, pages: Mapping[str, ErrorPage], for_all: "ErrorPages | None" = None) -> None:
        self._pages = dict(pages)
        self._for_all = for_all

    def page(self, status: int) -> ErrorPage | None:
        """The page for a status, if there is one."""
        found = self._pages.get(str(status)) or self._pages.get(f"{status // 100}xx")
        if found is None and self._for_all is not None:
            return self._for_all.page(status)
        return found
