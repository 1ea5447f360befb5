"""The gate of a worker: what becomes of a request, in one order.

Host, path, route, whatever answers before an endpoint is asked (serin.routing.outcome), authentication, then version
and endpoint. Every value that does not depend on the request was made with the plan. It knows no connections.
"""

from collections.abc import Awaitable, Callable

from serin.dataplane.proxy.auth import Authenticator
from serin.dataplane.proxy.entrance import Asked as AskedToEnter
from serin.dataplane.proxy.entrance import Entrance, Guards, LetIn, Refused
from serin.dataplane.proxy.error_pages import error_lines
from serin.dataplane.proxy.exchange import Answer, Client, Forward, LogContext, RequestHead
from serin.dataplane.proxy.header_lines import names_of, without_names
from serin.dataplane.proxy.headers import (
    ANSWER_DROPPED,
    ANSWER_DROPPED_TLS,
    DROPPED_BESIDE,
    HSTS,
    RequestIds,
    cookie_line,
    endpoint_lines,
    one_line,
    visible_host,
)
from serin.dataplane.proxy.limiting import Counts
from serin.dataplane.proxy.picking import BY_SPLIT, Hash, Split, client_key
from serin.dataplane.proxy.runtime import NO_ROUTE, LogFields, OwnFields, RuntimeRoute
from serin.dataplane.proxy.site import Site
from serin.dataplane.proxy.subrequest import ReadyBeside, Subrequests
from serin.errors import CorruptFileError, SerinError
from serin.native.worker import KEYED, NO_ENDPOINT
from serin.routing.outcome import UNROUTED_BODY, Asked, Cause, Reply, before_proxying, before_routing, without_route
from serin.routing.paths import normalize

NO_GUARDS = Guards(None, None, None, None, any_of=False)
"""Of a route that nobody watches, where networks are blocked everywhere."""
Page = Callable[[int], bytes]

WITHOUT_HSTS = frozenset({Cause.METHOD, Cause.BUILT_IN, Cause.WWW, Cause.APP_ROOT})
"""ingress-nginx answers these before the place where it sets HSTS (observed: redirect-www-from-www, tls-approot)."""


