"""Notes about whole hosts: certificates, names, redirects that come before others."""

from collections.abc import Iterator, Sequence

from serin.compile.context import wildcard_of
from serin.compile.ingresses import IngressReading
from serin.lint.note import Note, note, url
from serin.objects.store import Snapshot
from serin.refs import Source
from serin.routing.plan import Host, Plan, Route


def notes(host: Host, readings: Sequence[IngressReading], plan: Plan, snapshot: Snapshot) -> Iterator[Note]:
    if not readings:
        return
    yield from _default_certificate(host, readings, snapshot)
    yield from _redirect_first(host)
    yield from _wildcard(host, readings, plan)
    yield from _healthz(host)


def _default_certificate(host: Host, readings: Sequence[IngressReading], snapshot: Snapshot) -> Iterator[Note]:
    """Where an unusable Secret is the cause, an error says so already."""
    if host.certificate is not None or not host.name or host.passthrough is not None:
        return
    redirect = next((route.policy.tls_redirect for route in host.routes if route.policy.tls_redirect), None)
    for reading in readings:
        for entry in reading.ingress.tls:
            listed = host.name in entry.hosts
            secret = snapshot.secrets.get((reading.ref.namespace, entry.secret)) if entry.secret else None
            if listed and entry.secret:
                continue
            if not listed and entry.secret and secret is None:
                continue
            why = "names no Secret" if listed or not entry.secret else f"is for other hosts than {host.name}"
            text = f"this tls entry {why}: clients get the default certificate"
            if redirect is not None:
                text += ", and plain requests are sent to it by a redirect to https"
            here = f"{redirect.code} to https" if redirect is not None else "the default certificate"
            yield note(entry.source, "default-certificate", text, f"GET {url(host.name, '/')}", here)
            return


def _redirect_first(host: Host) -> Iterator[Note]:
    """app-root and the redirects to URLs are answered before the redirect to https."""
    over_tls = any(route.policy.tls_redirect for route in host.routes)
    for route in host.routes:
        first = route.policy.app_root or route.policy.redirect
        if first is None or not (over_tls or route.policy.tls_redirect):
            continue
        what = first.source.field.rpartition("/")[2].removesuffix("]") or "the redirect"
        text = f"{what} is answered before the redirect to https: the first request stays unencrypted"
        code = 302 if route.policy.redirect is None else route.policy.redirect.code
        yield note(first.source, "redirect-before-https", text, f"GET {url(host.name, _path(route))}", str(code))


def _wildcard(host: Host, readings: Sequence[IngressReading], plan: Plan) -> Iterator[Note]:
    if host.name.startswith("*."):
        source = _rule_of(host, readings[0])
        text = f"{host.name} is for names with exactly one label in the place of the asterisk"
        yield note(source, "wildcard-one-label", text, f"GET http://a.b{host.name[1:]}/", "404")
        return
    wildcard = wildcard_of(host.name)
    if wildcard in plan.hosts and not any(_takes_all(route) for route in host.routes):
        text = f"{host.name} has rules of its own: what these do not take is not looked for at {wildcard}"
        request = f"GET {url(host.name, '/no/rule/takes/this')}"
        yield note(_rule_of(host, readings[0]), "exact-host-hides-wildcard", text, request, "404")


def _healthz(host: Host) -> Iterator[Note]:
    for route in host.routes if not host.name else ():
        if route.rule.path == "/healthz" and route.source is not None:
            text = "/healthz of the catch-all host is answered by Serin itself; this path gets no requests"
            yield note(route.source, "healthz-reserved", text, f"GET {url('', '/healthz')}", "200 of Serin")
            return


def _takes_all(route: Route) -> bool:
    return route.match.path == "/" and route.match.kind.value != "exact"


def _path(route: Route) -> str:
    return route.rule.path if route.policy.redirect is not None else "/"


def _rule_of(host: Host, reading: IngressReading) -> Source:
    return next(
        (rule.source for rule in reading.ingress.rules if rule.host == host.name), reading.ingress.meta.at("spec")
    )
