"""A text in PEM as a value of the plan, named by its digest."""

from serin.routing.identity import content_digest
from serin.routing.plan import Certificate


def made(pem: bytes) -> Certificate:
    return Certificate(content_digest(pem), pem)
