"""How a route rewrites paths, from what was configured; and what is wrong with that.

Patterns are RE2's: whatever path a client sends, looking for one costs time linear in its length. With Python's own
`re`, a pattern such as `(a*)*b` would let a client hold up a worker for hours.
"""

import re
from collections.abc import Iterator
from typing import Final

from proxy.config.findings import Finding, fault
from proxy.config.route_model import RewritePathConfig, RouteConfig
from proxy.policy.paths import normalised_path
from proxy.policy.rewriting import Pattern, Replacement, Rewriting

_PATH: Final = re.compile(r"/[!-~]*")
_REFERENCE: Final = re.compile(rb"\$(\$|[0-9])")
_MOST_BYTES: Final = 1024


def rewriting_of(route: RouteConfig) -> Rewriting | None:
    """How a route changes paths; None where it does not."""
    strip, add = _prefix(route.strip_prefix), _prefix(route.add_prefix)
    replacement = None
    if route.rewrite_path != RewritePathConfig():
        pattern, _ = _compiled(route.rewrite_path.pattern)
        replacement = Replacement(pattern, _parts(route.rewrite_path.to))
    if not strip and not add and replacement is None:
        return None
    return Rewriting(strip, replacement, add, route.rewrite_location)


def rewriting_problems(key: tuple[str, ...], route: RouteConfig) -> Iterator[Finding]:
    """What is wrong with how a route rewrites paths."""
    for name, prefix in (("strip_prefix", route.strip_prefix), ("add_prefix", route.add_prefix)):
        if prefix and (not _PATH.fullmatch(prefix) or "?" in prefix or "#" in prefix or "*" in prefix):
            yield (*key, name), f'"{prefix}"', 'expected a path such as "/v1", without wildcards or "?"'
        elif prefix and not _prefix(prefix):
            yield (*key, name), f'"{prefix}"', "does nothing: every path begins with it"
        elif name == "strip_prefix" and prefix and not _meet(_prefix(route.path), _prefix(prefix)):
            yield (*key, name), f'"{prefix}"', f'does nothing: no path that begins with it is served by "{route.path}"'
    if route.rewrite_path != RewritePathConfig():
        yield from _pattern_problems((*key, "rewrite_path"), route.rewrite_path)


def _pattern_problems(key: tuple[str, ...], rewrite: RewritePathConfig) -> Iterator[Finding]:
    groups = 9
    if not rewrite.pattern:
        yield key, "", "needs a pattern"
    elif len(rewrite.pattern) > _MOST_BYTES:
        yield (*key, "pattern"), f'"{rewrite.pattern[:40]}..."', f"expected {_MOST_BYTES} bytes or less"
    elif (expected := fault(_compiled, rewrite.pattern)) is not None:
        yield (*key, "pattern"), f'"{rewrite.pattern}"', expected
    else:
        _, groups = _compiled(rewrite.pattern)
    to = rewrite.to
    if not _PATH.fullmatch(to) or "?" in to or "#" in to:
        yield (*key, "to"), f'"{to}"', 'expected a path that begins with "/", without "?": the query goes on as it is'
    elif "\\" in to:  # \1 as in sed and Python would be forwarded as it stands
        yield (*key, "to"), f'"{to}"', 'expected no "\\": what a group has matched is written $1'
    elif to.startswith("//"):
        yield (*key, "to"), f'"{to}"', 'expected one "/" at its beginning: two would begin a host'
    elif (missing := next((part for part in _parts(to) if isinstance(part, int) and part > groups), None)) is not None:
        yield (*key, "to"), f'"{to}"', f"the pattern has no group {missing}"


def _prefix(text: str) -> bytes:
    return normalised_path(text.encode("latin-1", "replace")).rstrip(b"/")


def _meet(path: bytes, prefix: bytes) -> bool:
    """Whether some paths lie under both."""
    one, other = path + b"/", prefix + b"/"
    return one.startswith(other) or other.startswith(one)


def _parts(to: str) -> tuple[bytes | int, ...]:
    """Texts, and the numbers of groups between them."""
    parts: list[bytes | int] = []
    text, end = to.encode("latin-1", "replace"), 0
    for found in _REFERENCE.finditer(text):
        parts += [text[end : found.start()], b"$" if found[1] == b"$" else int(found[1])]
        end = found.end()
    return (*parts, text[end:])


def _compiled(pattern: str) -> tuple[Pattern, int]:
    """A pattern, and how many groups it has. Raises ValueError."""
    try:
        import re2  # not by every worker: it is a library of several MB
    except ImportError as exc:
        raise ValueError("needs the package google-re2: pip install google-re2") from exc
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    try:
        compiled = re2.compile(pattern.encode("latin-1", "replace"), options)
    except re2.error as exc:
        text = exc.args[0].decode("latin-1") if isinstance(exc.args[0], bytes) else str(exc)
        raise ValueError(f"is no pattern of RE2: {text}") from exc
    return compiled, compiled.groups
