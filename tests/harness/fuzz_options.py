"""Values for every key of the ConfigMap that `--configmap` names; as harness.fuzz_values, whose words they share."""

from collections.abc import Mapping

from harness.fuzz_values import ANNOTATIONS
from harness.fuzz_words import (
    BOOLEAN,
    NUMBER,
    SIZE,
    SOME_HEADERS,
    SOME_NETWORKS,
    SOME_PROTOCOLS,
    TIME,
    Make,
    listed,
    one_of,
    text,
    url,
)

_FORMAT = text(["$remote_addr ", '{"a": "$status"}', "$request"], 8)
_MAPS = one_of("fuzz/headers", "fuzz/parameters", "fuzz/nobody", "headers", "other/headers")

OPTIONS: Mapping[str, Make] = {
    **{key: make for key, make in ANNOTATIONS.items() if key in ("ssl-ciphers", "denylist-source-range")},
    "hsts": BOOLEAN,
    "hsts-max-age": NUMBER,
    "hsts-include-subdomains": BOOLEAN,
    "hsts-preload": BOOLEAN,
    "http-redirect-code": one_of("301", "302", "307", "308", "200"),
    "no-tls-redirect-locations": listed(("/a", "/b", "x", "/$x", "/;")),
    "ssl-protocols": SOME_PROTOCOLS,
    "ssl-ecdh-curve": one_of(
        "auto",
        "X25519",
        "P-256:P-384",
        "X25519:prime256v1",
        "secp521r1",
        "nonsense",
        "auto:auto",
        "X448",
        "P-256:prime256v1",
        "x25519:X25519",
    ),
    "ssl-session-cache": BOOLEAN,
    "ssl-session-cache-size": one_of("64k", "10m", "1g", "1k", "x"),
    "ssl-session-tickets": BOOLEAN,
    "ssl-session-timeout": TIME,
    "ssl-buffer-size": SIZE,
    "use-http2": BOOLEAN,
    "ssl-reject-handshake": BOOLEAN,
    "use-forwarded-headers": BOOLEAN,
    "compute-full-forwarded-for": BOOLEAN,
    "forwarded-for-header": one_of(
        "X-Forwarded-For", "CF-Connecting-IP", "x_y", "a b", "proxy_protocol", "Host", "-", "X;"
    ),
    "enable-real-ip": BOOLEAN,
    "use-proxy-protocol": one_of("true", "false", "false", "false"),
    "proxy-real-ip-cidr": SOME_NETWORKS,
    "keep-alive": NUMBER,
    "keep-alive-requests": NUMBER,
    "client-header-timeout": NUMBER,
    "client-body-timeout": NUMBER,
    "client-header-buffer-size": SIZE,
    "large-client-header-buffers": one_of("4 8k", "1 256", "64 1m", "0 8k", "4", "4 8k;", "4 1k"),
    "enable-underscores-in-headers": BOOLEAN,
    "ignore-invalid-headers": BOOLEAN,
    "http2-max-concurrent-streams": NUMBER,
    "worker-processes": one_of("auto", "1", "2", "0", "x"),
    "max-worker-connections": one_of("0", "1", "16384", "1048576", "2000000"),
    "worker-shutdown-timeout": TIME,
    "generate-request-id": BOOLEAN,
    "whitelist-source-range": SOME_NETWORKS,
    "block-cidrs": SOME_NETWORKS,
    "block-user-agents": listed(
        ("evil", "~^Old/", "~(", "~*x$", '~a"b', "a;b", "~", "~*", "a b", "~(?<n>a)", "default", "~\\k<n>", "$x")
    ),
    "block-referers": listed(
        ("evil", "~bad", "http://bad.example/", "hostnames", "~" + "a" * 5000, "include x", "volatile", "\\")
    ),
    "limit-req-status-code": one_of("429", "503", "400", "599", "600", "399", "x"),
    "limit-conn-status-code": one_of("429", "503", "400", "599", "600", "399", "x"),
    "no-auth-locations": listed(("/a", "/b", "x", "/$x")),
    "global-auth-url": lambda dice: url(dice).replace("$host", "auth.example"),
    **{
        f"global-{name}": ANNOTATIONS[name]
        for name in (
            *(
                "auth-method",
                "auth-signin",
                "auth-signin-redirect-param",
                "auth-response-headers",
                "auth-cache-duration",
            ),
            *("auth-request-redirect", "auth-always-set-cookie", "auth-cache-key"),
        )
    },
    **{
        name: ANNOTATIONS[name]
        for name in (
            *("proxy-body-size", "load-balance", "service-upstream", "proxy-connect-timeout", "proxy-read-timeout"),
            *("proxy-send-timeout", "proxy-next-upstream", "proxy-next-upstream-tries", "proxy-next-upstream-timeout"),
            *("proxy-http-version", "proxy-buffering", "proxy-request-buffering", "proxy-buffer-size", "ssl-redirect"),
            *("proxy-buffers-number", "proxy-busy-buffers-size", "proxy-max-temp-file-size", "client-body-buffer-size"),
            *("custom-http-errors", "disable-proxy-intercept-errors", "proxy-cookie-domain", "proxy-cookie-path"),
            *("proxy-redirect-from", "proxy-redirect-to", "relative-redirects", "use-port-in-redirects", "limit-rate"),
            *("limit-rate-after", "force-ssl-redirect"),
        )
    },
    "retry-non-idempotent": BOOLEAN,
    "upstream-keepalive-connections": NUMBER,
    "upstream-keepalive-timeout": NUMBER,
    "upstream-keepalive-requests": NUMBER,
    "upstream-keepalive-time": TIME,
    "proxy-set-headers": _MAPS,
    "add-headers": _MAPS,
    "hide-headers": SOME_HEADERS,
    "global-allowed-response-headers": listed(("X-A", "X-B", "x_c", "X-D", "X-E", "Content-Type", "*"), (",",)),
    "proxy-add-original-uri-header": BOOLEAN,
    "proxy-protocol-header-timeout": TIME,
    "proxy-stream-next-upstream": BOOLEAN,
    "proxy-stream-next-upstream-timeout": TIME,
    "proxy-stream-next-upstream-tries": NUMBER,
    "proxy-stream-responses": NUMBER,
    "proxy-stream-timeout": TIME,
    "stream-access-log-path": one_of("/nowhere/stream.log", "/a b", "x;"),
    "server-tokens": BOOLEAN,
    "use-gzip": BOOLEAN,
    "gzip-level": NUMBER,
    "gzip-min-length": NUMBER,
    "gzip-types": listed(("text/plain", "*", "text/html", "a/b;", "application/x-é", "TEXT/PLAIN", "x"), (" ",)),
    "enable-brotli": BOOLEAN,
    "disable-access-log": BOOLEAN,
    "disable-http-access-log": BOOLEAN,
    "disable-stream-access-log": BOOLEAN,
    "access-log-path": one_of("/nowhere/access.log", "/", "x", "/a b", "/$x", "syslog:server=x", "/a/../b", "off"),
    "http-access-log-path": one_of("/nowhere/http.log", "/x;y", "stdout"),
    "log-format-upstream": _FORMAT,
    "log-format-escape-json": BOOLEAN,
    "log-format-stream": text(["$remote_addr ", "$session_time"], 8),
    "error-log-level": one_of("debug", "info", "notice", "emerg", "trace", "off"),
    "skip-access-log-urls": listed(("/a", "/healthz", "/$x", "x", "/a b", '/"', "/" + "a" * 2000, "~x", "default")),
}
