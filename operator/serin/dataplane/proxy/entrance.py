"""Who comes in to a route: limits, address lists, password, external authentication, in nginx's order.

One of them that refuses is enough, or with `satisfy any` one that lets in; what nobody can tell is a refusal. A request
that is let in goes on to its endpoint by the gate. It must not know how endpoints are chosen or pages made.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from serin.dataplane.proxy.auth import Authenticator, Checked, Verdict, Waiting
from serin.dataplane.proxy.auth_cache import AuthCache
from serin.dataplane.proxy.exchange import Answer, Client, Forward, RequestHead
from serin.dataplane.proxy.external_auth import Allowed, Denied, ReadyExternal
from serin.dataplane.proxy.headers import one_line
from serin.dataplane.proxy.limiting import Counts, Place, PlacedChoice, ReadyLimits
from serin.dataplane.proxy.networks import Networks, networks
from serin.dataplane.proxy.subrequest import ReadyBeside, Subrequests
from serin.routing.beside import Beside
from serin.routing.plan import BasicAuth, Globals, Route


@dataclass(slots=True)
class Asked:
    """A request as the entrance needs it. `request_id` is the one that its endpoint will get, too."""

    head: RequestHead
    client: Client
    path: bytes
    key: int
    """Hash of the client's address."""
    request_id: bytes


@dataclass(slots=True)
class LetIn:
    """`user` of the password; `lines` for the endpoint; `cookies`: values of Set-Cookie of the authentication."""

    user: str = ""
    lines: bytes = b""
    cookies: tuple[bytes, ...] = ()
    always: bool = False
    """The cookies go with any status of the answer."""


@dataclass(slots=True)
class Refused:
    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()


_ANSWERS = frozenset((401, 403))
"""Refusals after which `satisfy any` looks further."""

Verdicts = Generator[Awaitable[Any], Any, LetIn | Refused]
"""Yields what is to be awaited, gets what came of it."""
GoOn = Callable[[LetIn], Answer | Forward]
Say = Callable[[Refused], Answer]


class Lists:
    """The address lists of a route."""

    __slots__ = ("_allow", "_deny")

    def __init__(self, allow: tuple[str, ...], deny: tuple[str, ...]) -> None:
        self._allow = networks(allow) if allow else None
        self._deny = networks(deny) if deny else None

    def verdict(self, address: str) -> bool | None:
        """True: in the allow list; False: refused; None: there is nothing about this address."""
        if self._deny is not None and address in self._deny:
            return False
        return None if self._allow is None else address in self._allow


class Guards:
    """What a route asks for, made ready once."""

    __slots__ = ("any_of", "basic", "challenge", "external", "limits", "lists")

    def __init__(
        self,
        limits: ReadyLimits | None,
        lists: Lists | None,
        basic: BasicAuth | None,
        external: ReadyExternal | None,
        *,
        any_of: bool,
    ) -> None:
        self.limits = limits
        self.lists = lists
        self.basic = basic
        self.challenge = b"" if basic is None else challenge(basic.realm)
        self.external = external
        self.any_of = any_of


class Workbench(Protocol):
    """serin.dataplane.proxy.runtime.Workshop."""

    def beside(self, beside: Beside, /) -> ReadyBeside: ...


def guards_of(route: Route, made: Workbench, constants: Mapping[str, bytes]) -> Guards | None:
    """None for a route that everybody may come in to."""
    policy = route.policy
    access = policy.access
    lists = Lists(access.allow, access.deny) if access.allow or access.deny else None
    limits = None if policy.limits is None else ReadyLimits(policy.limits)
    external = None
    if policy.external_auth is not None:
        scope = repr((route.rule, route.ingress)).encode()
        external = ReadyExternal(policy.external_auth, made.beside(policy.external_auth.to), constants, scope)
    if limits is None and lists is None and policy.auth is None and external is None:
        return None
    return Guards(limits, lists, policy.auth, external, any_of=access.any_of)


