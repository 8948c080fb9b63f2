"""How secrets are masked: the same way in logs, pages, explanations and configurations."""

import re
from typing import Final

from proxy.http1.field_names import HOLDS_SECRET
from proxy.http1.fields import FieldLine

#: Stands for a secret. ASCII, because logs and terminals may be.
MASK: Final = "***"

_AT: Final = ord("@")  # a number: `number in data` takes a tenth of the time of `b"@" in data`
_EQUALS: Final = ord("=")
#: Userinfo, before the @ of an authority: with a scheme, or without one, as in `CONNECT user:password@host:443`.
_USERINFO: Final = re.compile(rb"//[^/?#]*@|^[^/?#]*@")
#: Fields that hold an authority, as a request target may.
_AUTHORITIES: Final = frozenset({b"host", b"x-forwarded-host"})
_URL_USERINFO: Final = re.compile(rb"//[^/?#\s]*@")
#: Query parameters that give access to whoever knows them: tokens, and the signatures of links to stored objects.
_PARAMETER_NAME: Final = (
    r"([?&;](?:[a-z0-9]{1,32}[-_.]){0,4}"
    r"(?:token|secret|password|passwd|pwd|signature|sig|credential|api[-_]?key|access[-_]?key|awsaccesskeyid|jwt)=)"
)
#: For targets in lower case: ignoring case takes twice as long, and most targets hold no secret.
_SECRET_PARAMETER_NAME: Final = re.compile(_PARAMETER_NAME.encode())
_SECRET_PARAMETER: Final = re.compile(_PARAMETER_NAME.encode() + rb"[^&;#\s]+", re.IGNORECASE)
#: In a text that a person typed, a password may hold anything but white space; a quote ends a parameter.
_TYPED_USERINFO: Final = re.compile(r"//\S*@")
_TYPED_PARAMETER: Final = re.compile(_PARAMETER_NAME + r"""[^&;#\s"']+""", re.IGNORECASE)


def shown_value(line: FieldLine) -> str:
    """A field line's value as it may be shown; for a secret, its size alone. Of a URL in it (`Referer`, `Location`),
    userinfo and parameters that give access are masked."""
    name, value = line
    if HOLDS_SECRET[name]:
        return f"{MASK} ({len(value)} bytes)"
    if _AT in value:
        value = _URL_USERINFO.sub(b"//%b@" % MASK.encode(), value)
        if name.lower() in _AUTHORITIES:
            value = target_without_userinfo(value)
    if _EQUALS in value:
        value = _SECRET_PARAMETER.sub(_masked_parameter, value)
    return value.decode("latin-1")


def target_without_userinfo(target: bytes) -> bytes:
    """A request target, or a Host, that may be shown. One with userinfo is refused, but logged all the same."""
    if _AT not in target:
        return target
    mask = MASK.encode()
    return _USERINFO.sub(lambda found: b"//%b@" % mask if found[0][:2] == b"//" else b"%b@" % mask, target)


def shown_target(target: bytes) -> bytes:
    """A request target as it may be shown, of whatever form and however wrong."""
    if _AT in target and (target[:1] != b"/" or target[:2] == b"//"):
        target = target_without_userinfo(target)
    if _EQUALS in target and _SECRET_PARAMETER_NAME.search(target.lower()):
        target = _SECRET_PARAMETER.sub(_masked_parameter, target)
    return target


def _masked_parameter(found: re.Match[bytes]) -> bytes:
    return found[1] + MASK.encode()


def shown_text(text: str) -> str:
    """A URL or path of the configuration, or a text that holds some, as it may be shown."""
    if "=" in text:
        text = _TYPED_PARAMETER.sub(lambda found: found[1] + MASK, text)
    return _TYPED_USERINFO.sub(f"//{MASK}@", text)
