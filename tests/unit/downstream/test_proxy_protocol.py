"""The PROXY header: every version and kind, whole and byte by byte, and what is refused."""

import socket
import struct

import pytest

from proxy.downstream.proxy_protocol import NoProxyHeader, ProxyHeader, proxy_header

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = socket.inet_aton("192.0.2.1") + socket.inet_aton("192.0.2.9") + struct.pack("!HH", 5000, 443)
V6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "::1") + b"\0\1\0\2"


def v2(command: int, family: int, body: bytes, *, length: int | None = None) -> bytes:
    return SIGNATURE + bytes((command, family)) + struct.pack("!H", len(body) if length is None else length) + body


HEADERS = [
    # header                                                             the client's address
    (b"PROXY TCP4 192.0.2.1 192.0.2.9 5000 443\r\n",                     "192.0.2.1"),
    (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",      "255.255.255.255"),
    (b"PROXY TCP6 2001:db8::1 ::1 5000 443\r\n",                         "2001:db8::1"),
    (b"PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::1 0 0\r\n",                     "2001:db8::1"),
    (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 0 0\r\n",                         "192.0.2.1"),  # a balancer that listens on [::]
    (b"PROXY UNKNOWN\r\n",                                               None),
    (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n",                           None),
    (v2(0x21, 0x11, V4),                                                 "192.0.2.1"),
    (v2(0x21, 0x11, V4 + b"\x03\0\x04abcd" + b"\x04\0\x02xx"),           "192.0.2.1"),  # TLVs are skipped
    (v2(0x21, 0x21, V6),                                                 "2001:db8::1"),
    (v2(0x21, 0x21, bytes(10) + b"\xff\xff" + V4[:4] + V6[16:]),         "192.0.2.1"),
    (v2(0x20, 0x00, b""),                                                None),  # LOCAL: the balancer's own check
    (v2(0x20, 0x11, V4),                                                 None),
    (v2(0x20, 0xFF, b"whatever"),                                        None),
    (v2(0x21, 0x00, b""),                                                None),  # UNSPEC
    (v2(0x21, 0x31, bytes(216)),                                         None),  # UNIX
    (v2(0x21, 0x12, V4),                                                 None),  # UDP
    (v2(0x21, 0x11, V4 + bytes(4096 - len(V4))),                         "192.0.2.1"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "address"), HEADERS)
def test_a_header_names_the_client_however_it_is_split(header: bytes, address: str | None) -> None:
    for end in range(1, len(header)):
        assert proxy_header(header[:end]) is None
    for behind in (b"", b"GET / HTTP/1.1\r\n", header):
        assert proxy_header(header + behind) == ProxyHeader(address, len(header))


NO_HEADERS = [
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01",
    b"PROXYTCP4",
    b"proxy TCP4 192.0.2.1 192.0.2.9 5000 443\r\n",
    b"PROXY  TCP4 192.0.2.1 192.0.2.9 5000 443\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.9 5000 443 \r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.9 5000\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.9 5000 65536\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.9 05000 443\r\n",
    b"PROXY TCP4 192.0.2.256 192.0.2.9 5000 443\r\n",
    b"PROXY TCP4 192.0.2.01 192.0.2.9 5000 443\r\n",
    b"PROXY TCP4 2001:db8::1 ::1 5000 443\r\n",
    b"PROXY TCP6 192.0.2.1 192.0.2.9 5000 443\r\n",
    b"PROXY TCP6 2001:db8::1%eth0 ::1 5000 443\r\n",
    b"PROXY UDP4 192.0.2.1 192.0.2.9 5000 443\r\n",
    b"PROXY UNKNOWN \x00\r\n",
    b"PROXY " + b"x" * 101,
    v2(0x11, 0x11, V4),
    v2(0x22, 0x11, V4),
    v2(0x21, 0x11, V4[:11]),
    v2(0x21, 0x21, V6[:35]),
    v2(0x21, 0x31, bytes(215)),
    v2(0x21, 0x41, V4),
    v2(0x21, 0x11, b"", length=4097),
    SIGNATURE[:5] + b"x",
]  # fmt: skip


@pytest.mark.parametrize("data", NO_HEADERS)
def test_what_is_not_exactly_a_header_is_refused(data: bytes) -> None:
    with pytest.raises(NoProxyHeader):
        proxy_header(data)
