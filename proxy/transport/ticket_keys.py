"""What session tickets are encrypted with: the same key in all workers, and another one every twelve hours.

OpenSSL draws one when a context is made, and keeps it for good; `ssl` has no call for it, so OpenSSL's own is used by
way of `ctypes` where the layout of CPython's objects is known. Elsewhere, workers resume each other's sessions only
until a certificate changes, and keys change only with it.
"""

import ctypes
import hashlib
import secrets
import ssl
import sys
from typing import Final

#: With a stolen key, recorded TLS 1.2 sessions can be read (1.3 still agrees on new secrets). Caddy's period, too.
PERIOD_S: Final = 43_200.0
_KEYS_BYTES: Final = 80  # a name of 16, 32 for HMAC, 32 for AES
_GET, _SET = 58, 59  # SSL_CTRL_GET_TLSEXT_TICKET_KEYS, SSL_CTRL_SET_TLSEXT_TICKET_KEYS


class TicketKeys:
    """A secret that is drawn before a fork, and that each process turns into the next one when its time has come: they
    agree without a message, and a later secret does not reveal an earlier one. The parent, which speaks no TLS, keeps
    the one it has until a reload. Times are the monotonic clock's."""

    def __init__(self, now: float) -> None:
        self._secret = secrets.token_bytes(32)
        self._next_at = now + PERIOD_S

    def advance(self, now: float) -> bool:
        """Go on to the keys of this time. Returns whether they are others now."""
        has_advanced = False
        while now >= self._next_at:
            self._secret = hashlib.sha256(b"next" + self._secret).digest()
            self._next_at += PERIOD_S
            has_advanced = True
        return has_advanced

    def keys(self, about: bytes) -> bytes:
        """The keys for tickets that hold only as long as `about` is the same."""
        return hashlib.shake_256(self._secret + about).digest(_KEYS_BYTES)


def set_ticket_keys(context: ssl.SSLContext, keys: bytes) -> bool:
    """Encrypt the tickets of a context's sessions with these keys. Returns whether that is possible here."""
    control = _openssl_control()
    if control is None:
        return False
    # struct PySSLContext { PyObject_HEAD; SSL_CTX *ctx; ... }
    place = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    control(place, _SET, _KEYS_BYTES, keys)
    set_now = ctypes.create_string_buffer(_KEYS_BYTES)
    control(place, _GET, _KEYS_BYTES, set_now)
    return set_now.raw == keys


def _openssl_control() -> "ctypes._NamedFuncPointer | None":
    if sys.implementation.name != "cpython" or not (3, 11) <= sys.version_info < (3, 14):
        return None
    import _ssl

    try:
        control = ctypes.CDLL(getattr(_ssl, "__file__", None)).SSL_CTX_ctrl
    except (OSError, AttributeError):  # OpenSSL is a part of the interpreter, which does not show it
        return None
    control.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p]
    control.restype = ctypes.c_long
    return control
