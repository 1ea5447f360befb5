"""Hosts and routes of a plan in the form that requests meet: everything that can be made once is made once.

A route's splits, rules, keys, log names, header lines and endpoint settings are found here ready; what is left for a
request is to look things up. Nothing here decides what a request gets, that is the gate's order of questions.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from serin.dataplane.proxy.endpoints import Endpoints
from serin.dataplane.proxy.entrance import Guards, guards_of
from serin.dataplane.proxy.finishing import Finish, Wide, finish_for
from serin.dataplane.proxy.headers import DROPPED
from serin.dataplane.proxy.mirroring import Mirrors
from serin.dataplane.proxy.picking import Hash, Picker, RulesAndKeys, Split
from serin.dataplane.proxy.sticky import RulesBeforeSticky, StickyPicker
from serin.dataplane.proxy.subrequest import ReadyBeside
from serin.dataplane.proxy.users import ReadyUsers
from serin.dataplane.proxy.variables import Evaluate, compile_parts
from serin.refs import Ref, Source
from serin.routing.beside import Beside
from serin.routing.decision import Reason
from serin.routing.outcome import rewrite_searcher
from serin.routing.plan import Closed, HashBy, Host, PathKind, PathMatch, Policy, Route, RuleId, VersionRoute
from serin.routing.rules import CompiledMatches, CompiledRules
from serin.routing.search import PatternMaker
from serin.routing.table import RouteTable
from serin.routing.variables import split_variables
from serin.telemetry import log

_log = logging.getLogger(__name__)

LogFields = tuple[str, str, str, str, str, str, str, str]
"""The first eight fields of LogContext: namespace to reason."""


class OwnFields(tuple[str, str, str, str, str, str, str, str]):
    """Names in answers of our own to a route's requests, with the split that counts these."""

    split: Split | None = None


NO_ROUTE: LogFields = ("", "", "", "", "upstream-default-backend", "", "", "")
"""What ingress-nginx logs of requests that no Ingress takes."""

_DROPPED = {
    (prefix, auth): DROPPED | ({b"x-forwarded-prefix"} if prefix else set()) | ({b"authorization"} if auth else set())
    for prefix in (False, True)
    for auth in (False, True)
}
"""One set for all routes that drop the same names: connections keep what they made for a set by its identity."""


class Splits(Protocol):
    """Where splits come from: serin.native.worker.Worker."""

    def split(self, split_id: str, shape: tuple[str, ...], /) -> Split: ...


@dataclass(frozen=True, slots=True)
class Workshop:
    """What routes are made with. `hashed` is the routine's hash of a key; `clock` gives seconds since the epoch."""

    splits: Splits
    patterns: PatternMaker
    hashed: Hash
    clock: Callable[[], float] = time.time
    endpoints: Endpoints = field(default_factory=Endpoints)
    mirrors: Mirrors = field(default_factory=Mirrors)

    def beside(self, beside: Beside) -> ReadyBeside:
        """Who is asked by requests of our own."""
        split = self.splits.split(beside.split, (beside.ident,))
        return ReadyBeside(split, self.endpoints.settings(beside.upstream), beside.name)


class RuntimeRoute:
    """A route ready to serve."""

    __slots__ = (
        "answers_first",
        "constants",
        "drop",
        "fallback",
        "fields",
        "finish",
        "finished_for",
        "guards",
        "lines",
        "log",
        "max_body",
        "picker",
        "rewrite",
        "route",
        "split",
        "straight",
        "upstream",
        "upstream_of",
        "vhost",
    )

    def __init__(self, route: Route, made: Workshop) -> None:
        policy = route.policy
        main = route.versions[0] if route.versions else None
        self.route = route
        self.max_body = policy.max_body
        anything = policy.closed or policy.app_root or policy.redirect or policy.rewrite or route.slash_redirect
        always = bool(anything) or route.split is None
        self.rewrite = rewrite_searcher(route, made.patterns)
        self.answers_first = (always or policy.tls_redirect is not None, always)
        """Whether anything may answer or change the path before the endpoint is chosen; by plain and TLS."""
        prefix = policy.forwarded_prefix.encode()
        self.lines = b"X-Forwarded-Prefix: %b\r\n" % prefix if prefix else b""
        self.constants = constants = _constants(route)
        self.guards = guards_of(route, made, constants)
        """Who asks before a request goes on; None: nobody."""
        self.drop = _dropped(policy, self.guards)
        self.finish: Finish | None = None
        """What is put on every decision of this route; valid under `finished_for` alone."""
        self.straight = (False, False)
        """Whether a request goes on to its endpoint with nothing asked before and nothing put on; by plain and TLS.

        Valid under `finished_for` alone.
        """
        self.finished_for: Wide | None = None
        self.fallback = None if policy.fallback is None else made.beside(policy.fallback)
        """Who serves when no version has an endpoint."""
        self.vhost = compile_parts(split_variables(policy.upstream.vhost), constants) if policy.upstream.vhost else None
        self.upstream = made.endpoints.settings(policy.upstream)
        self.upstream_of = made.endpoints.by_request(policy.upstream)
        """Where it depends on the request how endpoints are spoken to; None: `upstream` holds for all."""
        self.split = None if route.split is None else made.splits.split(route.split, shape(route))
        self.picker = None if self.split is None else _picker(route, self.split, made, constants)
        """None for a route without rules, keys, cookies and users: its split is asked directly."""
        self.log = OwnFields(_names(route, main, "", ""))
        self.log.split = self.split
        self.fields = tuple({r: _names(route, v, v.name, r) for r in Reason} for v in route.versions)

    def finish_under(self, wide: Wide) -> None:
        """Make what depends on these Globals."""
        self.finish = finish_for(self.route.policy, wide, self.constants, self.route.shadow)
        self.finished_for = wide
        free = self.finish is None and self.guards is None and wide.blocks is None
        self.straight = (free and not self.answers_first[0], free and not self.answers_first[1])


