"""How a secret is shown, in a log, on a page, in an explanation or a configuration: in one way."""

import re
from typing import Final

from proxy.http1.field_names import is_secret
from proxy.http1.fields import FieldLine

#: Stands for a secret. ASCII, because logs and terminals may be.
MASK: Final = "***"

#: What stands before an @ in an authority: with a scheme, or without one, as in `CONNECT user:password@host:443`.
_USERINFO: Final = re.compile(rb"//[^/?#]*@|^[^/?#]*@")
#: In a text that a person typed, a password may hold anything but white space.
_TYPED_USERINFO: Final = re.compile(r"//\S*@")


def shown_value(line: FieldLine) -> str:
    """A field line's value as it may be shown: of a secret, only its size."""
    name, value = line
    return f"{MASK} ({len(value)} bytes)" if is_secret(name) else value.decode("latin-1")


def target_without_userinfo(target: bytes) -> bytes:
    """A request target, or a Host, that may be shown. One with userinfo is refused, but logged all the same."""
    if b"@" not in target:
        return target
    mask = MASK.encode()
    return _USERINFO.sub(lambda found: b"//%b@" % mask if found[0][:2] == b"//" else b"%b@" % mask, target)


def text_without_userinfo(text: str) -> str:
    """A URL of the configuration, or a text that holds some, as it may be shown."""
    return _TYPED_USERINFO.sub(f"//{MASK}@", text)
