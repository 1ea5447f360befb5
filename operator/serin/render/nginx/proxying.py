"""How a location speaks to its endpoints: upstream block, times, retries, buffers, TLS. Only what is not usual is said.

The usual values stand once in nginx.conf's http block (main.j2); both come from the same defaults of the plan.
"""

from dataclasses import dataclass, replace

from serin.render.nginx import fastcgi
from serin.render.nginx.headers import USUAL as USUAL_HEADERS
from serin.render.nginx.headers import Given, Headers, headers_of, sent_host
from serin.render.nginx.names import Scheme, schemes, upstream_key
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.values import File, Template, Text, Variable
from serin.render.publication import certificate_file
from serin.routing.plan import Beside, Buffering, ClientAuth, Protocol, Route, Upstream

USUAL = Upstream()
_SMALLEST_NUMBER = 2


@dataclass(frozen=True, slots=True)
class Buffers:
    """nginx's conditions hold: two buffers at least, a busy part between one of them and all but one."""

    answers: bool
    requests: bool
    size: int
    number: int
    busy: int
    max_temp_file: int | None
    request_size: int | None


@dataclass(frozen=True, slots=True)
class EndpointTls:
    """proxy-ssl-*: `certificate` and `authorities` are files with PEM.

    `verify` without authorities is written all the same: nginx refuses it, so that the object is closed.
    """

    certificate: File | None
    authorities: File | None
    verify: bool
    depth: int
    ciphers: Text | None
    protocols: tuple[str, ...]
    name: Template
    send_name: bool


_NOT_TIMED = (None,) * 5


@dataclass(frozen=True, slots=True)
class Proxy:
    """`module` is the first part of every directive: proxy, grpc or fastcgi. None: as usual."""

    module: str
    to: Template
    headers: Headers | None
    connect_timeout: float | None
    send_timeout: float | None
    read_timeout: float | None
    next_upstream: tuple[str, ...] | None
    tries: int | None
    tries_timeout: float | None
    buffers: Buffers | None
    tls: EndpointTls | None
    http10: bool
    index: Text | None = None
    params: tuple[Given, ...] = ()
    """Of FastCGI, in the place of `headers`."""

    @property
    def timed(self) -> bool:
        """Whether times or attempts are not as usual."""
        asked = (self.connect_timeout, self.send_timeout, self.read_timeout, self.tries, self.tries_timeout)
        return self.next_upstream is not None or asked != _NOT_TIMED


def proxy_of(
    route: Route,
    settings: NginxSettings,
    client_auth: ClientAuth | None,
    stock: Template | None,
    usual: Headers = USUAL_HEADERS,
    given: tuple[Given, ...] = (),
) -> Proxy:
    """`stock`: what stands in the place of the upstream block's name in stock mode. `given`: its own header lines."""
    upstream = route.policy.upstream
    headers = headers_of(route, client_auth, usual, given)
    name = sent_host(route) or Template((Variable("host"),))
    proxy = _proxy(upstream, settings, _target(upstream, stock), headers, upstream.buffering, name)
    return _fastcgi(proxy, route, usual) if upstream.protocol is Protocol.FCGI else proxy


def _fastcgi(proxy: Proxy, route: Route, usual: Headers) -> Proxy:
    return replace(
        proxy,
        module="fastcgi",
        headers=None,
        next_upstream=None if proxy.next_upstream is None else fastcgi.words(proxy.next_upstream),
        tls=None,
        http10=False,
        index=fastcgi.index_of(route),
        params=fastcgi.params(route, proxy.headers or usual),
    )


def beside_proxy(beside: Beside, to: Template, settings: NginxSettings, buffering: Buffering, host: Template) -> Proxy:
    """Somebody who is asked beside a route's versions, at the URL `to`. `host`: the Host that is sent."""
    return _proxy(beside.upstream, settings, to, None, buffering, host)


def _proxy(
    upstream: Upstream,
    settings: NginxSettings,
    to: Template,
    headers: Headers | None,
    buffering: Buffering,
    name: Template,
) -> Proxy:
    """`name`: the endpoint's in TLS, where nobody gives another one."""
    grpc = upstream.protocol is Protocol.GRPC
    words = upstream.next_upstream or ("off",)
    return Proxy(
        "grpc" if grpc else "proxy",
        to,
        headers,
        _unusual(upstream.connect_timeout, USUAL.connect_timeout),
        _unusual(upstream.send_timeout, USUAL.send_timeout),
        _unusual(upstream.read_timeout, USUAL.read_timeout),
        None if words == USUAL.next_upstream else words,
        None if settings.lua is not None or upstream.tries == USUAL.tries else upstream.tries,
        _unusual(upstream.tries_timeout, USUAL.tries_timeout),
        None if buffering == USUAL.buffering else _buffers(buffering),
        _tls(upstream, settings, name),
        upstream.http10 and not grpc,
    )


def _target(upstream: Upstream, stock: Template | None) -> Template:
    found = schemes(upstream)
    auto = len(found) > 1
    start: tuple[str | Variable, ...] = (Variable("scheme"), "://") if auto else (f"{found[0]}://",)
    if found[0] is Scheme.FASTCGI:
        start = ()
    if stock is not None:
        return Template((*start, *stock.parts))
    name = upstream_key(upstream, Scheme.HTTPS if auto else found[0]).name
    if not auto:
        return Template((*start, name))
    return Template((*start, "serin_", Variable("scheme"), name.removeprefix("serin_https")))


def _unusual(value: float, usual: float) -> float | None:
    return None if value == usual else value


def _buffers(asked: Buffering) -> Buffers:
    number = max(asked.number, _SMALLEST_NUMBER)
    most = (number - 1) * asked.size
    busy = min(max(asked.busy or 2 * asked.size, asked.size), most)
    temporary = asked.max_temp_file
    if temporary:
        temporary = max(temporary, asked.size)
    return Buffers(asked.answers, asked.requests, asked.size, number, busy, temporary, asked.request_size)


def _tls(upstream: Upstream, settings: NginxSettings, name: Template) -> EndpointTls | None:
    tls = upstream.verification
    if tls is None:
        return None
    name = Template((tls.name,)) if tls.name else name
    return EndpointTls(
        _pem(settings, tls.certificate),
        _pem(settings, tls.authorities),
        tls.verify,
        tls.depth,
        Text(tls.ciphers) if tls.ciphers else None,
        tls.protocols,
        name,
        tls.send_name,
    )


def _pem(settings: NginxSettings, digest: str) -> File | None:
    return plan_file(settings, certificate_file(digest)) if digest else None


def plan_file(settings: NginxSettings, name: str) -> File:
    """A file of the plan. Its name is a digest."""
    return File(f"{settings.run_dir}/plan/{name}")
