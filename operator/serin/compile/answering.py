"""What answers are made of where a host is compiled: who serves errors, whom copies go to, headers from ConfigMaps."""

from dataclasses import replace

from serin.compile import header_maps
from serin.compile.admitting import over_tls
from serin.compile.annotations.answer_headers import HeadersRequest
from serin.compile.annotations.answers import AnswersRequest
from serin.compile.annotations.errors import ErrorRequest
from serin.compile.annotations.fastcgi import FastCgiRequest
from serin.compile.annotations.mirror import MirrorRequest
from serin.compile.beside import Besides
from serin.compile.config_maps import ConfigMapReader
from serin.compile.findings import Findings
from serin.compile.header_maps import HeaderMap
from serin.compile.options import Key
from serin.compile.pools import FIRST_PORT
from serin.compile.settings import Settings
from serin.objects.fields import shorten
from serin.refs import Ref, Source
from serin.routing.answers import ErrorPages
from serin.routing.beside import Beside, Mirror
from serin.routing.lines import HeaderLine
from serin.routing.plan import Closed, Policy, Upstream
from serin.routing.upstream import FastCgi

_PLAIN = Upstream()


class Answering:
    """For one host. `besides` collects whom it asks."""

    __slots__ = ("_besides", "_config_maps", "_default", "_findings", "_host", "_settings")

    def __init__(
        self,
        host: str,
        settings: Settings,
        default: Key | None,
        besides: Besides,
        config_maps: ConfigMapReader,
        findings: Findings,
    ) -> None:
        """`default`: the default backend of all hosts."""
        self._host = host
        self._settings = settings
        self._default = default
        self._besides = besides
        self._config_maps = config_maps
        self._findings = findings

    def complete(self, base: Policy, asked: AnswersRequest, namespace: str) -> Policy:
        """`base` with what an Ingress of the namespace asks for; closed where it cannot be done and must be."""
        if asked.closed is not None:
            return Policy(closed=asked.closed)
        headers = () if asked.headers is None else self._headers(asked.headers)
        fastcgi = None if asked.fastcgi is None else self._fastcgi(asked.fastcgi)
        for found in (headers, fastcgi):
            if isinstance(found, Closed):
                return Policy(closed=found)
        assert not isinstance(headers, Closed)
        assert not isinstance(fastcgi, Closed)
        upstream = base.upstream if fastcgi is None else replace(base.upstream, fastcgi=fastcgi)
        own = None if asked.errors is None else self._own_backend(asked.errors, namespace)
        return replace(
            base,
            upstream=upstream,
            answer_headers=headers,
            errors=None if asked.errors is None else self._errors(asked.errors, own),
            fallback=own,
            mirror=None if asked.mirror is None else self._mirror(asked.mirror),
        )

    def _own_backend(self, asked: ErrorRequest, namespace: str) -> Beside | None:
        if not asked.backend or asked.backend_source is None:
            return None
        return self._besides.service(namespace, asked.backend, FIRST_PORT, asked.backend_source)

    def _errors(self, asked: ErrorRequest, own: Beside | None) -> ErrorPages | None:
        if not asked.codes:
            return None
        by = own if asked.own_codes else None
        if by is None:
            by = default_backend(self._default, self._besides)
        return error_pages(asked.codes, by, asked.source, self._settings, own_only=asked.own_only)

    def _mirror(self, asked: MirrorRequest) -> Mirror | None:
        server = asked.url.at(self._host)
        if not server:
            shown = self._host or "the catch-all host"
            text = f"a variable in the authority needs a host with a name, found {shown}; nothing is mirrored"
            self._findings.error(asked.source, "mirror-host-unknown", text)
            return None
        upstream = over_tls(server) if asked.url.tls else _PLAIN
        to = self._besides.outside(server, asked.url.port, asked.source, upstream)
        return Mirror(to, asked.host, asked.target, asked.body, asked.source)

    def _headers(self, asked: HeadersRequest) -> tuple[HeaderLine, ...] | Closed:
        found = self._config_maps.parsed(asked.config_map, header_maps.for_clients)
        error = _error_of(found)
        if not error:
            allowed = self._settings.answers.allowed
            others = [line.name for line in found.lines if line.name.lower() not in allowed]
            if others:
                listed = shorten(", ".join(others))
                error = f"{listed}: not in global-allowed-response-headers of the controller's ConfigMap"
        return self._closed("custom-headers-unusable", asked.config_map, error, asked.source) if error else found.lines

    def _fastcgi(self, asked: FastCgiRequest) -> FastCgi | Closed:
        if asked.params is None:
            return FastCgi(asked.index)
        found = self._config_maps.parsed(asked.params, header_maps.fastcgi_parameters)
        error = _error_of(found)
        if error:
            return self._closed("fastcgi-params-unusable", asked.params, error, asked.source)
        return FastCgi(asked.index, found.lines)

    def _closed(self, code: str, key: Key, error: str, source: Source) -> Closed:
        self._findings.error(source, code, f"ConfigMap {'/'.join(key)}: {error}; requests get 503")
        return Closed(503, code, source)


def _error_of(found: HeaderMap) -> str:
    if found.missing:
        return "there is no such ConfigMap"
    return "; ".join(f"{shorten(key)}: {fault}" for key, fault in found.faults[:3])


def default_backend(service: Key | None, besides: Besides) -> Beside | None:
    """What --default-backend-service names."""
    return None if service is None else besides.service(*service, FIRST_PORT, Source(Ref("Service", *service)))


def errors_of_all(settings: Settings, service: Key | None, besides: Besides) -> ErrorPages | None:
    """What the ConfigMap asks for, for requests that no Ingress has anything to say to. `service`: default backend."""
    codes, source = settings.answers.error_codes, settings.source("custom-http-errors")
    if not codes:
        return None
    by = default_backend(service, besides)
    return error_pages(codes, by, source, settings, own_only=not settings.answers.intercept)


def error_pages(
    codes: tuple[int, ...], by: Beside | None, source: Source, settings: Settings, *, own_only: bool
) -> ErrorPages:
    """Where nobody serves them, ingress-nginx's own default server does, with 404; where that one is to be replaced,
    too, it gives up with 500.
    """
    status = 500 if 404 in settings.answers.error_codes else 404
    return ErrorPages(codes, by, source, status=status, own_only=own_only)
