"""A text in PEM as a value of the plan, named by its digest."""

import hashlib

from serin.routing.plan import Certificate


def made(pem: bytes) -> Certificate:
    return Certificate(digest(pem), pem)


def digest(data: bytes) -> str:
    """32 hex digits over the data: its name in the plan, and its file's."""
    return hashlib.sha256(data).hexdigest()[:32]
