"""nginx.conf itself: what holds for all hosts, the upstream blocks that they share, and their files by name.

No route is known here. What locations rely on (variables, header lines, usual values) is defined once, in main.j2.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Template as Compiled

from serin.render.nginx.access import Rate, counts_connections, rates_of
from serin.render.nginx.answering import Changes, usual_of, wide_hidden, wide_lines
from serin.render.nginx.besides import BesideBlock, beside_blocks
from serin.render.nginx.environment import environment
from serin.render.nginx.escaping import ESCAPING, Escaping
from serin.render.nginx.forwarding import RealIp, real_ip
from serin.render.nginx.headers import Given, is_full, usual_headers
from serin.render.nginx.host import upstreams_of
from serin.render.nginx.listening import Listens, is_behind, listens
from serin.render.nginx.locations import literal
from serin.render.nginx.logs import BEHIND, LAST, LEVELS, Last, format_lines, own_lines
from serin.render.nginx.names import DEFAULT_CERTIFICATE, CertificateRow, UpstreamKey, certificate_rows
from serin.render.nginx.pages import ErrorLines, ErrorPage, Pages
from serin.render.nginx.refusals import Refusal, refusals
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.streams import Endpoints, StreamPart, stream_part
from serin.render.nginx.values import File, Pattern, Template, Text, Variable
from serin.routing.beside import Beside
from serin.routing.plan import Globals, Host, Protocol

_HTTP, _HTTPS = 80, 443
MOST_WORKERS = 64
"""Each takes a row of the shared memory, and so do those before a reload."""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_SPARE_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class HostFile:
    """What nginx.conf has to know of a host's file; made by `host_file`. `file` is relative to nginx's folder."""

    name: str
    file: str
    upstreams: frozenset[UpstreamKey] = frozenset()
    names: tuple[str, ...] = ()
    """Every name that the host answers to."""
    client_auth: bool = False
    rates: frozenset[Rate] = frozenset()
    counts_connections: bool = False
    keeps_answers: bool = False
    """Answers of its authentication servers are cached."""
    asks: bool = False
    """Others are asked who may come in."""
    fastcgi: bool = False
    passthrough: Beside | None = None


def host_file(host: Host, file: str) -> HostFile:
    names = tuple(dict.fromkeys((host.name, *host.aliases)))
    policies = [route.policy for route in host.routes]
    asked = [policy.external_auth for policy in policies if policy.external_auth is not None]
    return HostFile(
        host.name,
        file,
        upstreams_of(host),
        names,
        host.client_auth is not None,
        rates_of(policies),
        counts_connections(policies),
        any(auth.cache_key for auth in asked),
        bool(asked),
        any(policy.upstream.protocol is Protocol.FCGI for policy in policies),
        host.passthrough,
    )


@dataclass(frozen=True, slots=True)
class Main:
    """What main.j2 writes. `resumption`: TLS sessions may be resumed.

    They may not as long as any host asks for certificates of clients: sessions belong to the listening socket, so that
    one made on another host would be taken there.
    """

    settings: NginxSettings
    digest: str
    hsts: Text | None
    https_port: str
    www_http_port: int
    www_https_port: int
    upstreams: tuple[UpstreamKey, ...]
    certificates: tuple[CertificateRow, ...]
    default_certificate: File
    includes: tuple[str, ...]
    catch_all: bool
    reject_handshake: bool
    resumption: bool
    globals: Globals
    hosts: tuple[HostFile, ...]
    pages: Pages
    errors: ErrorLines | None
    stream: StreamPart | None = None

    @property
    def modules(self) -> tuple[File, ...]:
        return tuple(File(module) for module in self.settings.modules)

    @property
    def rates(self) -> tuple[Rate, ...]:
        """The zones that count requests; what they have in common with others is their rate."""
        return tuple(sorted({rate for host in self.hosts for rate in host.rates}, key=lambda rate: rate.name))

    @property
    def counts_connections(self) -> bool:
        return any(host.counts_connections for host in self.hosts)

    @property
    def keeps_answers(self) -> bool:
        return any(host.keeps_answers for host in self.hosts)

    @property
    def escapes(self) -> bool:
        """Without Lua, the address asked for is escaped by maps."""
        return self.settings.lua is None and any(host.asks for host in self.hosts)

    @property
    def asks(self) -> bool:
        """With Lua: answers of authentication servers are looked at."""
        return self.settings.lua is not None and any(host.asks for host in self.hosts)

    @property
    def escaping(self) -> tuple[Escaping, ...]:
        return ESCAPING

    @property
    def blocked(self) -> tuple[Refusal, ...]:
        return refusals(self.globals.blocks)

    @property
    def real_ip(self) -> RealIp | None:
        return real_ip(self.globals.forwarding, behind=self.is_behind)

    @property
    def is_behind(self) -> bool:
        """TLS that is ended here comes by the stream part."""
        return is_behind(self.settings, self.globals)

    @property
    def listens(self) -> Listens:
        return listens(self.settings, self.globals)

    @property
    def stream_module(self) -> File:
        return File(self.settings.stream_module)

    @property
    def full(self) -> bool:
        return is_full(self.globals.forwarding)

    @property
    def curves(self) -> str | None:
        return None if self.globals.tls.curves == "auto" else self.globals.tls.curves

    @property
    def ciphers(self) -> Text | None:
        return Text(self.globals.tls.ciphers) if self.globals.tls.ciphers else None

    @property
    def pid(self) -> str:
        return f"{self.settings.prefix}/nginx.pid"

    @property
    def log_level(self) -> str:
        level = self.globals.logs.error_level or self.settings.log_level
        return LEVELS.get(level, level)

    @property
    def access_log(self) -> File:
        path = self.globals.logs.path or self.settings.access_log_path
        return File("/dev/stdout" if path == "-" else path)

    @property
    def temp(self) -> dict[str, File]:
        folder = self.settings.temp or self.settings.prefix
        return {name: File(f"{folder}/{name}_temp") for name in (*_TEMPORARY, "auth_cache")}

    @property
    def run_dir(self) -> File:
        return File(self.settings.run_dir)

    @property
    def package_path(self) -> Text:
        assert self.settings.lua is not None
        return Text(self.settings.lua.package_path)

    @property
    def library(self) -> File:
        assert self.settings.lua is not None
        return File(self.settings.lua.library)

    @property
    def origin(self) -> Template:
        return Template(("https://", Variable("host"), self.https_port))

    @property
    def plain_origin_port(self) -> Template:
        port = self.settings.visible_http_port
        return Template(("http://", Variable("host"), "" if port == _HTTP else f":{port}"))

    @property
    def origin_port(self) -> Template:
        port = self.settings.visible_https_port
        return Template(("https://", Variable("host"), self.https_port or ("" if port == _HTTPS else f":{port}")))

    @property
    def fastcgi(self) -> bool:
        return any(host.fastcgi for host in self.hosts)

    @property
    def https_url(self) -> Template:
        return Template(("https://", Variable("serin_redirect_host"), self.https_port, Variable("serin_target")))

    @property
    def https_url_as_sent(self) -> Template:
        return Template(("https://", Variable("serin_redirect_host"), self.https_port, Variable("request_uri")))

    @property
    def last(self) -> tuple[Last, ...]:
        return LAST

    @property
    def log_lines(self) -> tuple[Text, ...]:
        return own_lines(self.settings.access_log, self.client_address)

    @property
    def log_format(self) -> tuple[Template, ...]:
        """A format of the user's own."""
        scheme = usual_headers(self.globals.forwarding).scheme
        return format_lines(self.globals.logs.format, scheme, self.client_address)

    @property
    def client_address(self) -> str:
        """The variable that log lines have."""
        return BEHIND if self.is_behind else "remote_addr"

    @property
    def logs(self) -> bool:
        return self.settings.access_log != "off" and not self.globals.logs.off

    @property
    def skipped(self) -> tuple[Pattern, ...]:
        """Targets of requests that are not logged."""
        return tuple(Pattern(f"^{literal(url)}\\z", "~") for url in self.globals.logs.skip)

    @property
    def lines(self) -> tuple[Given, ...]:
        return wide_lines(self.globals)

    @property
    def bare_lines(self) -> tuple[Given, ...]:
        return wide_lines(self.globals, hsts=False)

    @property
    def hidden(self) -> tuple[str, ...]:
        return wide_hidden(self.globals)

    @property
    def error_pages(self) -> tuple[ErrorPage, ...]:
        """Of requests for hosts that nobody has."""
        return tuple(self.pages.errors)

    @property
    def besides(self) -> tuple[BesideBlock, ...]:
        by = None if self.globals.errors is None else self.globals.errors.by
        return () if by is None or self.catch_all else beside_blocks("", (by,), self.settings, None)

    @property
    def types(self) -> tuple[Text, ...]:
        """nginx compresses text/html anyway, and complains where it is named."""
        return tuple(Text(name) for name in self.globals.compression.types if name.lower() != "text/html")

    @property
    def workers(self) -> int:
        return min(self.globals.connections.workers, MOST_WORKERS) or self.settings.workers

    @property
    def worker_connections(self) -> int:
        """As many as are asked for, and some beside the sockets that are listened on, below which nginx refuses all."""
        settings = self.settings
        sockets = len(settings.http) + len(settings.https) + len(self.globals.streams) * len(settings.addresses)
        return max(self.globals.connections.worker_connections or settings.connections, sockets + _SPARE_CONNECTIONS)

    @property
    def shutdown(self) -> float:
        return self.globals.connections.shutdown_timeout or self.settings.shutdown_grace


