"""What can be configured of a listener.

How a key is added: see config/model.py.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class CertificateConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One certificate of a listener."""

    certificate: Annotated[str, Meta(description="A PEM file: the certificate, then its chain.")]
    key: Annotated[str, Meta(description='A PEM file: its key; "" if the certificate\'s file holds it.')] = ""


class ListenerTlsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """TLS on a listener: on where there are certificates. Files are read again when they change."""

    certificates: Annotated[
        list[CertificateConfig],
        Meta(
            min_length=1,
            description="PEM files: each certificate with its chain, and its key. A client gets the one for the name "
            "that it asks for (SNI), or else the first.",
            examples=[[{"certificate": "/run/secrets/a.crt", "key": "/run/secrets/a.key"}]],
        ),
    ] = []
    min_version: Annotated[Literal["1.2", "1.3"], Meta(description="Oldest TLS version that is accepted.")] = "1.2"
    client_certificate: Annotated[
        Literal["off", "optional", "required"],
        Meta(
            description="Whether clients are asked for a certificate. A verified one is sent to the service as "
            "Client-Cert (RFC 9440), which is removed from all other requests."
        ),
    ] = "off"
    client_ca: Annotated[str, Meta(description="A PEM file of the CAs that may sign client certificates.")] = ""


class ListenerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An address with options of its own, in addition to `listen`. With one of these, `listen` has no default."""

    address: Annotated[
        str, Meta(description='HOST:PORT, ":PORT" for every interface, or unix:/PATH.', examples=[":8443"])
    ]
    proxy_protocol: Annotated[
        list[str],
        Meta(
            description='Networks, or "unix", whose connections must begin with a PROXY header (v1 or v2); from '
            "others, it is refused.",
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
        int,
        Meta(description="Port that redirect_to_https leads to, as clients see it (perhaps that of a load balancer)."),
    ] = 443
    socket_mode: Annotated[
        str,
        Meta(
            pattern=r"^0?[0-7]{3}$(?!\n)",
            extra={"expected": 'permissions as chmod takes them, such as "0660"'},
            description="Permissions of a Unix socket's file: who may connect.",
        ),
    ] = "0666"  # as nginx has it: who may come in is better said by the folder
    tls: ListenerTlsConfig = ListenerTlsConfig()
