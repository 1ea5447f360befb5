"""The registry: every annotation that has a meaning here, by name, and those that once had one."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from serin.compile.annotations import (
    affinity,
    answer_headers,
    auth,
    backend,
    balancing,
    buffering,
    canary,
    client_auth,
    cors,
    errors,
    external_auth,
    fastcgi,
    firewall,
    hosts,
    limits,
    matching,
    mirror,
    redirects,
    rewriting,
    snippets,
    source_ranges,
    tls,
    tracing,
    upstream_tls,
)
from serin.compile.annotations.model import Annotation

FAMILIES: Mapping[str, tuple[Annotation[Any], ...]] = MappingProxyType(
    {
        "Canary": canary.FAMILY,
        "Affinity": affinity.FAMILY,
        "Paths and rewrites": matching.FAMILY,
        "Redirects": redirects.FAMILY,
        "TLS": tls.FAMILY,
        "Basic authentication": auth.FAMILY,
        "Client certificates": client_auth.FAMILY,
        "Endpoints": backend.FAMILY,
        "Buffers": buffering.FAMILY,
        "TLS towards endpoints": upstream_tls.FAMILY,
        "Balancing": balancing.FAMILY,
        "FastCGI": fastcgi.FAMILY,
        "Hosts, redirects of our own, logs": hosts.FAMILY,
        "Errors and default backends": errors.FAMILY,
        "CORS": cors.FAMILY,
        "Headers of answers": answer_headers.FAMILY,
        "Cookies and redirects of endpoints": rewriting.FAMILY,
        "Mirrors": mirror.FAMILY,
        "Address lists": source_ranges.FAMILY,
        "Limits": limits.FAMILY,
        "External authentication": external_auth.FAMILY,
        "Web application firewall": firewall.FAMILY,
        "Snippets": snippets.FAMILY,
        "Tracing": tracing.FAMILY,
    }
)

ANNOTATIONS: Mapping[str, Annotation[Any]] = MappingProxyType(
    {a.name: a for family in FAMILIES.values() for a in family if not a.ours}
)
"""By name without prefix: those that ingress-nginx has too."""

OURS: Mapping[str, Annotation[Any]] = MappingProxyType(
    {a.name: a for family in FAMILIES.values() for a in family if a.ours}
)
"""By name without `serin.dev/`."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {"whitelist-source-range": "allowlist-source-range", "limit-whitelist": "limit-allowlist"}
)
"""Older names of annotations; the newer one wins when both are set."""

REMOVED: Mapping[str, str] = MappingProxyType(
    {
        "secure-backends": "write backend-protocol: HTTPS",
        "grpc-backend": "write backend-protocol: GRPC",
        "add-base-url": "rewrite links in the application, or use x-forwarded-prefix",
        "base-url-scheme": "rewrite links in the application, or use x-forwarded-prefix",
        "session-cookie-hash": "the affinity cookie needs no hash any more; take it away",
        "mirror-uri": "mirror-target took its place",
        "influxdb-measurement": "metrics are on the healthz port, in Prometheus' format",
        "influxdb-port": "metrics are on the healthz port, in Prometheus' format",
        "influxdb-host": "metrics are on the healthz port, in Prometheus' format",
        "influxdb-server-name": "metrics are on the healthz port, in Prometheus' format",
        "enable-influxdb": "metrics are on the healthz port, in Prometheus' format",
        "enable-opentracing": "OpenTelemetry took its place",
        "opentracing-trust-incoming-span": "OpenTelemetry took its place",
        "global-rate-limit": "limits are per client and replica (limit-rps)",
        "global-rate-limit-window": "limits are per client and replica (limit-rps)",
        "global-rate-limit-key": "limits are per client and replica (limit-rps)",
        "global-rate-limit-ignored-cidrs": "limits are per client and replica (limit-rps)",
    }
)
"""Names that later versions of ingress-nginx do not know any more, with what to do. They have no effect."""
