"""Heads that are nearly right: by the grammar, then bent in a few places."""

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st


def times(factor: int) -> settings:
    """More examples than others get."""
    assert settings.default is not None
    return settings(max_examples=factor * settings.default.max_examples)


#: What parsers stumble over.
INTERESTING = [
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b"  ", b":", b",", b";", b"\x00", b"\x0b", b"\x0c", b"\x1c", b"\x1f",
    b"\x7f", b"\x80", b"\x85", b"\xa0", b"\xff", b"0", b"5", b"+", b"-", b'"', b"\\", b"/", b"#", b"?", b"@", b"a", b"X",
    b"\r\n ", b"\r\nHost: h", b"\r\nContent-Length: 5", b"\r\nTransfer-Encoding: chunked", b"chunked", b"HTTP/1.1",
]  # fmt: skip

TOKEN_CHARS = b"!#$%&'*+-.^_`|~0123456789abcXYZ"
NAMES = st.sampled_from([
    b"Host", b"Content-Length", b"Transfer-Encoding", b"Connection", b"X-Foo", b"x-foo", b"Cookie", b"Set-Cookie", b"TE",
    b"Trailer", b"Keep-Alive", b"Upgrade", b"Expect", b"Via", b"Accept", b"X-Forwarded-For", b"Proxy-Connection",
    b"HTTP2-Settings", b"Proxy-Authentication-Info", b"Date", b"close", b"content_length",
])  # fmt: skip
TOKENS = NAMES | st.lists(st.sampled_from(list(TOKEN_CHARS)), min_size=1, max_size=4).map(bytes)
VALUES = st.sampled_from([
    b"", b"h", b"h:80", b"a b", b"[::1]:80", b"0", b"5", b"007", b"5, 5", b"+5", b"0x5", b"123456789012345678",
    b"1234567890123456789", b"chunked", b"Chunked", b"chunked, chunked", b"gzip, chunked", b"close", b"close, X-Foo",
    b"CLOSE ,, keep-alive", b'"X-Foo"', b"X-Foo;q=1", b"Host, Via", b"a:b", b"\x80\xff", b"a\tb", b"trailers",
])  # fmt: skip
SPACE = st.sampled_from([b"", b" ", b" ", b" ", b"\t", b"  ", b" \t "])
FIELD_LINES = st.builds(
    lambda name, before, value, after: name + b":" + before + value + after, TOKENS, SPACE, VALUES, SPACE
)

REQUEST_LINES = st.builds(
    lambda method, target, version: b"%b %b HTTP/%b" % (method, target, version),
    st.sampled_from([b"GET", b"GET", b"POST", b"OPTIONS", b"CONNECT", b"get", b"A" * 20, b"A" * 21]),
    st.sampled_from([b"/", b"/", b"/a?b", b"//", b"/%2F/..", b"*", b"http://h/", b"h:80", b"/#", b'/\\^{}|`"<>']),
    st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0", b"1.2", b"2.0", b"0.9"]),
)
STATUS_LINES = st.builds(
    lambda version, status, reason: b"HTTP/%b %b%b" % (version, status, reason),
    st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0", b"1.2", b"2.0"]),
    st.sampled_from([b"200", b"200", b"204", b"304", b"599", b"600", b"100", b"101", b"103", b"099", b"20"]),
    st.sampled_from([b" OK", b" OK", b" Not  Found ", b" ", b"", b"  OK", b" \x80", b" a\tb"]),
)


@st.composite
def bent(draw: st.DrawFn, raw: bytes, most: int = 3) -> bytes:
    """`raw` with a few insertions, deletions, replacements and repetitions."""
    for _ in range(draw(st.integers(0, most))):
        position = draw(st.integers(0, len(raw)))
        length = draw(st.integers(0, 3))
        match draw(st.sampled_from(["insert", "replace", "delete", "repeat", "line"])):
            case "insert":
                raw = raw[:position] + draw(st.sampled_from(INTERESTING)) + raw[position:]
            case "replace":
                raw = raw[:position] + draw(st.sampled_from(INTERESTING)) + raw[position + 1 :]
            case "delete":
                raw = raw[:position] + raw[position + length :]
            case "repeat":
                raw = raw[: position + length] + raw[position:]
            case _:
                rows = raw.split(b"\r\n")
                row = draw(st.sampled_from(rows))
                raw = b"\r\n".join([*rows[:1], row, *rows[1:]])
    return raw


def _heads(first_lines: st.SearchStrategy[bytes], always: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.builds(
        lambda first, fields: b"\r\n".join([first, *always, *fields, b"", b""]),
        first_lines,
        st.lists(FIELD_LINES, max_size=4),
    ).flatmap(bent)


REQUEST_HEADS = _heads(REQUEST_LINES, [b"Host: h"]) | _heads(REQUEST_LINES, [])
RESPONSE_HEADS = _heads(STATUS_LINES, [])


@st.composite
def split(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """`data` in pieces; none is empty, for the network delivers none."""
    cuts = sorted(draw(st.sets(st.integers(1, max(len(data) - 1, 1)), max_size=8)))
    edges = [0, *cuts, len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]
