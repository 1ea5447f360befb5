"""Certificates of a local cluster: one authority, P-256 keys, ten years.

The cluster trusts nothing else, and nothing else should trust it: keys lie in the cluster's own folder, readable by
the owner alone.
"""

import datetime as dt
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = dt.timedelta(days=3650)
_SKEW = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority in a folder: taken up when it is there, made when it is not."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.files = KeyPair(folder / "ca.crt", folder / "ca.key")
        if not self.files.key.exists():
            self.renew()
        loaded = serialization.load_pem_private_key(self.files.key.read_bytes(), None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        self._key = loaded
        self._certificate = x509.load_pem_x509_certificate(self.files.certificate.read_bytes())

    def renew(self) -> None:
        """A new authority under the same name; what the old one signed is void."""
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = _name("local-kubernetes-ca", "")
        usage = _key_usage(signs_certificates=True)
        builder = _builder(name, name, self._key.public_key(), self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._certificate = builder.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        _write(self.files, self._certificate, self._key)

    def issue(self, name: str, common_name: str, organization: str = "", hosts: Sequence[str] = ()) -> KeyPair:
        """NAME.crt and NAME.key for client and server use; `hosts` are names and addresses. Made anew each time."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common_name, organization)
        builder = _builder(subject, self._certificate.subject, key.public_key(), self._key.public_key())
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_host, hosts))), critical=False)
        files = KeyPair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        _write(files, builder.sign(self._key, hashes.SHA256()), key)
        return files


def signing_key(folder: Path) -> KeyPair:
    """The key that signs service account tokens and its public half, as sa.key and sa.pub; kept when there."""
    files = KeyPair(folder / "sa.pub", folder / "sa.key")
    if not files.key.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(files.key, key)
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        files.certificate.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    return files


def _name(common_name: str, organization: str) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, signer: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number(), now - _SKEW, now + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(files: KeyPair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    _write_key(files.key, key)
    files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    form, plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
