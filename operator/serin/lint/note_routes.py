"""Notes about paths: what a pattern takes, what a rewrite leaves of a path, whom a canary takes requests from."""

from collections.abc import Iterator, Mapping, Sequence

from serin.compile.annotations import matching
from serin.compile.ingresses import IngressReading
from serin.lint.note import Note, note, url
from serin.refs import Source
from serin.routing.plan import Host, PathKind, Plan, Route

_GUARDED_BY = "a password, a list or external authentication"


def notes(host: Host, readings: Sequence[IngressReading]) -> Iterator[Note]:
    by_ref = {reading.ref: reading for reading in readings}
    for route in host.routes:
        reading = by_ref.get(route.ingress)
        if reading is None or route.source is None:
            continue
        yield from _open_end(host, route, reading, route.source)
        yield from _rewrite(host, route)
        yield from _slash(host, route, route.source)
        yield from _canaries(host, route)
        yield from _affinity(host, route)
        yield from _preflight(host, route)
        yield from _to_path(host, route)
    yield from _slash_twins(host)
    yield from _guarded(host)


def siblings(plan: Plan) -> Iterator[Note]:
    """Paths that ingress-nginx shares out as well, because a canary stands at the Service, not at the path."""
    by_pool: dict[str, list[tuple[Host, Route]]] = {}
    for host in plan.hosts.values():
        for route in host.routes:
            if route.versions:
                by_pool.setdefault(route.versions[0].pool, []).append((host, route))
    for routes in by_pool.values():
        if len(routes) > 1:
            yield from _leaks(routes)


def mixed(plan: Plan) -> Iterator[Note]:
    """Endpoints that some routes speak to in TLS and others plainly: connections are kept for each by itself."""
    plain: dict[tuple[str, str], tuple[Host, Route]] = {}
    over_tls: set[tuple[str, str]] = set()
    for host in plan.hosts.values():
        for route in host.routes:
            if route.versions:
                spec = plan.pools[route.versions[0].pool].spec
                key = (spec.namespace, spec.service)
                if route.policy.upstream.tls:
                    over_tls.add(key)
                else:
                    plain.setdefault(key, (host, route))
    for key in over_tls & plain.keys():
        host, route = plain[key]
        if route.source is not None:
            text = f"Service {'/'.join(key)} is spoken to in TLS by other routes, and plainly by this one"
            there = "it may be sent over a kept TLS connection of the others"
            request = f"GET {url(host.name, _literal(route.rule.path))}"
            yield note(route.source, "endpoint-tls-mixed", text, request, f"{key[1]}, always without TLS", there)


def _leaks(routes: Sequence[tuple[Host, Route]]) -> Iterator[Note]:
    for _, route in routes:
        for version in route.versions[1:] if route.canary_route is None else ():
            named = {other.service for other in route.versions}
            for host, sibling in routes:
                others = {other.service for other in sibling.versions}
                if sibling is route or version.service in others or sibling.source is None or not named:
                    continue
                text = f"{_shown(host, sibling)} has the same Service as {route.rule.path} and stays with it alone"
                request = f"GET {url(host.name, _literal(sibling.rule.path))}"
                here, there = f"{sibling.versions[0].service}", f"{version.service} in part: a canary is its Service's"
                if version.source is not None:
                    yield note(version.source, "canary-sibling", text, request, here, there)
                break


def _open_end(host: Host, route: Route, reading: IngressReading, source: Source) -> Iterator[Note]:
    """A path that its own Ingress makes a pattern; path-becomes-regex tells of those that others do."""
    if route.match.kind is not PathKind.REGEX or route.rule.path == "/":
        return
    values = reading.values
    if not (values.get(matching.USE_REGEX) or route.policy.rewrite is not None) or not _plain(route.rule.path):
        return
    asked = matching.USE_REGEX if values.get(matching.USE_REGEX) else matching.REWRITE_TARGET
    path = route.rule.path.rstrip("/")
    if route.rule.path_type == "Exact":
        text = (
            f"with {asked.name} the Exact path {route.rule.path} is a pattern: open at its end, without regard to case"
        )
        yield note(source, "exact-not-exact", text, f"GET {url(host.name, path.upper() + 'x')}", _taken(route))
        return
    text = f"with {asked.name} the path {route.rule.path} is a pattern: it takes what only begins like it, in any case"
    yield note(source, "regex-open-end", text, f"GET {url(host.name, path + 'x')}", _taken(route))


def _rewrite(host: Host, route: Route) -> Iterator[Note]:
    rewrite = route.policy.rewrite
    if rewrite is None or rewrite.absolute or "$" in rewrite.target or not _plain(route.rule.path):
        return
    path = route.rule.path.rstrip("/") + "/some/page"
    text = f"rewrite-target {rewrite.target} has no $1: whatever is below {route.rule.path} becomes {rewrite.target}"
    here = f"{_taken(route)}, which gets {rewrite.target}"
    yield note(rewrite.source, "rewrite-drops-rest", text, f"GET {url(host.name, path)}", here)


