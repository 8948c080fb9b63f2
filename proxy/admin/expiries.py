"""Names and expiry of the listeners' certificates: read from the files when asked, and again once a file changed."""

import contextlib
import os
import ssl
from collections.abc import Iterable, Mapping

from proxy.transport.certificates import Described, described, load_pair


class Expiries:
    """The certificates of a configuration: pairs of a certificate's path, and its key's."""

    def __init__(self, files: Iterable[tuple[str, str]]) -> None:
        self._files = list(dict.fromkeys(files))
        self._known: dict[str, tuple[int, Described]] = {}  # by path: time of the last change, and content

    def __call__(self) -> Mapping[str, Described]:
        """By the certificate's path. A file that cannot be read, which a worker reports, counts as unchanged: workers
        still use the previous certificate."""
        for path, key in self._files:
            with contextlib.suppress(OSError):  # ssl.SSLError is one
                changed_at = os.stat(path).st_mtime_ns
                if path not in self._known or self._known[path][0] != changed_at:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    load_pair(context, path, key)
                    self._known[path] = changed_at, described(context, path)
        return {path: found for path, (_, found) in self._known.items()}
