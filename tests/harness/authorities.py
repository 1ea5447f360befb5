"""Certificate authorities of a test run and the certificates of clients and hosts that they signed, by name."""

import datetime as dt
import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CLIENT_NAME = "client of tests"


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=30))
    )


@functools.cache
def _authority(name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _named(f"authority {name}")
    builder = _builder(subject, subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()), key


def authority(name: str) -> bytes:
    """Its certificate, PEM: what `ca.crt` holds."""
    return _authority(name)[0].public_bytes(serialization.Encoding.PEM)


@functools.cache
def certificate_of(name: str) -> bytes:
    """A client's certificate signed by that authority, and its key, PEM."""
    signing, signing_key = _authority(name)
    key = ec.generate_private_key(ec.SECP256R1())
    made = _builder(_named(CLIENT_NAME), signing.subject, key.public_key()).sign(signing_key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM) + private


def certificate_for(name: str, host: str) -> tuple[bytes, bytes]:
    """A host's certificate signed by that authority, and its key, PEM; another one each time."""
    signing, signing_key = _authority(name)
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_named(host), signing.subject, key.public_key())
    made = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    signed = made.sign(signing_key, hashes.SHA256())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return signed.public_bytes(serialization.Encoding.PEM), private
