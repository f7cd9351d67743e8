from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificates

from keepline.errors import StartError
from keepline.gateway.tls import Certificates, make_context, tls_error
from keepline.reasons import CloseReason
from keepline.settings.tls import Tls
from tests.gateway.tls_peers import NAME, Authority
from tests.unit.gateway.fakes import World


def ends(pair: dict[str, str]) -> float:
    """Return when the certificate ends, as another library reads it."""
    [leaf, *_] = load_pem_x509_certificates(Path(pair["certificate"]).read_bytes())
    return leaf.not_valid_after_utc.timestamp()


def shown(context: ssl.SSLContext, authority: Authority) -> float:
    """Return when the certificate ends that a server shows to one who trusts its authority."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = authority.client().wrap_bio(to_client, to_server, server_hostname=NAME)
    for end in (client, server, client):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()
    leaf = load_der_x509_certificate(client.getpeercert(binary_form=True) or b"")
    return leaf.not_valid_after_utc.timestamp()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def made(pair: dict[str, str], **changes: str) -> ssl.SSLContext:
    return make_context(Tls.model_validate(pair | changes))


def refused(pair: dict[str, str], **changes: str) -> StartError:
    with pytest.raises(StartError) as error:
        made(pair, **changes)
    assert error.value.hint
    return error.value


def test_nothing_older_than_tls_1_2_and_neither_compression_nor_renegotiation(
    authority: Authority,
) -> None:
    context = made(authority.pair())
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert ssl.OP_NO_COMPRESSION in context.options
    assert ssl.OP_NO_RENEGOTIATION in context.options
    assert context.verify_mode is ssl.CERT_NONE


def test_certificate_and_key_may_be_in_one_file(authority: Authority, tmp_path: Path) -> None:
    pair = authority.pair()
    both = tmp_path / "both.pem"
    both.write_bytes(Path(pair["key"]).read_bytes() + Path(pair["certificate"]).read_bytes())
    assert shown(made({"certificate": str(both)}), authority) == ends(pair)


def test_devices_certificates_are_asked_for_when_an_authority_is_given(
    authority: Authority,
) -> None:
    assert made(authority.pair(), client_ca=authority.file()).verify_mode is ssl.CERT_REQUIRED


async def test_until_when_the_certificate_is_good_is_known_and_anew_when_it_is_renewed(
    authority: Authority,
) -> None:
    pair = authority.pair(days=90)
    certificates = Certificates(Tls.model_validate(pair), World().node.log, None)
    first = ends(pair)
    assert certificates.expires_at == first
    authority.pair(days=180)
    certificates.reload()
    await certificates.stop()
    assert certificates.expires_at == ends(pair) > first
    authority.spoil("no key")
    certificates.reload()
    await certificates.stop()
    assert certificates.expires_at == ends(pair)


@pytest.mark.parametrize("field", ["certificate", "key", "client_ca"])
def test_a_file_that_cannot_be_read_is_named(
    authority: Authority, tmp_path: Path, field: str
) -> None:
    missing = str(tmp_path / "missing.pem")
    error = refused(authority.pair(), **{field: missing})
    assert missing in error.problem
    assert "No such file" in error.problem


@pytest.mark.parametrize("what", ["certificate", "key"])
def test_a_file_that_holds_something_else_is_named(authority: Authority, what: str) -> None:
    pair = authority.pair()
    authority.spoil(what)
    assert pair["certificate"] in refused(pair).problem


def test_a_certificate_alone_says_that_its_key_is_missing(authority: Authority) -> None:
    pair = authority.pair()
    assert "tls.key" in refused({"certificate": pair["certificate"]}).hint


def test_a_key_of_another_certificate_is_told_apart(authority: Authority) -> None:
    pair = authority.pair()
    authority.spoil("half")
    assert "does not belong" in refused(pair).problem


def test_an_authority_file_without_authorities_is_told_apart(
    authority: Authority, tmp_path: Path
) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("no pem")
    assert "authorities" in refused(authority.pair(), client_ca=str(nothing)).problem


def test_nobody_is_asked_for_a_passphrase(authority: Authority, tmp_path: Path) -> None:
    pair = authority.pair()
    locked = tmp_path / "locked.pem"
    key = load_pem_private_key(Path(pair["key"]).read_bytes(), password=None)
    locked.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )
    assert "passphrase" in refused(pair, key=str(locked)).problem


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("HTTP_REQUEST", "plain HTTP was sent to the TLS port"),
        ("TLSV1_ALERT_UNKNOWN_CA", "tlsv1 alert unknown ca"),
        (None, "unknown"),
    ],
)
def test_a_failed_handshake_is_told_in_words(reason: str | None, words: str) -> None:
    failed = ssl.SSLError()
    failed.reason = reason  # type: ignore[assignment]
    error = tls_error(failed)
    assert error.reason is CloseReason.TLS_FAILED
    assert error.detail == words
