"""htpasswd texts: reading one, and comparing a password with one of its hashes.

Schemes are those that nginx's auth_basic takes: crypt (DES, $1$, $5$, $6$, $2a/b/y$), $apr1$, {SHA}, {SSHA}, {PLAIN}.
Everything here is slow on purpose (hashes) and blocking: it runs in threads, never on the event loop.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Any

MAX_SHA_ROUNDS = 1_000_000
"""$5$ and $6$ with more rounds are refused: one request would hold a thread for longer than a second."""
MAX_BCRYPT_COST = 15
"""Some 2 s a request; htpasswd's own bound is 17, its default 5."""
BCRYPT_BYTES = 72
"""bcrypt reads no more of a password; crypt(3) cuts there without a word, so longer ones must match as well."""
DECOY = "$apr1$c0Zr1eQs$b3ADC7gDNEMMnhCjv6gFv."

_ROUNDS = re.compile(r"\$[56]\$rounds=(\d+)\$")
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$")


def read_users(text: bytes) -> Mapping[str, str]:
    """User → hash; the first line of a user counts, as in nginx. `#` begins a comment; a third field is ignored."""
    users: dict[str, str] = {}
    for line in text.decode("utf-8", "surrogateescape").splitlines():
        if line.startswith("#"):
            continue
        user, colon, rest = line.partition(":")
        if user and colon:
            users.setdefault(user, rest.partition(":")[0].strip())
    return users


def verify(stored: str, password: bytes) -> bool:
    """Whether `password` is the one behind `stored`. A hash that cannot be read, or costs too much, matches nothing."""
    try:
        return _verify(stored, password)
    except (ValueError, TypeError, binascii.Error):
        return False


def _verify(stored: str, password: bytes) -> bool:
    if stored.startswith("{"):
        return _verify_ldap(stored, password)
    if cost := _BCRYPT.match(stored):
        return int(cost[1]) <= MAX_BCRYPT_COST and _bcrypt(password, stored)
    if (rounds := _ROUNDS.match(stored)) and int(rounds[1]) > MAX_SHA_ROUNDS:
        return False
    handler = _crypt_handler(stored)
    return handler is not None and bool(handler.verify(password, stored))


def _verify_ldap(stored: str, password: bytes) -> bool:
    scheme, _, text = stored[1:].partition("}")
    match scheme.upper():
        case "PLAIN":
            return hmac.compare_digest(text.encode("utf-8", "surrogateescape"), password)
        case "SHA":
            return hmac.compare_digest(base64.b64decode(text), hashlib.sha1(password, usedforsecurity=False).digest())
        case "SSHA":
            raw = base64.b64decode(text)
            digest, salt = raw[:20], raw[20:]
            return hmac.compare_digest(digest, hashlib.sha1(password + salt, usedforsecurity=False).digest())
    return False


def _bcrypt(password: bytes, stored: str) -> bool:
    import bcrypt

    return bcrypt.checkpw(password[:BCRYPT_BYTES], stored.encode())


def _crypt_handler(stored: str) -> Any:
    """passlib's handler for a crypt text; imported late, most data planes never see a password."""
    from passlib import hash as handlers

    for prefix, name in _CRYPT:
        if stored.startswith(prefix):
            return getattr(handlers, name)
    return handlers.des_crypt if len(stored) == 13 and not stored.startswith("$") else None


_CRYPT = (("$apr1$", "apr_md5_crypt"), ("$1$", "md5_crypt"), ("$5$", "sha256_crypt"), ("$6$", "sha512_crypt"))

Verify = Callable[[str, bytes], bool]
