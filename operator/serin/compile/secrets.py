"""Certificates and user files out of Secrets, each read once for each version of its Secret.

What a host looked at is recorded, also when it was not there: a Secret that appears must reach the hosts that wait.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import NameOID

from serin.compile.authorities import MAX_RSA_BITS, Authorities, ForEndpoints, read_authorities, read_for_endpoints
from serin.compile.draft import Draft
from serin.compile.pem import made
from serin.objects.fields import shorten
from serin.objects.store import Key, Snapshot
from serin.objects.views import Secret
from serin.routing.identity import content_digest
from serin.routing.plan import Certificate, UserFile

_HASH = re.compile(r"\{(?:PLAIN|SHA|SSHA)\}.*|\$(?:apr1|1|5|6|2[aby])\$.+|[./0-9A-Za-z]{13}", re.IGNORECASE)
_HASHES = "bcrypt, apr1, $1$, $5$, $6$, {SSHA}, {SHA}, {PLAIN}"
"""What serin.dataplane.proxy.passwords compares with; DES as well, of which nobody is told."""
_COST = re.compile(r"\$2[abxy]\$0*([0-9]+)|\$[56]\$rounds=0*([0-9]+)", re.IGNORECASE)
MAX_BCRYPT_COST = 15
MAX_SHA_ROUNDS = 1_000_000
"""Some 2 s and 1 s of work for each request, as in serin.dataplane.proxy.passwords. An nginx worker serves nobody
meanwhile, of no host at all: a hash that asks for more would be anybody's way to stop it for days."""
_SHOWN = 3
_RSA_BITS = 2048
"""What OpenSSL's default security level asks of a server's key."""
_MAX_CHAIN = 16
_MAX_PEM = 1 << 17
"""Bytes of chain and key: nginx reads them with each handshake (a chain of 700 certificates takes 120 ms)."""


@dataclass(frozen=True, slots=True)
class TlsSecret:
    """A certificate that can be served, with the names it is for (lower-case), or why it cannot be."""

    certificate: Certificate | None
    names: frozenset[str] = frozenset()
    error: str = ""

    def fits(self, host: str) -> bool:
        """A wildcard name stands for exactly one label; a wildcard host needs the same wildcard name."""
        return host in self.names or "*." + host.partition(".")[2] in self.names


@dataclass(frozen=True, slots=True)
class Users:
    """A user file, or why there is none. `unusable`: which of its lines let nobody in."""

    file: UserFile | None
    error: str = ""
    unusable: str = ""


Parsed = TlsSecret | Users | Authorities | ForEndpoints
Cache = Draft[tuple[Key, str], Parsed]


class SecretReader:
    """`reads` collects the names asked for; the compiler clears it before each host."""

    __slots__ = ("_cache", "_snapshot", "reads")

    def __init__(self, snapshot: Snapshot, cache: Cache) -> None:
        self._snapshot = snapshot
        self._cache = cache
        self.reads: set[Key] = set()

    def certificate(self, key: Key) -> TlsSecret:
        found = self._read(key, "tls")
        assert isinstance(found, TlsSecret)
        return found

    def users(self, key: Key, *, is_map: bool) -> Users:
        found = self._read(key, "auth-map" if is_map else "auth-file")
        assert isinstance(found, Users)
        return found

    def authorities(self, key: Key) -> Authorities:
        found = self._read(key, "authorities")
        assert isinstance(found, Authorities)
        return found

    def for_endpoints(self, key: Key) -> ForEndpoints:
        found = self._read(key, "for-endpoints")
        assert isinstance(found, ForEndpoints)
        return found

    def _read(self, key: Key, kind: str) -> Parsed:
        self.reads.add(key)
        known = self._cache.get((key, kind))
        if known is None:
            known = _read(self._snapshot.secrets.get(key), kind)
            self._cache.put((key, kind), known)
        return known


KINDS = ("tls", "auth-file", "auth-map", "authorities", "for-endpoints")


def _read(secret: Secret | None, kind: str) -> Parsed:
    try:
        return _READERS[kind](secret)
    except Exception as e:  # our own fault, or the library's: the Secret counts as unusable
        error = f"Serin failed on it ({type(e).__name__})"
        return _FAILED[kind](error)