def _slash(host: Host, route: Route, source: Source) -> Iterator[Note]:
    if route.slash_redirect:
        text = f"{route.match.path} is sent to {route.rule.path}, as nothing else is served there"
        yield note(
            source, "slash-redirect", text, f"GET {url(host.name, route.match.path)}", f"301 to {route.rule.path}"
        )


def _canaries(host: Host, route: Route) -> Iterator[Note]:
    if route.canary_route is not None or len(route.versions) < 3:
        return
    listed = ", ".join(version.name for version in route.versions[1:])
    text = f"several canaries of {_shown(host, route)} count, oldest first: {listed}"
    request = f"GET {url(host.name, _literal(route.rule.path))}"
    for version in route.versions[2:]:
        if version.source is not None:
            here, there = "what its rules and weight say", f"never: only {route.versions[1].name} counts"
            yield note(version.source, "several-canaries", text, request, f"{version.service} by {here}", there)


def _affinity(host: Host, route: Route) -> Iterator[Note]:
    affinity = route.policy.affinity
    if affinity is None or affinity.source is None or route.canary_route is not None:
        return
    for version in route.versions[1:]:
        if version.header is None or not version.sticky:
            continue
        text = f"a cookie {affinity.name} of the main version is stronger than the header {version.header.name}"
        sent = version.header.value or "always"
        cookie = f"Cookie: {affinity.name}=(an endpoint of {route.versions[0].service})"
        request = f"GET {url(host.name, _literal(route.rule.path))} {version.header.name}: {sent}; {cookie}"
        yield note(affinity.source, "affinity-before-rules", text, request, route.versions[0].service)
        return


def _preflight(host: Host, route: Route) -> Iterator[Note]:
    policy = route.policy
    asked = policy.auth or policy.external_auth
    if policy.cors is None or asked is None or asked.source is None:
        return
    text = "a CORS preflight of an allowed origin is answered before anybody is asked for a password"
    request = f"OPTIONS {url(host.name, _literal(route.rule.path))} Origin: (an allowed one)"
    yield note(asked.source, "preflight-before-password", text, request, "204")


def _to_path(host: Host, route: Route) -> Iterator[Note]:
    """A path in permanent-redirect redirects in ingress-nginx, too."""
    asked = route.policy.redirect
    if asked is None or not asked.url.startswith("/") or "temporal-redirect" not in asked.source.field:
        return
    text = f"temporal-redirect to the path {asked.url} redirects"
    request = f"GET {url(host.name, _literal(route.rule.path))}"
    there = "it has no effect: the endpoints are asked"
    yield note(asked.source, "redirect-to-path", text, request, f"{asked.code} to {asked.url}", there)


def _slash_twins(host: Host) -> Iterator[Note]:
    prefixes: Mapping[str, Route] = {r.rule.path: r for r in host.routes if r.rule.path_type == "Prefix"}
    for path, route in prefixes.items():
        if path.endswith("/") and path != "/" and path[:-1] in prefixes and route.source is not None:
            text = f"{path[:-1]} and {path} of one host stand side by side"
            there = "this pair keeps nginx from taking any later change, of anybody"
            request = f"GET {url(host.name, path)}"
            yield note(route.source, "prefix-with-and-without-slash", text, request, _taken(route), there)


def _guarded(host: Host) -> Iterator[Note]:
    """A path with a guard beside one without: paths are decoded and their dots resolved before either is chosen."""
    guarded = [r for r in host.routes if _guards(r) and _plain(r.rule.path) and r.rule.path != "/" and r.versions]
    free = next((r for r in host.routes if not _guards(r) and _plain(r.rule.path) and r.versions), None)
    if free is None:
        return
    for route in guarded:
        if route.source is None:
            continue
        text = f"paths are decoded and `..` resolved before a rule is chosen: {_GUARDED_BY} of {route.rule.path} holds"
        target = free.rule.path.rstrip("/") + "/%2e%2e" * max(free.rule.path.strip("/").count("/") + 1, 1)
        target = target if free.rule.path != "/" else "/x/%2e%2e"
        here = f"{_taken(route)} behind the guard of {route.rule.path}; it gets the target as sent"
        yield note(route.source, "path-normalised", text, f"GET {url(host.name, target + route.rule.path)}", here)


def _guards(route: Route) -> bool:
    policy = route.policy
    return bool(policy.auth or policy.external_auth or policy.access.allow or policy.access.deny or policy.closed)


def _plain(path: str) -> bool:
    return not set(path) & set("*()[]|^$\\{}+?.")


def _literal(path: str) -> str:
    """A path of a pattern, up to where it begins to be one."""
    end = min((path.index(c) for c in "*()[]|^$\\{}+?" if c in path), default=len(path))
    return path[:end] or "/"


def _shown(host: Host, route: Route) -> str:
    return f"{host.name or '(any host)'}{route.rule.path}"


def _taken(route: Route) -> str:
    return route.versions[0].service if route.versions else "this rule's answer"
