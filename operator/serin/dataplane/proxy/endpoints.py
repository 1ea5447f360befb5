"""How the endpoints of routes are spoken to, made once for all routes that do it alike.

Where the endpoint's name, or whether TLS is spoken at all, depends on the request, there is a function of the request.
"""

import ssl
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from serin.dataplane.proxy.connection_settings import UpstreamSettings
from serin.dataplane.proxy.endpoint_tls import check_of, endpoint_context
from serin.dataplane.proxy.exchange import Client, RequestHead
from serin.routing.identity import content_digest
from serin.routing.upstream import Protocol, Upstream, UpstreamTls

MOST_NAMES = 1024
"""Names of endpoints kept for a route whose endpoints are called as the host that is asked for."""
MOST_KINDS = 4096
"""Ways to speak to endpoints that are kept; those of plans that are gone are among them."""
ByRequest = Callable[[RequestHead, Client], UpstreamSettings]


class Endpoints:
    """One for a worker. `path_of` gives the PEM file of a certificate by its digest."""

    def __init__(self, path_of: Callable[[str], Path] | None = None) -> None:
        self._path_of = path_of or Path
        self._plain = unverified_context()
        self._contexts: dict[UpstreamTls, ssl.SSLContext] = {}
        self._settings: dict[Upstream, UpstreamSettings] = {}

    def settings(self, upstream: Upstream) -> UpstreamSettings:
        """OSError when a certificate cannot be loaded."""
        if len(self._settings) > MOST_KINDS:
            self._settings.clear()
            self._contexts.clear()
        if upstream not in self._settings:
            self._settings[upstream] = (
                self._with_tls(_common(upstream), upstream, "") if upstream.tls else _common(upstream)
            )
        return self._settings[upstream]

    def by_request(self, upstream: Upstream) -> ByRequest | None:
        """None where `settings` holds for all requests."""
        if upstream.protocol is Protocol.AUTO_HTTP:
            plain, secure = (
                self.settings(replace(upstream, protocol=Protocol.HTTP)),
                replace(upstream, tls=True, protocol=Protocol.HTTP),
            )
            named, fixed = self.by_request(secure), self.settings(secure)

            def by_scheme(head: RequestHead, client: Client) -> UpstreamSettings:
                if not client.tls:
                    return plain
                return fixed if named is None else named(head, client)

            return by_scheme
        tls = upstream.verification
        if not upstream.tls or tls is None or tls.name or not (tls.verify or tls.send_name):
            return None
        known: OrderedDict[str, UpstreamSettings] = OrderedDict()

        def by_host(head: RequestHead, client: Client) -> UpstreamSettings:
            found = known.get(head.host)
            if found is None:
                found = known[head.host] = self._with_tls(_common(upstream), upstream, head.host)
                if len(known) > MOST_NAMES:
                    known.popitem(last=False)
            return found

        return by_host

    def _with_tls(self, settings: UpstreamSettings, upstream: Upstream, host: str) -> UpstreamSettings:
        tls = upstream.verification
        if tls is None:
            return replace(settings, tls=self._plain, tls_key="unverified")
        context = self._contexts.get(replace(tls, source=None))
        if context is None:
            context = self._contexts[replace(tls, source=None)] = endpoint_context(tls, self._path_of)
        name = tls.name or host
        return replace(
            settings,
            tls=context,
            tls_key=content_digest(repr((replace(tls, source=None), name)).encode()),
            server_name=name if tls.send_name else "",
            check=check_of(tls, name),
        )


def _common(upstream: Upstream) -> UpstreamSettings:
    return UpstreamSettings(
        connect_timeout=upstream.connect_timeout,
        send_timeout=upstream.send_timeout,
        read_timeout=upstream.read_timeout,
        tries=upstream.tries,
        tries_timeout=upstream.tries_timeout,
        retry_on=frozenset(upstream.next_upstream) - {"off"},
    )


def unverified_context() -> ssl.SSLContext:
    """TLS to endpoints as ingress-nginx speaks it by default: no name is sent, no certificate verified."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
