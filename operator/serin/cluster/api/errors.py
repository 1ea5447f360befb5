"""What a call can end with besides an answer."""

import json

from serin.errors import SerinError

SHOWN = 500
"""Characters of an answer that is no Status object."""


class ApiError(SerinError):
    """The API server refused. `reason` is its word for it (`Conflict`, `Forbidden`, …), `text` its message."""

    def __init__(self, status: int, reason: str, text: str, call: str = "") -> None:
        super().__init__(f"{call}: {status} {reason}: {text}" if call else f"{status} {reason}: {text}")
        self.status = status
        self.reason = reason
        self.text = text


class ApiUnreachableError(SerinError):
    """No answer: not connected, not trusted, timed out, cut off, or no credentials to ask with."""


def refusal(call: str, status: int, body: bytes) -> ApiError:
    """`body` is a Status object, or whatever a proxy in between says."""
    try:
        told = json.loads(body)
        reason, text = str(told.get("reason") or ""), str(told.get("message") or "")
    except (ValueError, AttributeError):
        reason, text = "", " ".join(body.decode(errors="replace").split())[:SHOWN]
    return ApiError(status, reason or "Unknown", text, call)
