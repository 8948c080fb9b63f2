"""What can be configured of a listener.

How a key is added: see config/model.py.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class CertificateConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One certificate of a listener."""

    certificate: Annotated[str, Meta(description="A PEM file: the certificate, and its chain behind it.")]
    key: Annotated[str, Meta(description='A PEM file: its key; "" where both stand in one file.')] = ""


class ListenerTlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TLS on a listener: there is none without certificates. Files are read again when they change."""

    certificates: Annotated[
        list[CertificateConfig],
        Meta(
            min_length=1,
            description="PEM files, each certificate with its chain, and its key. A client gets the one that "
            "has the name it asks for, or else the first.",
            examples=[[{"certificate": "/run/secrets/a.crt", "key": "/run/secrets/a.key"}]],
        ),
    ] = []
    min_version: Annotated[Literal["1.2", "1.3"], Meta(description="The oldest version that is spoken.")] = "1.2"
    client_certificate: Annotated[
        Literal["off", "optional", "required"],
        Meta(
            description="Whether clients are asked for one. A verified one is stated to the service as Client-Cert "
            "(RFC 9440), which is removed from everybody else's requests."
        ),
    ] = "off"
    client_ca: Annotated[str, Meta(description="A PEM file of those who may sign clients' certificates.")] = ""


class ListenerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address beside those of `listen`, for anything more. With one of these, `listen` has no default."""

    address: Annotated[
        str, Meta(description='HOST:PORT, ":PORT" for every interface, or unix:/PATH.', examples=[":8443"])
    ]
    proxy_protocol: Annotated[
        list[str],
        Meta(
            description='Networks, or "unix", whose connections begin with a PROXY header (v1 or v2): required from '
            "them, refused from others.",
            examples=[["10.0.0.0/8"]],
        ),
    ] = []
    redirect_to_https: Annotated[
        bool,
        Meta(
            description="Answer every request with a 308 to the same target on https, except for routes whose "
            "`listeners` name this one."
        ),
    ] = False
    https_port: Annotated[
        int, Meta(description="Where redirect_to_https leads: the port as clients see it, of a load balancer perhaps.")
    ] = 443
    socket_mode: Annotated[
        str, Meta(pattern="^0?[0-7]{3}$", description="Of a Unix socket's file: who may connect.")
    ] = "0666"  # as nginx has it: who may come in is better said by the folder
    tls: ListenerTlsConfig = ListenerTlsConfig()
