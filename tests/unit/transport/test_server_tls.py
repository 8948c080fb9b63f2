"""Contexts of listeners over time: other certificates, other keys of tickets, and what still resumes."""

import copy
import os
import ssl
from pathlib import Path

import pytest
import trustme

from proxy.transport.certificates import CertificateFault
from proxy.transport.server_tls import ServerContexts, ServerTls
from proxy.transport.ticket_keys import PERIOD_S, TicketKeys, set_ticket_keys
from proxy.transport.tls import ClientContext, ClientTls
from tests.harness.tls import Authority, authority, exchanged

__all__ = ["authority"]


def contexts(*files: str, **settings: str) -> ServerContexts:
    return ServerContexts(ServerTls(certificates=tuple((file, "") for file in files), **settings), 0.0)


def replace(path: str, text: bytes) -> None:
    """Put another file in its place, as certbot and Kubernetes do."""
    Path(path + ".new").write_bytes(text)
    os.replace(path + ".new", path)


def test_ticket_keys_are_the_same_for_all_who_began_alike_and_others_in_each_period() -> None:
    parents = TicketKeys(100.0)
    one, other = copy.copy(parents), copy.copy(parents)
    seen = [one.keys(b"")]
    assert not one.advance(100.0 + PERIOD_S - 1)
    for period in (1, 2, 5):
        assert one.advance(100.0 + period * PERIOD_S)
        seen.append(one.keys(b""))
        assert other.advance(100.0 + period * PERIOD_S + 7)
        assert other.keys(b"") == seen[-1]
    assert len(set(seen)) == 4
    assert one.keys(b"a") != one.keys(b"b")
    assert TicketKeys(100.0).keys(b"") != TicketKeys(100.0).keys(b"")


def test_this_interpreter_lets_us_set_them() -> None:
    assert set_ticket_keys(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), bytes(range(80)))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_outlasts_a_new_certificate_and_ends_with_its_ticket_key(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    file = authority.file("a.example")
    worker = contexts(file)
    client = authority.client()
    client.minimum_version = client.maximum_version = version
    first = exchanged(client, worker.context)
    assert exchanged(client, worker.context, first.session).session_reused
    replace(file, Path(authority.file("a.example", path=file + ".2")).read_bytes())
    assert worker.look_again() == [file]
    assert exchanged(client, worker.context, first.session).session_reused
    worker.renew_ticket_keys(PERIOD_S - 1)
    assert exchanged(client, worker.context, first.session).session_reused
    worker.renew_ticket_keys(PERIOD_S)
    assert not exchanged(client, worker.context, first.session).session_reused


def test_a_session_ends_when_others_vouch_for_clients(authority: Authority, tmp_path: Path) -> None:
    signers = str(tmp_path / "signers.pem")
    replace(signers, Path(authority.pem).read_bytes())
    worker = contexts(authority.file("a.example"), client_certificate="required", client_ca=signers)
    client = authority.client(certificate=True)
    first = exchanged(client, worker.context)
    assert exchanged(client, worker.context, first.session).session_reused
    replace(signers, trustme.CA().cert_pem.bytes())
    assert worker.look_again() == [signers]
    with pytest.raises(ssl.SSLError):
        exchanged(client, worker.context, first.session)


def test_a_certificate_with_another_kind_of_key_leaves_nothing_of_the_one_before(tmp_path: Path) -> None:
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    file = str(tmp_path / "a.pem")
    kinds = (trustme.KeyType.RSA, trustme.KeyType.ECDSA)
    rsa, ecdsa = (authority.issue_cert("a.example", key_type=kind).private_key_and_cert_chain_pem for kind in kinds)
    replace(file, rsa.bytes())
    worker = contexts(file)
    replace(file, ecdsa.bytes())
    worker.look_again()
    client = ssl.create_default_context()
    authority.configure_trust(client)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert exchanged(client, worker.context).cipher()[0].startswith("ECDHE-ECDSA")  # type: ignore[index]
    client.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    with pytest.raises(ssl.SSLError):
        exchanged(client, worker.context)  # it got the old one, which expires one day


def test_a_file_that_cannot_be_used_leaves_the_old_one_and_is_told_once_but_known_until_it_is_mended(
    authority: Authority,
) -> None:
    file = authority.file("a.example")
    worker = contexts(file)
    before = worker.context
    replace(file, b"broken")
    with pytest.raises(CertificateFault, match="no certificate and key in PEM"):
        worker.look_again()
    assert worker.look_again() == []
    assert worker.fault is not None  # a reload is refused for it
    assert worker.context is before
    authority.file("a.example", path=file)
    assert worker.look_again() == [file]
    assert worker.fault is None


def test_a_file_with_other_permissions_is_read_again(authority: Authority) -> None:
    file = authority.file("a.example")
    worker = contexts(file)
    os.chmod(file, 0o640)
    assert worker.look_again() == [file]


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(authority: Authority, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as pem

    text = Path(authority.file("a.example")).read_bytes()
    key = pem.load_pem_private_key(text, None)
    hidden = key.private_bytes(
        pem.Encoding.PEM, pem.PrivateFormat.TraditionalOpenSSL, pem.BestAvailableEncryption(b"secret")
    )
    file = str(tmp_path / "hidden.pem")
    replace(file, hidden + text[text.index(b"-----BEGIN CERTIFICATE") :])
    with pytest.raises(CertificateFault, match="its key is encrypted: onehop knows no password"):
        contexts(file)
    with pytest.raises(CertificateFault, match="its key is encrypted: onehop knows no password"):
        ClientContext(ClientTls(certificate=file))


def test_what_services_are_spoken_to_with_is_read_again_too(authority: Authority, tmp_path: Path) -> None:
    signers = str(tmp_path / "signers.pem")
    replace(signers, trustme.CA().cert_pem.bytes())
    ours = ClientContext(ClientTls(ca=signers, server_name="a.example"))
    server = contexts(authority.file("a.example")).context
    with pytest.raises(ssl.SSLCertVerificationError):
        exchanged(ours.context, server)
    assert ours.look_again() == []
    replace(signers, Path(authority.pem).read_bytes())
    assert ours.look_again() == [signers]
    exchanged(ours.context, server)
    before = ours.context
    replace(signers, b"")
    with pytest.raises(CertificateFault, match="no certificate in PEM"):
        ours.look_again()
    assert ours.context is before
