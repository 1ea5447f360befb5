"""A host without what nginx refused of it: routes that answer 503, or are left out where even that is refused.

Pure. Nothing is opened by closing: what an object says about access goes together with the routes that it guards. Which
object is guilty is not found here (serin.dataplane.nginx.quarantine).
"""

from dataclasses import replace

from serin.refs import Ref, Source
from serin.routing.plan import Closed, Host, PathKind, PathMatch, Policy, Route, RuleId, VersionRoute

CODE = "nginx-refused"
STATUS = 503
_NOBODY = Ref("Ingress", "", "")


def objects_of(host: Host) -> tuple[Ref, ...]:
    """The objects that the host is made of: those with routes first, in order, then those that only bring rules."""
    found = {route.ingress: None for route in host.routes}
    if host.www is not None:
        found[host.www.source.ref] = None
    if host.client_auth is not None:
        found[host.client_auth.source.ref] = None
    for route in host.routes:
        for version in route.versions[1:]:
            found[version.ingress] = None
        if route.canary_route is not None:
            found[route.canary_route] = None
    return tuple(found)


def close(host: Host, ref: Ref) -> Host:
    """What `ref` says is gone: its routes answer 503, its rules choose nothing (weights and pools stay as they are)."""
    return _without(host, ref, keep_routes=True)


def leave_out(host: Host, ref: Ref) -> Host:
    """As `close`, and its routes are not there at all: for a path that nginx does not take."""
    return _without(host, ref, keep_routes=False)


def close_host(host: Host) -> Host:
    """Every request for the host answers 503, under all its names and with its certificates."""
    source = host.routes[0].source if host.routes else None
    ingress = host.routes[0].ingress if host.routes else _NOBODY
    everything = Route(
        match=PathMatch(PathKind.PREFIX, "/"),
        rule=RuleId(host.name, "/", "Prefix"),
        ingress=ingress,
        split=None,
        versions=(),
        policy=_closed(source or Source(ingress)),
        source=source,
    )
    return replace(host, routes=(everything,), www=None, client_auth=None)


def _without(host: Host, ref: Ref, *, keep_routes: bool) -> Host:
    if host.www is not None and host.www.source.ref == ref:
        return close_host(host)  # its routes were never reached; without the redirect they would be
    if host.client_auth is not None and host.client_auth.source.ref == ref:
        # Whoever has no certificate must not get to what asked for one.
        return replace(host, routes=tuple(_shut(route) for route in host.routes), client_auth=None)
    routes = tuple(_changed(route, ref) for route in host.routes if keep_routes or route.ingress != ref)
    return replace(host, routes=routes)


def _changed(route: Route, ref: Ref) -> Route:
    if route.ingress == ref:
        return _shut(route)
    if route.canary_route == ref:
        bare = tuple(_bare(version) if version.ingress == ref else version for version in route.versions)
        return replace(route, match_rules=(), versions=bare, split_by=None, shadow=None)
    if any(version.ingress == ref for version in route.versions[1:]):
        bare = tuple(_bare(version) if version.ingress == ref else version for version in route.versions)
        return replace(route, versions=bare)
    return route


def _shut(route: Route) -> Route:
    return replace(
        route,
        split=None,
        versions=(),
        policy=_closed(route.source or Source(route.ingress)),
        slash_redirect=False,
        match_rules=(),
        canary_route=None,
        split_by=None,
        shadow=None,
    )


def _bare(version: VersionRoute) -> VersionRoute:
    """Its place among the versions stays, for the shape of the split names it."""
    return replace(version, header=None, cookie=None, hash_by=None)


def _closed(source: Source) -> Policy:
    return Policy(closed=Closed(STATUS, CODE, source))
