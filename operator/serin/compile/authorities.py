"""Certificates that others are checked by, and the one that we show to endpoints, out of Secrets.

Everything is written anew from what was read, so that nothing of a user's text gets into the files that nginx loads.
"""

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from serin.compile.pem import made
from serin.objects.views import Secret
from serin.routing.plan import Certificate

MAX_RSA_BITS = 8192
"""One signature takes 40 ms; of 16384 bits 200 ms, in which its worker serves nobody of any host."""
_CRL = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)
_RSA_BITS, _EC_BITS = 2048, 224
"""What OpenSSL's default security level asks for; nginx refuses its configuration for less."""


@dataclass(frozen=True, slots=True)
class Authorities:
    """What `ca.crt` and `ca.crl` of a Secret hold, or why they cannot be used."""

    certificates: Certificate | None
    revoked: Certificate | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ForEndpoints:
    """Our own certificate with its key, and the authorities for those of endpoints. Either may be missing."""

    own: Certificate | None = None
    authorities: Certificate | None = None
    error: str = ""


def read_authorities(secret: Secret | None) -> Authorities:
    if secret is None:
        return Authorities(None, error="there is no such Secret")
    if "ca.crt" not in secret.data:
        return Authorities(None, error="it has no ca.crt")
    certificates = _bundle(secret.data["ca.crt"])
    if certificates is None:
        return Authorities(None, error="ca.crt holds no certificates that can be read")
    if "ca.crl" not in secret.data:
        return Authorities(certificates)
    revoked = _revoked(secret.data["ca.crl"])
    if revoked is None:
        return Authorities(None, error="ca.crl holds no lists of revoked certificates that can be read")
    return Authorities(certificates, revoked)


def read_for_endpoints(secret: Secret | None) -> ForEndpoints:
    if secret is None:
        return ForEndpoints(error="there is no such Secret")
    data = secret.data
    chain, key = data.get("tls.crt"), data.get("tls.key")
    if not chain and not key and "ca.crt" not in data:
        return ForEndpoints(error="it has neither tls.crt and tls.key nor ca.crt")
    if bool(chain) != bool(key):
        return ForEndpoints(error=f"it has no {'tls.key' if chain else 'tls.crt'}")
    authorities = _bundle(data["ca.crt"]) if "ca.crt" in data else None
    if "ca.crt" in data and authorities is None:
        return ForEndpoints(error="ca.crt holds no certificates that can be read")
    if not chain or not key:
        return ForEndpoints(authorities=authorities)
    own = _pair(chain, key)
    return ForEndpoints(error=own) if isinstance(own, str) else ForEndpoints(own, authorities)


def _bundle(pem: bytes) -> Certificate | None:
    try:
        found = x509.load_pem_x509_certificates(pem)
        return made(b"".join(dict.fromkeys(c.public_bytes(Encoding.PEM) for c in found)))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _revoked(pem: bytes) -> Certificate | None:
    try:
        found = [x509.load_pem_x509_crl(text) for text in _CRL.findall(pem)]
        return made(b"".join(c.public_bytes(Encoding.PEM) for c in found)) if found else None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _pair(chain: bytes, key: bytes) -> Certificate | str:
    """Or why the two cannot be used."""
    try:
        certificates = x509.load_pem_x509_certificates(chain)
        weak = next(filter(None, map(_weakness, certificates)), "")
        public = certificates[0].public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls.crt holds no certificate that can be read"
    try:
        private = load_pem_private_key(key, password=None, unsafe_skip_rsa_key_validation=True)
        text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls.key holds no unencrypted key that can be read"
    if private.public_key() != public:
        return "tls.key does not belong to the first certificate of tls.crt"
    if weak:
        return weak
    return made(b"".join(c.public_bytes(Encoding.PEM) for c in certificates) + text)


def _weakness(certificate: x509.Certificate) -> str:
    public = certificate.public_key()
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < _RSA_BITS:
        return f"a certificate's RSA key of {public.key_size} bits is too short, expected {_RSA_BITS}"
    if isinstance(public, rsa.RSAPublicKey) and public.key_size > MAX_RSA_BITS:
        return f"a certificate's RSA key of {public.key_size} bits is too long, at most {MAX_RSA_BITS}"
    if isinstance(public, ec.EllipticCurvePublicKey) and public.key_size < _EC_BITS:
        return f"a certificate's key of {public.key_size} bits is too short, expected {_EC_BITS}"
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "a certificate's signature is of an unknown kind"
    if isinstance(algorithm, hashes.SHA1 | hashes.MD5) and certificate.issuer != certificate.subject:
        return f"a certificate is signed with {algorithm.name}, expected sha256 or better"
    return ""
