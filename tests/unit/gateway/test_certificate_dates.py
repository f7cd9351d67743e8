"""When a certificate ends, as its file says."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from keepline.gateway.certificate_dates import expires_at

KEY = ec.generate_private_key(ec.SECP256R1())
TODAY = datetime(2026, 1, 1, tzinfo=UTC)


def certificate(ends: datetime, *, names: int = 1) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway.example")])
    also = x509.SubjectAlternativeName([x509.DNSName(f"{n}.example") for n in range(names)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(TODAY, ends - timedelta(days=1)))
        .not_valid_after(ends)
        .add_extension(also, critical=False)
        .sign(KEY, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize("year", [1999, 2026, 2049, 2050, 2126])
def test_the_end_is_read_in_either_form_of_time(year: int) -> None:
    ends = datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert expires_at(certificate(ends, names=50)) == ends.timestamp()


def test_of_a_chain_the_first_counts_whatever_stands_before_it() -> None:
    soon, late = TODAY + timedelta(days=9), TODAY + timedelta(days=900)
    chain = "a key\n" + certificate(soon) + certificate(late)
    assert expires_at(chain) == soon.timestamp()


def test_what_is_no_certificate_has_no_end() -> None:
    assert expires_at("") is None
    assert expires_at("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----") is None
    der = ssl.PEM_cert_to_DER_cert(certificate(TODAY))
    for length in range(0, 120, 7):
        assert expires_at(ssl.DER_cert_to_PEM_cert(der[:length])) is None