def read_certificate(secret: Secret | None) -> TlsSecret:
    if secret is None:
        return TlsSecret(None, error="there is no such Secret")
    chain, key = secret.data.get("tls.crt"), secret.data.get("tls.key")
    if not chain or not key:
        return TlsSecret(None, error=f"it has no {'tls.key' if chain else 'tls.crt'}")
    if len(chain) + len(key) > _MAX_PEM:
        return TlsSecret(None, error=f"its {len(chain) + len(key)} bytes are too many, at most {_MAX_PEM}")
    try:
        certificates = x509.load_pem_x509_certificates(chain)
        leaf = certificates[0]
        public = leaf.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return TlsSecret(None, error="tls.crt holds no certificate that can be read")
    try:
        private = load_pem_private_key(key, password=None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return TlsSecret(None, error="tls.key holds no unencrypted key that can be read")
    if private.public_key() != public:
        return TlsSecret(None, error="tls.key does not belong to the first certificate of tls.crt")
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < _RSA_BITS:
        return TlsSecret(None, error=f"its RSA key of {public.key_size} bits is too short, expected {_RSA_BITS}")
    if isinstance(public, rsa.RSAPublicKey) and public.key_size > MAX_RSA_BITS:
        return TlsSecret(None, error=f"its RSA key of {public.key_size} bits is too long, at most {MAX_RSA_BITS}")
    if len(certificates) > _MAX_CHAIN:
        return TlsSecret(None, error=f"tls.crt holds {len(certificates)} certificates, at most {_MAX_CHAIN}")
    pem = chain.rstrip() + b"\n" + key.rstrip() + b"\n"
    return TlsSecret(made(pem), _names(leaf))


def _names(leaf: x509.Certificate) -> frozenset[str]:
    """DNS names of the certificate, and its common name (which ingress-nginx takes as well)."""
    found = [str(a.value) for a in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found += names.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension):
        pass
    return frozenset(name.lower().removesuffix(".") for name in found)


def _auth_file(secret: Secret | None) -> Users:
    if secret is None:
        return Users(None, "there is no such Secret")
    if "auth" not in secret.data:
        return Users(None, "it has no key auth (auth-secret-type: auth-map takes each key as a user)")
    return _users(secret.data["auth"])


def _auth_map(secret: Secret | None) -> Users:
    if secret is None:
        return Users(None, "there is no such Secret")
    lines = [user.encode() + b":" + value.strip() for user, value in sorted(secret.data.items())]
    return _users(b"\n".join(lines))


def _users(text: bytes) -> Users:
    """Lines that let nobody in are not handed on: nginx would try more kinds of hashes than are known here."""
    if not any(b":" in line and not line.startswith(b"#") for line in text.splitlines()):
        return Users(None, "it holds no line USER:HASH")
    kept, wrong = [], []
    for number, line in enumerate(text.decode("utf-8", "surrogateescape").splitlines(keepends=True), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if fault := _fault(line, number):
            wrong.append(fault)
        else:
            kept.append(line)
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    usable = "".join(kept).encode("utf-8", "surrogateescape")
    return Users(UserFile(content_digest(usable), usable), unusable="; ".join(wrong[:_SHOWN]) + more)


def _fault(line: str, number: int) -> str:
    """Why a line lets nobody in; empty when it does. Never shows a hash: a line without colon may be one."""
    user, colon, rest = line.partition(":")
    shown = shorten(user.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    text = rest.partition(":")[0].strip()
    if not colon:
        return f"line {number} is not USER:HASH"
    if _HASH.fullmatch(text) is None:
        return f"{shown} has no hash that is known ({_HASHES})"
    if _is_too_costly(text):
        return f"{shown} has a hash that takes too long (at most bcrypt {MAX_BCRYPT_COST} or {MAX_SHA_ROUNDS} rounds)"
    return ""


def _is_too_costly(text: str) -> bool:
    found = _COST.match(text)
    if found is None:
        return False
    number, most = (found[1], MAX_BCRYPT_COST) if found[1] else (found[2], MAX_SHA_ROUNDS)
    return len(number) > len(str(most)) or int(number) > most


_READERS: Mapping[str, Callable[[Secret | None], Parsed]] = {
    "tls": read_certificate,
    "auth-file": _auth_file,
    "auth-map": _auth_map,
    "authorities": read_authorities,
    "for-endpoints": read_for_endpoints,
}
_FAILED: Mapping[str, Callable[[str], Parsed]] = {
    "tls": lambda error: TlsSecret(None, error=error),
    "auth-file": lambda error: Users(None, error),
    "auth-map": lambda error: Users(None, error),
    "authorities": lambda error: Authorities(None, error=error),
    "for-endpoints": lambda error: ForEndpoints(error=error),
}
