"""Keys of the ConfigMap that are known and do nothing here, each with the reason; and those that cannot be honoured.

A chart's values need no change for them: the reason is told once, on the ConfigMap.
"""

from collections.abc import Mapping

_BY_ITSELF = "sizes of tables are chosen by Serin itself"
_NO_SNIPPETS = "raw nginx text is never taken, from nobody; use the option or annotation for it"
_NO_TRACING = "OpenTelemetry is not supported; X-Request-ID is passed on and logged"
_NO_GEOIP = "there is no GeoIP module; use a header of what stands in front of Serin"
_GZIP = "there is no module for Brotli; gzip's options count"
_LOGS = "logs go to the standard output or to access-log-path"
_STRICT = "values are always checked, whatever this says"

IDLE: Mapping[str, str] = {
    "access-log-params": _LOGS,
    "allow-backend-server-header": "endpoints' Server headers are never passed on; answers name none, or server-tokens",
    "allow-cross-namespace-resources": "Secrets and ConfigMaps of other namespaces are never taken for an Ingress",
    "allow-snippet-annotations": _NO_SNIPPETS,
    "annotation-value-word-blocklist": "values are read by a grammar each, and cannot become nginx's text",
    "annotations-risk-level": _STRICT,
    "bind-address": "addresses are set by --bind",
    "brotli-level": _GZIP,
    "brotli-min-length": _GZIP,
    "brotli-types": _GZIP,
    "debug-connections": "nginx is built without debugging; error-log-level and `serin explain` tell more",
    "default-type": "an answer without a Content-Type is passed on without one",
    "disable-ipv6": "addresses are set by --bind",
    "disable-ipv6-dns": "names are resolved by the system's resolver, as it is set up",
    "enable-access-log-for-default-backend": "requests of no host are logged as all others are",
    "enable-aio-write": "nginx chooses itself how it writes",
    "enable-multi-accept": "each process has a socket of its own, so that there is nothing to share out",
    "enable-ocsp": "answers of OCSP are not stapled; no authority asks for that any more",
    "enable-opentelemetry": _NO_TRACING,
    "enable-serial-reloads": "reloads are always one after the other, at most one a second",
    "enable-syslog": _LOGS,
    "error-log-path": "nginx's own words go into the process log",
    "geoip2-autoreload-in-minutes": _NO_GEOIP,
    "grpc-buffer-size-kb": "proxy-buffer-size counts for gRPC, too",
    "gzip-disable": "no browser of today needs answers without compression",
    "http-snippet": _NO_SNIPPETS,
    "http2-max-field-size": "large-client-header-buffers counts",
    "http2-max-header-size": "large-client-header-buffers counts",
    "http2-max-requests": "keep-alive-requests counts",
    "location-snippet": _NO_SNIPPETS,
    "log-format-escape-none": "values are always escaped, so that no request can forge a line",
    "lua-shared-dicts": "state is in shared memory of Serin's own, which needs no sizes",
    "main-snippet": _NO_SNIPPETS,
    "map-hash-bucket-size": _BY_ITSELF,
    "max-worker-open-files": "it follows from the process's limit",
    "nginx-status-ipv4-whitelist": "there is no /nginx_status; figures are on the healthz port",
    "nginx-status-ipv6-whitelist": "there is no /nginx_status; figures are on the healthz port",
    "opentelemetry-config": _NO_TRACING,
    "opentelemetry-operation-name": _NO_TRACING,
    "opentelemetry-trust-incoming-span": _NO_TRACING,
    "otlp-collector-host": _NO_TRACING,
    "otlp-collector-port": _NO_TRACING,
    "otel-max-queuesize": _NO_TRACING,
    "otel-schedule-delay-millis": _NO_TRACING,
    "otel-max-export-batch-size": _NO_TRACING,
    "otel-service-name": _NO_TRACING,
    "otel-sampler": _NO_TRACING,
    "otel-sampler-ratio": _NO_TRACING,
    "otel-sampler-parent-based": _NO_TRACING,
    "proxy-headers-hash-bucket-size": _BY_ITSELF,
    "proxy-headers-hash-max-size": _BY_ITSELF,
    "proxy-ssl-location-only": "proxy-ssl-* count for the Ingress that has them, never for others of its host",
    "reuse-port": "each process always has a socket of its own",
    "server-name-hash-bucket-size": _BY_ITSELF,
    "server-name-hash-max-size": _BY_ITSELF,
    "server-snippet": _NO_SNIPPETS,
    "ssl-dh-param": "no ciphers with finite-field Diffie-Hellman are offered",
    "ssl-session-ticket-key": "keys of tickets are random, and never leave the process",
    "stream-snippet": _NO_SNIPPETS,
    "strict-validate-path-type": "paths are always checked",
    "syslog-host": _LOGS,
    "syslog-port": _LOGS,
    "use-geoip": _NO_GEOIP,
    "use-geoip2": _NO_GEOIP,
    "variables-hash-bucket-size": _BY_ITSELF,
    "variables-hash-max-size": _BY_ITSELF,
    "worker-cpu-affinity": "processes are placed by the kernel",
}

REFUSED: Mapping[str, str] = {
    "enable-modsecurity": "ModSecurity is not supported",
    "enable-owasp-modsecurity-crs": "ModSecurity is not supported",
    "modsecurity-snippet": "ModSecurity is not supported",
    "limit-conn-zone-variable": "limits are always by the client's address",
}
"""Keys that keep requests out; without them more come in than the user thinks."""

HARMLESS: Mapping[str, frozenset[str]] = {
    "allow-snippet-annotations": frozenset({"false"}),
    "allow-cross-namespace-resources": frozenset({"false"}),
    "annotations-risk-level": frozenset({"Low", "Medium", "High"}),
    "enable-modsecurity": frozenset({"false"}),
    "enable-owasp-modsecurity-crs": frozenset({"false"}),
    "enable-opentelemetry": frozenset({"false"}),
    "strict-validate-path-type": frozenset({"true"}),
    "reuse-port": frozenset({"true"}),
    "use-geoip": frozenset({"false"}),
    "use-geoip2": frozenset({"false"}),
    "enable-syslog": frozenset({"false"}),
    "enable-ocsp": frozenset({"false"}),
    "log-format-escape-none": frozenset({"false"}),
    "limit-conn-zone-variable": frozenset({"$binary_remote_addr", "$remote_addr"}),
}
"""Values that ask for nothing that is not done anyway."""