class RuntimeHost:
    """A host ready to serve."""

    __slots__ = ("host", "special", "table")

    def __init__(self, host: Host, made: Workshop) -> None:
        self.host = host
        self.special = host.name == "" or host.www is not None
        """Whether anything may answer before the routes are looked at."""
        self.table: RouteTable[RuntimeRoute] = RouteTable(
            host, made.patterns, lambda route: RuntimeRoute(route, made), time.thread_time
        )


def make_ready(host: Host, made: Workshop) -> RuntimeHost:
    """The host ready to serve. If that fails, which is a fault of Serin, this host answers 503 and no other suffers."""
    try:
        return RuntimeHost(host, made)
    except Exception as error:
        log.event(_log, log.HOST_FAILED, level=logging.ERROR, host=host.name, error=repr(error))
        source = Source(host.routes[0].ingress) if host.routes else Source(Ref("Ingress", "", ""))
        rule = RuleId(host.name, "/", "Prefix")
        policy = Policy(closed=Closed(503, "internal-error", source))
        closed = Route(PathMatch(PathKind.PREFIX, "/"), rule, source.ref, None, (), policy)
        return RuntimeHost(Host(host.name, (closed,), certificate=host.certificate), made)


def _dropped(policy: Policy, guards: Guards | None) -> frozenset[bytes]:
    dropped = _DROPPED[bool(policy.forwarded_prefix), policy.auth is not None]
    if guards is None or guards.external is None:
        return dropped
    return dropped.union(guards.external.response_names)


def shape(route: Route) -> tuple[str, ...]:
    """The idents of a route's versions in order, by which a split knows whether it is asked about its own."""
    return tuple(v.ident for v in route.versions)


def _picker(route: Route, split: Split, made: Workshop, constants: dict[str, bytes]) -> Picker | None:
    rules = _rules(route, made.patterns)
    keys = _keys(route.versions, constants)
    affinity = route.policy.affinity
    if affinity is None and rules.empty and not any(keys) and route.split_by is None:
        return None
    users = None if route.split_by is None else ReadyUsers(route.split_by, made.hashed)
    by_cookie = users is not None and users.reads_cookie
    free = RulesAndKeys(split, rules, keys, made.hashed, users, cookies=by_cookie)
    if affinity is None:
        return free
    sticky = RulesBeforeSticky if route.match_rules else StickyPicker
    return sticky(split, rules, route.versions, affinity, free, made.hashed, made.clock)


def _rules(route: Route, patterns: PatternMaker) -> CompiledRules | CompiledMatches:
    if route.match_rules:
        return CompiledMatches(route.match_rules, route.versions, patterns)
    return CompiledRules(route.versions, patterns)


def _keys(versions: tuple[VersionRoute, ...], constants: dict[str, bytes]) -> tuple[Evaluate | None, ...]:
    """A function for each version; the same one where the text is the same."""
    compiled: dict[tuple[str, ...], Evaluate] = {}

    def key(by: HashBy | None) -> Evaluate | None:
        if by is None:
            return None
        if by.parts not in compiled:
            compiled[by.parts] = compile_parts(by.parts, constants)
        return compiled[by.parts]

    return tuple(key(v.hash_by) for v in versions)


def _constants(route: Route) -> dict[str, bytes]:
    """nginx variables that a route fixes. They are main's, also when a canary serves."""
    main = route.versions[0] if route.versions else None
    return {
        "namespace": route.ingress.namespace.encode(),
        "ingress_name": route.ingress.name.encode(),
        "service_name": main.service.encode() if main else b"",
        "service_port": main.port.encode() if main else b"",
        "location_path": route.rule.path.encode(),
        "server_name": route.rule.host.encode() or b"_",
    }


def _names(route: Route, version: VersionRoute | None, name: str, reason: str) -> LogFields:
    """Names are main's, as in ingress-nginx's log and metrics; the canary is in `alternative` alone."""
    if version is None:
        return (route.ingress.namespace, route.ingress.name, "", "", "", "", "", "")
    main = route.versions[0]
    other = "" if version is main else upstream_name(version)
    return (
        route.ingress.namespace,
        route.ingress.name,
        main.service,
        main.port,
        upstream_name(main),
        other,
        name,
        reason,
    )


def upstream_name(version: VersionRoute) -> str:
    """ingress-nginx's `namespace-service-port`."""
    return f"{version.ingress.namespace}-{version.service}-{version.port}"
