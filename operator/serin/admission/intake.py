"""A request to the webhook up to its review: who asks wrongly, too much or too slowly gets a status and no more.

Anybody in the pod network can reach the port, so memory and time are bounded before anything is read. Nothing is told
to a caller but the verdict on what the caller sent.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from serin.admission.review import MOST_BYTES, BadReview, Review, read_review

PATHS = frozenset(("/networking/v1/ingresses", "/serin.dev/v1alpha1/canaryroutes"))
"""The first is ingress-nginx's. What is judged is said by the review itself, whichever the path."""
BODY_SECONDS = 5.0
"""Until a body must be there; the API server sends it at once."""
QUEUE_SECONDS = 2.0
"""Until a request that finds no room is turned away."""
ROOM = 3 * MOST_BYTES
"""Bytes of bodies that are held at a time."""


class RefusedError(Exception):
    """The request gets a status and a line of text, and its connection ends."""

    def __init__(self, status: int, text: str, allow: str = "") -> None:
        super().__init__(text)
        self.status = status
        self.allow = allow


class Room:
    """Bytes that may still be taken in."""

    def __init__(self, total: int = ROOM) -> None:
        self._free = total
        self._more = asyncio.Condition()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        """Waits for `size` bytes of room; RefusedError when there is none in time."""
        try:
            async with asyncio.timeout(QUEUE_SECONDS), self._more:
                await self._more.wait_for(lambda: self._free >= size)
                self._free -= size
        except TimeoutError:
            raise RefusedError(503, "too many reviews at a time") from None
        try:
            yield
        finally:
            self._free += size
            async with self._more:
                self._more.notify_all()


def size_of(request: web.BaseRequest) -> int:
    """Bytes of the body, at most; RefusedError for what is not a review by its head."""
    if request.path not in PATHS:
        raise RefusedError(404, f"expected one of {', '.join(sorted(PATHS))}")
    if request.method != "POST":
        raise RefusedError(405, "expected POST", allow="POST")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise RefusedError(415, "expected a body without Content-Encoding")
    if request.content_length is not None and request.content_length > MOST_BYTES:
        raise _too_large()
    return MOST_BYTES if request.content_length is None else request.content_length


async def read(request: web.BaseRequest) -> Review:
    """RefusedError when no review comes, too slowly, or too much."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _body(request)
    except TimeoutError:
        raise RefusedError(408, f"the body did not come in {BODY_SECONDS:g} s") from None
    except (web.RequestPayloadError, ConnectionError):
        raise RefusedError(400, "the body ended early") from None
    review = read_review(body)
    if isinstance(review, BadReview):
        raise RefusedError(400, review.text)
    return review


async def _body(request: web.BaseRequest) -> bytes:
    found = bytearray()
    async for piece in request.content.iter_any():
        found += piece
        if len(found) > MOST_BYTES:
            raise _too_large()
    return bytes(found)


def _too_large() -> RefusedError:
    return RefusedError(413, f"expected at most {MOST_BYTES} bytes")