class Entrance:
    """One for a worker. `counts` None: they cannot be had, and whoever has a limit is refused."""

    __slots__ = ("_auth", "asks", "cache", "counts")

    def __init__(self, auth: Authenticator, asks: Subrequests, counts: Counts | None) -> None:
        self._auth = auth
        self.asks = asks
        self.counts = counts
        self.cache = AuthCache()

    def enter(
        self, guards: Guards, asked: Asked, settings: Globals, go_on: GoOn, refuse: Say, blocked: Networks | None
    ) -> Answer | Forward | Awaitable[Answer | Forward]:
        """The decision, at once where nothing has to be waited for. `blocked`: networks that nobody comes in from."""
        place = None
        if guards.limits is not None:
            taken = guards.limits.take(self.counts, asked.client, asked.key, settings)
            if isinstance(taken, int):
                return refuse(Refused(taken))
            place = taken
        if place is None:
            return self._decide(guards, asked, go_on, refuse, blocked)
        try:
            decision = self._decide(guards, asked, go_on, refuse, blocked)
        except BaseException:
            place.leave()
            raise
        if isinstance(decision, Answer | Forward):
            return _placed(decision, place)
        return _wait_placed(decision, place)

    def _decide(
        self, guards: Guards, asked: Asked, go_on: GoOn, refuse: Say, blocked: Networks | None
    ) -> Answer | Forward | Awaitable[Answer | Forward]:
        if blocked is not None and asked.client.address in blocked:
            return refuse(Refused(403))

        def conclude(verdict: LetIn | Refused) -> Answer | Forward:
            return go_on(verdict) if isinstance(verdict, LetIn) else refuse(verdict)

        async def wait(verdicts: Verdicts, waiting: Awaitable[Any]) -> Answer | Forward:
            try:
                while True:
                    waiting = verdicts.send(await waiting)
            except StopIteration as end:
                return conclude(end.value)

        verdicts = self._verdicts(guards, asked)
        try:
            waiting = next(verdicts)
        except StopIteration as end:
            return conclude(end.value)
        return wait(verdicts, waiting)

    def _verdicts(self, guards: Guards, asked: Asked) -> Verdicts:
        let_in, refused = LetIn(), None
        if guards.lists is not None:
            listed = guards.lists.verdict(asked.client.address)
            if listed and guards.any_of:
                return let_in
            if listed is False:
                refused = Refused(403)
                if not guards.any_of:
                    return refused
        if guards.basic is not None:
            checked = self._auth.check(guards.basic.users, asked.head.get(b"authorization"))
            if isinstance(checked, Waiting):
                checked = yield checked.verdict()
            by_password = _by_password(checked, guards)
            if isinstance(by_password, Refused):
                refused = _worse(refused, by_password)
                if not guards.any_of or by_password.status not in _ANSWERS:
                    return _signed_in(guards, asked, refused)
            elif guards.any_of:
                return by_password
            else:
                let_in = by_password
        if guards.external is not None:
            heard = yield guards.external.ask(
                self.asks, self.cache, asked.head, asked.client, asked.path, asked.request_id, asked.key
            )
            return _by_external(heard, guards, guards.external, asked, let_in, refused)
        return let_in if refused is None else refused


def challenge(realm: str) -> bytes:
    """The value of WWW-Authenticate (RFC 7617); quotes and backslashes of the realm escaped."""
    text = realm.replace("\\", "\\\\").replace('"', '\\"')
    return b'Basic realm="%b"' % one_line(text.encode())


def _by_password(checked: Checked, guards: Guards) -> LetIn | Refused:
    if checked.verdict is Verdict.ALLOWED:
        return LetIn(checked.user)
    if checked.verdict is Verdict.DENIED:
        return Refused(401, ((b"WWW-Authenticate", guards.challenge),))
    return Refused(503)


def _by_external(
    heard: Allowed | Denied,
    guards: Guards,
    external: ReadyExternal,
    asked: Asked,
    let_in: LetIn,
    refused: Refused | None,
) -> LetIn | Refused:
    """`let_in`, `refused`: what lists and password said before."""
    if isinstance(heard, Allowed):
        return LetIn(let_in.user, heard.lines, heard.cookies, external.always_set_cookie)
    cookies = tuple((b"Set-Cookie", cookie) for cookie in heard.cookies)
    denied = Refused(heard.status, heard.headers + (cookies if external.always_set_cookie else ()))
    if heard.status not in _ANSWERS:
        return denied
    return _signed_in(guards, asked, _worse(refused, denied), cookies)


def _worse(before: Refused | None, now: Refused) -> Refused:
    """nginx keeps a 401 that was said before, since it tells how to come in."""
    return before if before is not None and before.status == 401 else now


def _signed_in(
    guards: Guards, asked: Asked, refused: Refused, cookies: tuple[tuple[bytes, bytes], ...] = ()
) -> Refused:
    """A 401 becomes a redirect to the place where one signs in, if there is one."""
    external = guards.external
    if refused.status != 401 or external is None or not external.signs_in:
        return refused
    location = external.signin(asked.head, asked.client, asked.path, asked.request_id)
    asking = tuple(line for line in refused.headers if line[0] == b"WWW-Authenticate")
    return Refused(302, (*asking, (b"Location", location), *cookies))


def _placed(decision: Answer | Forward, place: Place) -> Answer | Forward:
    if isinstance(decision, Forward):
        decision.choice = PlacedChoice(decision.choice, place)
    else:
        place.leave()
    return decision


async def _wait_placed(waiting: Awaitable[Answer | Forward], place: Place) -> Answer | Forward:
    try:
        return _placed(await waiting, place)
    except BaseException:
        place.leave()
        raise
