"""Basic authentication: hashes are compared in a few threads, never on the event loop, and never without a bound.

A pair that was verified is remembered for a minute under a digest keyed with this process's own random key, so that
neither passwords nor anything that could be tried offline stays in memory. Must not know pages or headers of answers.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum

from serin.dataplane.proxy.passwords import DECOY, Verify, read_users, verify
from serin.errors import SerinError

REMEMBERED_SECONDS = 60.0
REMEMBERED_PAIRS = 4096
USER_FILES = 256

log = logging.getLogger(__name__)


class Verdict(Enum):
    """DENIED: 401. BUSY: too many hashes are waiting, 503. BROKEN: the user file cannot be read, 503."""

    ALLOWED = "allowed"
    DENIED = "denied"
    BUSY = "busy"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Checked:
    verdict: Verdict
    user: str = ""


DENIED = Checked(Verdict.DENIED)
BUSY = Checked(Verdict.BUSY)
BROKEN = Checked(Verdict.BROKEN)


def parse_credentials(value: bytes | None) -> tuple[str, bytes] | None:
    """User and password of an Authorization header (RFC 7617); None when it is not a usable Basic one."""
    if value is None or value[:6].lower() != b"basic ":
        return None
    try:
        text = base64.b64decode(value[6:].strip(b" "), validate=True)
    except binascii.Error:
        return None
    user, colon, password = text.partition(b":")
    return (user.decode("utf-8", "surrogateescape"), password) if colon and user else None


class Authenticator:
    """One for a worker. `read_file` gives the text of a user file by its digest (serin.render.rundir)."""

    def __init__(
        self,
        read_file: Callable[[str], bytes],
        *,
        threads: int = 2,
        queue: int = 64,
        clock: Callable[[], float] = time.monotonic,
        compare: Verify = verify,
    ) -> None:
        self._read_file = read_file
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="password")
        self._room = threads + queue
        self._clock = clock
        self._compare = compare
        self._key = os.urandom(32)
        self._remembered: OrderedDict[bytes, tuple[float, Checked]] = OrderedDict()
        self._pending: dict[bytes, asyncio.Future[bool]] = {}
        self._files: OrderedDict[str, Mapping[str, str]] = OrderedDict()

    def check(self, digest: str, authorization: bytes | None) -> "Checked | Waiting":
        """The verdict if it is known without hashing, else what is to be awaited. `digest` names the user file."""
        if authorization is None:
            return DENIED
        key = hmac.digest(self._key, digest.encode() + b"\0" + authorization, hashlib.sha256)
        entry = self._remembered.get(key)
        if entry is not None and self._clock() < entry[0]:
            self._remembered.move_to_end(key)
            return entry[1]
        credentials = parse_credentials(authorization)
        if credentials is None:
            return DENIED
        if key not in self._pending and len(self._pending) >= self._room:
            return BUSY
        return Waiting(self, key, digest, *credentials)

    async def verify(self, key: bytes, digest: str, user: str, password: bytes) -> Checked:
        """Equal requests at once share one comparison."""
        pending = self._pending.get(key)
        if pending is None:
            try:
                users = self._users(digest)
            except (OSError, SerinError):
                log.exception("user file %s cannot be read", digest)
                return BROKEN
            pending = asyncio.wrap_future(self._threads.submit(self._matches, users, user, password))
            self._pending[key] = pending
            pending.add_done_callback(lambda _: self._pending.pop(key, None))
        matches = await asyncio.shield(pending)
        return self._remember(key, Checked(Verdict.ALLOWED, user)) if matches else DENIED

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, users: Mapping[str, str], user: str, password: bytes) -> bool:
        """An unknown user costs as much as a known one: the hash of another is compared, and its result dropped."""
        stored = users.get(user)
        if stored is None:
            self._compare(next(iter(users.values()), DECOY), password)
            return False
        return self._compare(stored, password)

    def _remember(self, key: bytes, checked: Checked) -> Checked:
        self._remembered[key] = (self._clock() + REMEMBERED_SECONDS, checked)
        self._remembered.move_to_end(key)
        while len(self._remembered) > REMEMBERED_PAIRS:
            self._remembered.popitem(last=False)
        return checked

    def _users(self, digest: str) -> Mapping[str, str]:
        users = self._files.get(digest)
        if users is None:
            users = self._files[digest] = read_users(self._read_file(digest))
            if len(self._files) > USER_FILES:
                self._files.popitem(last=False)
        else:
            self._files.move_to_end(digest)
        return users


@dataclass(frozen=True, slots=True)
class Waiting:
    """Credentials whose verdict takes a hash."""

    authenticator: Authenticator
    key: bytes
    digest: str
    user: str
    password: bytes

    async def verdict(self) -> Checked:
        return await self.authenticator.verify(self.key, self.digest, self.user, self.password)
