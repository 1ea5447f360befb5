"""Names that outlive restarts and are the same in every replica: digests over what they stand for."""

import hashlib
from collections.abc import Iterable

from serin.routing.plan import RuleId


def digest64(parts: Iterable[str]) -> str:
    """16 hex digits: the first 8 bytes of SHA-256 over the parts, each with its length."""
    h = hashlib.sha256()
    for part in parts:
        data = part.encode()
        h.update(len(data).to_bytes(4, "big"))
        h.update(data)
    return h.digest()[:8].hex()


def split_id(rule: RuleId) -> str:
    return digest64((rule.host, rule.path, rule.path_type))


def content_digest(data: bytes) -> str:
    """32 hex digits: the first 16 bytes of SHA-256. Names certificates, user files and documents."""
    return hashlib.sha256(data).digest()[:16].hex()
