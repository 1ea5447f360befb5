"""When an attempt that failed may be made again, at another endpoint or on a new connection to the same one.

Rules only (nginx's proxy_next_upstream and RFC 9110, section 9.2.2); the transfer acts on them.
"""

from serin.dataplane.proxy.connection_settings import UpstreamSettings

IDEMPOTENT = frozenset(("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "SEARCH"))
"""Methods that may be sent twice: RFC 9110, section 9.2.2, and WebDAV's queries."""

CLIENT_CLOSED = 499
"""nginx's status for a client that went away before the answer."""
UNANSWERED = frozenset({CLIENT_CLOSED, 502, 504})
"""Statuses that mean, when nothing came with them, that no endpoint answered."""
STATUS_OF = {"error": 502, "timeout": 504, "invalid_header": 502}
"""What the client is told when no attempt is left, by nginx's word for the failure."""


def may_retry(settings: UpstreamSettings, word: str, method: str, *, sent: bool, tries: int, elapsed: float) -> bool:
    """Whether another endpoint may be asked. `sent`: something of the request may have reached this one.

    `tries` attempts were made so far, in `elapsed` seconds.
    """
    if word not in settings.retry_on:
        return False
    if sent and method not in IDEMPOTENT and "non_idempotent" not in settings.retry_on:
        return False
    if settings.tries and tries >= settings.tries:
        return False
    return not settings.tries_timeout or elapsed < settings.tries_timeout


def may_renew(word: str, method: str, *, sent: bool, served: int, silent: bool) -> bool:
    """Whether the same endpoint may be asked on a new connection: it had closed a kept one before it saw the request.

    `served` exchanges were begun on the connection, this one counted, so a new one does not qualify again; `silent`: no
    byte of an answer came.
    """
    return word == "error" and served > 1 and silent and (not sent or method in IDEMPOTENT)