class Gate:
    """One for a worker. `doubt` is told, by any number of requests, why the plan in force seems to be out of date."""

    __slots__ = ("_doubt", "_entrance", "_hash", "_ids", "_page", "site")

    def __init__(
        self,
        site: Site,
        page: Page,
        auth: Authenticator,
        hashed: Hash,
        doubt: Callable[[str], None],
        asks: Subrequests | None = None,
        counts: Counts | None = None,
    ) -> None:
        self.site = site
        """The plan in force; to be replaced between two requests."""
        self._page = page
        self._entrance = Entrance(auth, asks or Subrequests(), counts)
        self._hash = hashed
        self._doubt = doubt
        self._ids = RequestIds()
        self._ids.generate = site.globals.generate_request_id

    def take(self, site: Site) -> None:
        """The plan from now on."""
        self.site = site
        self._ids.generate = site.globals.generate_request_id

    def __call__(self, head: RequestHead, client: Client) -> Answer | Forward | Awaitable[Answer | Forward]:
        site = self.site
        path = normalize(head.target)
        if path is None:
            return self._refuse(head, client)
        if site.seen is not None:
            client = site.seen(head, client)
        host = site.ready.get(head.host)
        if host is None:
            try:
                host = site.find(head.host)
            except CorruptFileError as error:
                self._doubt(str(error))
                return self._unrouted(self._page_of(503, head, client, NO_ROUTE), head, client, path)
        if host is None or host.special:
            reply = before_routing(_asked(head, client, path), None if host is None else host.host, site.globals)
            if reply is not None:
                return self._unrouted(self._reply(reply, head, client, NO_ROUTE), head, client, path)
        if host is None:
            return self._nowhere(site, head, client, path)
        try:
            route = host.table.find(path)
        except SerinError:
            return self._unrouted(self._page_of(500, head, client, NO_ROUTE), head, client, path)
        if route is None:
            return self._nowhere(site, head, client, path)
        if route.finished_for is not site.wide:
            route.finish_under(site.wide)
        if route.straight[client.tls and client.scheme != b"http"] and not head.content_length > route.max_body > 0:
            return self._forward(site, route, head, client, path, head.target)
        return self._in_order(site, route, head, client, path)

    def _in_order(
        self, site: Site, route: RuntimeRoute, head: RequestHead, client: Client, path: bytes
    ) -> Answer | Forward | Awaitable[Answer | Forward]:
        """What may come before an endpoint, and what is put on the answer."""
        finish = route.finish
        if site.blocks is not None and site.blocks.by_header(head) and not head.content_length > route.max_body > 0:
            answer = self._page_of(403, head, client, route.log)
            return answer if finish is None else finish.one(answer, head, client, path, self._page)
        if finish is None:
            return self._on_route(site, route, head, client, path)
        if (
            finish.preflight(head)
            and route.route.policy.closed is None
            and not head.content_length > route.max_body > 0
        ):
            return finish.one(self._answer(204, b"", head, client, route.log, []), head, client, path, self._page)
        return finish(self._on_route(site, route, head, client, path), head, client, path, self._page)

    def _on_route(
        self, site: Site, route: RuntimeRoute, head: RequestHead, client: Client, path: bytes
    ) -> Answer | Forward | Awaitable[Answer | Forward]:
        target = head.target
        if route.answers_first[client.tls and client.scheme != b"http"] or head.content_length > route.max_body > 0:
            passed = before_proxying(route.route, _asked(head, client, path), site.globals, route.rewrite)
            if isinstance(passed, Reply):
                return self._reply(passed, head, client, route.log)
            target = passed.target
            path = passed.path or path
        if route.guards is not None or site.blocks is not None:
            return self._guarded(route.guards or NO_GUARDS, site, route, head, client, path, target)
        return self._forward(site, route, head, client, path, target)

    def _guarded(
        self,
        guards: Guards,
        site: Site,
        route: RuntimeRoute,
        head: RequestHead,
        client: Client,
        path: bytes,
        target: bytes,
    ) -> Answer | Forward | Awaitable[Answer | Forward]:
        """By the entrance."""
        ids = self._ids.of(head)
        key = client.key or client_key(client, self._hash)

        def refuse(refused: Refused) -> Answer:
            answer = self._page_of(refused.status, head, client, route.log, *refused.headers)
            if answer.log is not None:
                answer.log.request_id = ids[1]
            return answer

        def go_on(let_in: LetIn) -> Answer | Forward:
            decision = self._forward(site, route, head, client, path, target, let_in.user, ids)
            if isinstance(decision, Forward):
                decision.prelude += let_in.lines
                if decision.drop is not route.drop:  # of a default backend, which gets no password and no claims either
                    decision.drop |= route.drop
                lines = b"".join([cookie_line(cookie) for cookie in let_in.cookies])
                if let_in.always:
                    decision.answer_prelude += lines
                else:
                    decision.fine_lines = lines
            elif let_in.always:
                decision.headers += [(b"Set-Cookie", cookie) for cookie in let_in.cookies]
            return decision

        asked = AskedToEnter(head, client, path, key, ids[0])
        blocked = None if site.blocks is None else site.blocks.cidrs
        return self._entrance.enter(guards, asked, site.globals, go_on, refuse, blocked)

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
        ids: tuple[bytes, str] | None = None,
    ) -> Answer | Forward:
        split = route.split
        if split is None:
            return self._page_of(404 if route.route.split is None else 503, head, client, route.log)
        answer, on_choice = b"", None
        if route.picker is None:
            found = split.decide(-1, 0, client.key or client_key(client, self._hash), KEYED)
            if isinstance(found, int):
                return self._nobody(found, site, route, head, client, path, target)
            reason = BY_SPLIT[found.reason]
        else:
            picked = route.picker(head, client, path)
            if isinstance(picked, int):
                return self._nobody(picked, site, route, head, client, path, target)
            found, reason, answer, on_choice = picked.choice, picked.reason, picked.answer, picked.on_choice
        fields: LogFields = route.fields[found.version][reason]
        request_id, id_text = ids or self._ids.of(head)
        log = client.log
        if log is None or client.names is not fields:
            client.names = fields
            client.log = log = LogContext(*fields)
        log.remote_user, log.request_id, log.remote_addr = user, id_text, client.shown
        log.logged, log.split = True, None
        visible = client.host or visible_host(head)
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
            route.upstream if route.upstream_of is None else route.upstream_of(head, client),
            route.max_body,
            log,
            on_choice,
        )

    def _nobody(
        self,
        result: int,
        site: Site,
        route: RuntimeRoute,
        head: RequestHead,
        client: Client,
        path: bytes,
        target: bytes,
    ) -> Answer | Forward:
        """No endpoint. Any other result than that means that this plan and the shared memory do not fit together."""
        if result != NO_ENDPOINT:
            self._doubt(f"split {route.route.split} of {route.route.ingress}: the routine says {result}")
        elif route.fallback is not None:
            host = None if route.vhost is None else one_line(route.vhost(head, client, path))
            asked = self._ask_beside(site, route.fallback, head, client, target, route.log, host, route.max_body, 503)
            if asked is not None:
                return asked
        return self._page_of(503, head, client, route.log)

    def _ask_beside(
        self,
        site: Site,
        to: ReadyBeside,
        head: RequestHead,
        client: Client,
        target: bytes,
        fields: LogFields,
        host: bytes | None,
        max_body: int,
        code: int,
    ) -> Forward | None:
        """The whole request goes to a default backend, which is told the status that it stands for (`code`, 0: none).

        None: there is no endpoint either.
        """
        choice = to.split.decide(-1, 0, client.key or client_key(client, self._hash), KEYED)
        if isinstance(choice, int):
            return None
        request_id, id_text = self._ids.of(head)
        log = LogContext(*fields, "", id_text, True, client.shown, _counts(fields))
        visible = client.host or visible_host(head)
        lines = endpoint_lines(head, client, visible, request_id, b"")
        if code:
            lines += without_names(error_lines(code, head, log), names_of(lines))
        secure = client.tls and bool(site.hsts)
        return Forward(
            choice,
            target,
            visible if host is None else host,
            lines,
            DROPPED_BESIDE,
            site.hsts_line if secure else b"",
            ANSWER_DROPPED_TLS if secure else ANSWER_DROPPED,
            to.settings,
            max_body,
            log,
        )

    # --- without a route ---

    def _nowhere(self, site: Site, head: RequestHead, client: Client, path: bytes) -> Answer | Forward:
        """No route takes the request: the controller's default backend, or the page that says so."""
        status = without_route(head.content_length)
        blocks = site.blocks
        if blocks is not None and status == 404 and (blocks.by_header(head) or blocks.by_address(client)):
            return self._unrouted(self._page_of(403, head, client, NO_ROUTE), head, client, path)
        fallback = site.wide.fallback
        if fallback is not None and status == 404:
            asked = self._ask_beside(site, fallback, head, client, head.target, NO_ROUTE, None, UNROUTED_BODY, 0)
            if asked is not None:
                return self._unrouted(asked, head, client, path)
        return self._unrouted(self._page_of(status, head, client, NO_ROUTE), head, client, path)

    def _unrouted(self, decision: Answer | Forward, head: RequestHead, client: Client, path: bytes) -> Answer | Forward:
        finish = self.site.wide.unrouted
        return decision if finish is None else finish.one(decision, head, client, path, self._page)

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
        context = LogContext(*fields, "", self._ids.of(head)[1], True, client.shown, _counts(fields))
        return Answer(status, headers, body, log=context, close=close)


def _counts(fields: LogFields) -> Split | None:
    """Who counts what no version of the route answered."""
    return fields.split if isinstance(fields, OwnFields) else None


def _asked(head: RequestHead, client: Client, path: bytes) -> Asked:
    return Asked(
        head.method,
        client.tls,
        head.host,
        head.host_header,
        head.target,
        path,
        head.content_length,
        client.server_port,
        client.scheme != b"http" if client.scheme else None,
    )
