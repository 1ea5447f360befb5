"""Cookie affinity: a cookie keeps its user on one version, and on one endpoint of it.

The cookie names the version and a key. The key is a random text that is hashed to an endpoint or, in persistent mode,
the endpoint's own ident. What the texts look like and which cookie is sent is routing's (serin.routing.affinity).
"""

import os
import re
from collections.abc import Callable
from functools import partial
from typing import Any

from serin.dataplane.proxy.exchange import Choice, Client, RequestHead
from serin.dataplane.proxy.headers import cookie_header, cookie_line
from serin.dataplane.proxy.picking import Hash, Picked, RulesAndKeys, Split, VersionChoice, decide, reason_of
from serin.native.worker import EXACT, NO_ENDPOINT, STICKY, VERSION_ONLY
from serin.routing.affinity import make_value, read_value, set_cookie
from serin.routing.cookies import cookie_reader
from serin.routing.decision import UNDECIDED, Reason, Verdict
from serin.routing.plan import Affinity, VersionRoute
from serin.routing.rules import CompiledMatches, CompiledRules

_IDENT = re.compile(rb"[0-9a-f]{16}").fullmatch


class StickyPicker:
    """The picker of a route with cookie affinity.

    A version that is not sticky (affinity-canary-behavior: legacy) is drawn anew for each request and sends no cookie.
    """

    __slots__ = ("_affinity", "_clock", "_free", "_hash", "_idents", "_read", "_rules", "_split", "_sticky")

    def __init__(
        self,
        split: Split,
        rules: CompiledRules | CompiledMatches,
        versions: tuple[VersionRoute, ...],
        affinity: Affinity,
        free: RulesAndKeys,
        hashed: Hash,
        clock: Callable[[], float],
    ) -> None:
        """`free` picks for users without a cookie where the cookie does not hash; `clock`: seconds since the epoch."""
        self._split = split
        self._rules = rules
        self._idents = tuple(v.ident for v in versions)
        self._sticky = tuple(v.sticky for v in versions)
        self._affinity = affinity
        self._free = free
        self._hash = hashed
        self._clock = clock
        self._read = cookie_reader(affinity.name.encode())

    def __call__(self, head: RequestHead, client: Client, path: bytes) -> Picked | int:
        cookies = cookie_header(head)
        user, line = self._free.user(head, client, cookies)
        picked = self._pick(head, client, path, cookies, user)
        if line and not isinstance(picked, int):
            picked.answer += line
        return picked

    def _pick(self, head: RequestHead, client: Client, path: bytes, cookies: bytes | None, user: int) -> Picked | int:
        text = self._read(cookies) if cookies is not None else None
        if not text:
            return self._newcomer(head, client, path, cookies, os.urandom(16).hex().encode(), user)
        key, ident = read_value(text)
        pinned = self._rules.pinned(ident)
        if pinned is not None:
            found = self._by_key(pinned, key)
            if not isinstance(found, int):
                return self._returning(found, head, client, key)
            if found != NO_ENDPOINT:
                return found
        if ident is not None:  # a version that is gone: its user is drawn again, and told so
            return self._newcomer(head, client, path, cookies, key, user)
        verdict = self._free.judge(head, client, cookies)
        found = decide(self._split, verdict, self._hash(key), STICKY, user)
        return found if isinstance(found, int) else Picked(found, reason_of(verdict, found))

    def _by_key(self, pinned: Verdict, key: bytes) -> Any:
        if self._affinity.persistent and _IDENT(key):
            return self._split.decide(pinned.forced, 0, int(key, 16), STICKY | EXACT)
        return self._split.decide(pinned.forced, 0, self._hash(key), STICKY)

    def _returning(self, choice: VersionChoice, head: RequestHead, client: Client, key: bytes) -> Picked:
        """A new cookie only where the old one stopped being true: its endpoint is gone, or failed and was left."""
        picked = Picked(choice, Reason.STICKY)
        due = self._affinity.persistent and key != endpoint_key(choice)
        if due or self._affinity.change_on_failure:
            picked.on_choice = partial(self._tell, head, client, choice.version, choice.endpoint, key, due)
        return picked

    def _newcomer(
        self, head: RequestHead, client: Client, path: bytes, cookies: bytes | None, key: bytes, user: int
    ) -> Picked | int:
        verdict = self._free.judge(head, client, cookies)
        if self._affinity.persistent:
            found = self._free.decide(verdict, head, client, path, user)
        elif all(self._sticky):
            found = decide(self._split, verdict, self._hash(key), STICKY, user)
        else:
            version = decide(self._split, verdict, 0, VERSION_ONLY, user)
            found = self._by_version(version, head, client, path, key, user)
        if isinstance(found, int):
            return found
        picked = Picked(found, reason_of(verdict, found))
        if self._sticky[found.version]:
            if self._affinity.persistent or self._affinity.change_on_failure:
                picked.on_choice = partial(self._tell, head, client, found.version, found.endpoint, key, True)
            else:
                picked.answer = self._line(head, client, key, found.version)
        return picked

    def _by_version(self, version: Any, head: RequestHead, client: Client, path: bytes, key: bytes, user: int) -> Any:
        if isinstance(version, int):
            return version
        if not self._sticky[version.version]:
            return self._free.endpoint_of(version, head, client, path, user)
        found = self._split.decide(version.version, 0, self._hash(key), STICKY | version.follow(), user)
        if not isinstance(found, int):
            found.reason = version.reason
        return found

    def _tell(
        self, head: RequestHead, client: Client, version: int, first: int, key: bytes, due: bool, choice: Choice
    ) -> bytes:
        """The Set-Cookie line once an endpoint has answered. `first` was asked before any failure.

        `due`: the client needs a cookie in any case; else it gets one when the request moved on and the user asked so.
        """
        moved = choice.endpoint != first
        if not due and not (moved and self._affinity.change_on_failure):
            return b""
        if self._affinity.persistent:
            key = endpoint_key(choice)
        elif moved:
            key = os.urandom(16).hex().encode()
        return self._line(head, client, key, version)

    def _line(self, head: RequestHead, client: Client, key: bytes, version: int) -> bytes:
        value = make_value(key, self._idents[version])
        agent = head.get(b"user-agent")
        return cookie_line(set_cookie(self._affinity, value, tls=client.tls, user_agent=agent, now=self._clock()))


class RulesBeforeSticky(StickyPicker):
    """The picker of a route whose CanaryRoute has rules: these come before the cookie, which stays as it is."""

    __slots__ = ()

    def _pick(self, head: RequestHead, client: Client, path: bytes, cookies: bytes | None, user: int) -> Picked | int:
        text = self._read(cookies) if cookies is not None else None
        verdict = self._free.judge(head, client, cookies) if text else UNDECIDED
        if text and verdict.forced >= 0:
            found = self._by_key(verdict, read_value(text)[0])
            if not isinstance(found, int):
                return Picked(found, reason_of(verdict, found))
            if found != NO_ENDPOINT:
                return found
        return super()._pick(head, client, path, cookies, user)


def endpoint_key(choice: Choice) -> bytes:
    """The key that names an endpoint itself (affinity-mode: persistent)."""
    return b"%016x" % choice.endpoint
