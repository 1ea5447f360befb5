"""The gate of a worker: what becomes of a request, in one order.

Host, path, route, whatever answers before an endpoint is asked (serin.routing.outcome), authentication, then version
and endpoint. Every value that does not depend on the request was made with the plan. It knows no connections.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from serin.dataplane.proxy.auth import Authenticator, Checked, Verdict, Waiting
from serin.dataplane.proxy.exchange import Answer, Client, Forward, LogContext, RequestHead
from serin.dataplane.proxy.headers import (
    ANSWER_DROPPED,
    ANSWER_DROPPED_TLS,
    HSTS,
    RequestIds,
    endpoint_lines,
    one_line,
    visible_host,
)
from serin.dataplane.proxy.picking import BY_SPLIT, Hash, client_key
from serin.dataplane.proxy.runtime import NO_ROUTE, LogFields, RuntimeHost, RuntimeRoute
from serin.dataplane.proxy.site import Site
from serin.dataplane.proxy.subrequest import Subrequests
from serin.errors import CorruptFileError, SerinError
from serin.native.worker import KEYED, NO_ENDPOINT
from serin.routing.outcome import Asked, Cause, Reply, before_proxying, before_routing, without_route
from serin.routing.paths import normalize
from serin.routing.plan import BasicAuth

Page = Callable[[int], bytes]
GoOn = Callable[[str], Answer | Forward]

WITHOUT_HSTS = frozenset({Cause.METHOD, Cause.BUILT_IN, Cause.WWW, Cause.APP_ROOT})
"""ingress-nginx answers these before the place where it sets HSTS (observed: redirect-www-from-www, tls-approot)."""


class Gate:
    """One for a worker. `doubt` is told, by any number of requests, why the plan in force seems to be out of date."""

    __slots__ = ("_auth", "_doubt", "_hash", "_ids", "_page", "asks", "site")

    def __init__(
        self,
        site: Site,
        page: Page,
        auth: Authenticator,
        hashed: Hash,
        doubt: Callable[[str], None],
        asks: Subrequests | None = None,
    ) -> None:
        self.site = site
        """The plan in force; to be replaced between two requests."""
        self.asks = asks or Subrequests()
        """For requests of our own."""
        self._page = page
        self._auth = auth
        self._hash = hashed
        self._doubt = doubt
        self._ids = RequestIds()

    def __call__(self, head: RequestHead, client: Client) -> Answer | Forward | Awaitable[Answer | Forward]:
        site = self.site
        path = normalize(head.target)
        if path is None:
            return self._refuse(head, client)
        host = site.ready.get(head.host)
        if host is None:
            try:
                host = site.find(head.host)
            except CorruptFileError as error:
                self._doubt(str(error))
                return self._page_of(503, head, client, NO_ROUTE)
        if host is None or host.special:
            reply = before_routing(_asked(head, client, path), None if host is None else host.host, site.globals)
            if reply is not None:
                return self._reply(reply, head, client, NO_ROUTE)
        if host is None:
            return self._page_of(without_route(head.content_length), head, client, NO_ROUTE)
        return self._on_host(site, host, head, client, path)

    def _on_host(
        self, site: Site, host: RuntimeHost, head: RequestHead, client: Client, path: bytes
    ) -> Answer | Forward | Awaitable[Answer | Forward]:
        try:
            route = host.table.find(path)
        except SerinError:
            return self._page_of(500, head, client, NO_ROUTE)
        if route is None:
            return self._page_of(without_route(head.content_length), head, client, NO_ROUTE)
        target = head.target
        if route.answers_first[client.tls] or head.content_length > route.max_body > 0:
            passed = before_proxying(route.route, _asked(head, client, path), site.globals, route.rewrite)
            if isinstance(passed, Reply):
                return self._reply(passed, head, client, route.log)
            target = passed.target
            path = passed.path or path
        if route.auth is not None:
            go_on = partial(self._forward, site, route, head, client, path, target)
            return self._authenticate(route.auth, route, head, client, go_on)
        return self._forward(site, route, head, client, path, target)

    # --- authentication ---

    def _authenticate(
        self, auth: BasicAuth, route: RuntimeRoute, head: RequestHead, client: Client, go_on: GoOn
    ) -> Answer | Forward | Awaitable[Answer | Forward]:
        checked = self._auth.check(auth.users, head.get(b"authorization"))

        def conclude(checked: Checked) -> Answer | Forward:
            if checked.verdict is Verdict.ALLOWED:
                return go_on(checked.user)
            if checked.verdict is Verdict.DENIED:
                return self._page_of(401, head, client, route.log, (b"WWW-Authenticate", challenge(auth.realm)))
            return self._page_of(503, head, client, route.log)

        async def wait(waiting: Waiting) -> Answer | Forward:
            return conclude(await waiting.verdict())

        return wait(checked) if isinstance(checked, Waiting) else conclude(checked)

    # --- on to an endpoint ---

    def _forward(
        self,
        site: Site,
        route: RuntimeRoute,
        head: RequestHead,
        client: Client,
        path: bytes,
        target: bytes,
        user: str = "",
    ) -> Answer | Forward:
        split = route.split
        if split is None:
            return self._page_of(404 if route.route.split is None else 503, head, client, route.log)
        answer, on_choice = b"", None
        if route.picker is None:
            found = split.decide(-1, 0, client.key or client_key(client, self._hash), KEYED)
            if isinstance(found, int):
                return self._nobody(found, route, head, client)
            reason = BY_SPLIT[found.reason]
        else:
            picked = route.picker(head, client, path)
            if isinstance(picked, int):
                return self._nobody(picked, route, head, client)
            found, reason, answer, on_choice = picked.choice, picked.reason, picked.answer, picked.on_choice
        fields: LogFields = route.fields[found.version][reason]
        request_id, id_text = self._ids.of(head)
        visible = visible_host(head)
        dropped = ANSWER_DROPPED
        if client.tls and site.hsts:
            answer = site.hsts_line + answer
            dropped = ANSWER_DROPPED_TLS
        return Forward(
            found,
            target,
            visible if route.vhost is None else one_line(route.vhost(head, client, path)),
            endpoint_lines(head, client, visible, request_id, route.lines),
            route.drop,
            answer,
            dropped,
            route.upstream,
            route.max_body,
            LogContext(*fields, user, id_text),
            on_choice,
        )

    def _nobody(self, result: int, route: RuntimeRoute, head: RequestHead, client: Client) -> Answer:
        """No endpoint. Any other result than that means that this plan and the shared memory do not fit together."""
        if result != NO_ENDPOINT:
            self._doubt(f"split {route.route.split} of {route.route.ingress}: the routine says {result}")
        return self._page_of(503, head, client, route.log)

    # --- own answers ---

    def _reply(self, reply: Reply, head: RequestHead, client: Client, fields: LogFields) -> Answer:
        headers = [(b"Location", reply.location)] if reply.location else []
        body = self._page(reply.status) if reply.body is None else reply.body
        return self._answer(reply.status, body, head, client, fields, headers, hsts=reply.cause not in WITHOUT_HSTS)

    def _page_of(
        self,
        status: int,
        head: RequestHead,
        client: Client,
        fields: LogFields,
        *headers: tuple[bytes, bytes],
    ) -> Answer:
        return self._answer(status, self._page(status), head, client, fields, list(headers))

    def _refuse(self, head: RequestHead, client: Client) -> Answer:
        """No path can be read from the target; as nginx answers, that is before any host's settings."""
        return self._answer(400, self._page(400), head, client, NO_ROUTE, [], close=True, hsts=False)

    def _answer(
        self,
        status: int,
        body: bytes,
        head: RequestHead,
        client: Client,
        fields: LogFields,
        headers: list[tuple[bytes, bytes]],
        *,
        close: bool = False,
        hsts: bool = True,
    ) -> Answer:
        if hsts and client.tls and self.site.hsts:
            headers.append((HSTS, self.site.hsts))
        context = LogContext(*fields, "", self._ids.of(head)[1])
        return Answer(status, headers, body, log=context, close=close)


def challenge(realm: str) -> bytes:
    """The value of WWW-Authenticate (RFC 7617); quotes and backslashes of the realm escaped."""
    text = realm.replace("\\", "\\\\").replace('"', '\\"')
    return b'Basic realm="%b"' % one_line(text.encode())


def _asked(head: RequestHead, client: Client, path: bytes) -> Asked:
    return Asked(head.method, client.tls, head.host, head.host_header, head.target, path, head.content_length)