def render_main(
    globals_: Globals,
    hosts: Sequence[HostFile],
    certified: Mapping[str, str],
    settings: NginxSettings,
    digest: str,
    endpoints: Endpoints | None = None,
) -> str:
    """`certified`: every name with a certificate, and its file under certificates/. `digest` is told on the socket.

    `endpoints`: of the stream part.
    """
    folder = f"{settings.prefix}/certificates"
    pages = Pages("", settings, usual_of(globals_))
    main = Main(
        settings,
        digest,
        Text(globals_.hsts) if globals_.hsts else None,
        f":{globals_.https_port}" if globals_.https_port else "",
        globals_.www_http_port,
        globals_.www_https_port,
        _upstreams(hosts) if settings.lua is not None else (),
        certificate_rows(certified, (name for host in hosts for name in host.names), folder),
        File(f"{folder}/{DEFAULT_CERTIFICATE}"),
        tuple(host.file for host in hosts),
        any(host.name == "" for host in hosts),
        globals_.reject_handshake,
        not any(host.client_auth for host in hosts),
        globals_,
        tuple(hosts),
        pages,
        pages.errors_of(globals_.errors, None, Changes()),
        _stream_part(globals_, hosts, settings, endpoints or Endpoints({})),
    )
    return _template().render(main=main, settings=settings, headers=usual_of(globals_))


@cache
def _template() -> Compiled:
    return environment().get_template("main.j2")


def _stream_part(
    globals_: Globals, hosts: Sequence[HostFile], settings: NginxSettings, endpoints: Endpoints
) -> StreamPart | None:
    passed = {name: host.passthrough for host in hosts if host.passthrough is not None for name in host.names}
    return stream_part(globals_, passed, (name for host in hosts for name in host.names), settings, endpoints)


def _upstreams(hosts: Iterable[HostFile]) -> tuple[UpstreamKey, ...]:
    found = {key for host in hosts for key in host.upstreams}
    return tuple({key.name: key for key in sorted(found, key=lambda key: key.name)}.values())
