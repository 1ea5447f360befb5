"""Values for every annotation and option, by chance: right ones, right ones with a fault, and hostile ones.

Right ones reach as far as grammars do, so that nginx sees the ends of each; they need not make sense together.
"""

import random
from collections.abc import Mapping

from harness.fuzz_words import (
    BOOLEAN,
    CIPHERS,
    HOSTILE,
    NUMBER,
    OBJECTS,
    PIECES,
    SERVICES,
    SIZE,
    SOME_HEADERS,
    SOME_NETWORKS,
    SOME_PROTOCOLS,
    STATUSES,
    SWITCH,
    VARIABLES,
    Make,
    listed,
    one_of,
    pattern,
    text,
    url,
)

_OBJECT = one_of(*OBJECTS)
_PATH = one_of("/", "/a", "/a/b", "/a b", "/é", "/a;b", "/$x", "a", "/" + "x" * 300)
_CACHE_TIMES = listed(("200 5m", "1s", "0s", "404 0ms", "200 201 1y", "10y", "599 1M", "100 1w", "any 1m", "200"))
_WORDS = one_of("off", "a b", "a.example b.example", ".a b", "a $host", "~a b", "a ~b", "/ /x", "default", "a b c", "a")
_CIPHERS = listed(CIPHERS, (":", " ", ","))
_COOKIE = one_of("canary", "route", "ROUTE-1", "a b", "a.b", "$x", "a=b", "é", "users from", "_", "x" * 200)
_NEXT = listed(
    (
        *(
            "error",
            "timeout",
            "invalid_header",
            "http_500",
            "http_404",
            "http_429",
            "non_idempotent",
            "off",
            "http_418",
        ),
        *("updating", "http_403"),
    ),
    (" ",),
)
_SNIPPETS = one_of(
    "more_set_headers x;", "allow 10.0.0.0/8; deny all;", "return 200;", "}", "auth_request /x;", "rewrite ^ /;"
)

ANNOTATIONS: Mapping[str, Make] = {
    "canary": one_of("true", "true", "false", "x"),
    "canary-weight": one_of("0", "10", "50", "100", "1000", "-5", "x"),
    "canary-weight-total": one_of("100", "1000", "10", "0", "2147483648"),
    "canary-by-header": one_of("X-Canary", "x_canary", "a,b", "Host", "Cookie", "a b", "X:Y", "x" * 300, "-"),
    "canary-by-header-value": one_of("yes", "a b", "always", "x" * 3000, "/.:~"),
    "canary-by-header-pattern": pattern,
    "canary-by-cookie": _COOKIE,
    "affinity": one_of("cookie", "cookie", "x"),
    "affinity-mode": one_of("balanced", "persistent", "x"),
    "affinity-canary-behavior": one_of("sticky", "legacy", "x"),
    "session-cookie-name": _COOKIE,
    "session-cookie-path": _PATH,
    "session-cookie-domain": one_of("a.example", ".a.example", "x;y", "*.a", "$host"),
    "session-cookie-expires": NUMBER,
    "session-cookie-max-age": NUMBER,
    "session-cookie-samesite": one_of("None", "Lax", "Strict", "strict", "x"),
    "session-cookie-conditional-samesite-none": BOOLEAN,
    "session-cookie-secure": BOOLEAN,
    "session-cookie-change-on-failure": BOOLEAN,
    "rewrite-target": one_of(
        "/", "/$1", "/$2$3", "$1", "/a%20b", "https://a.example/$1", "//$1", "/$0", "/b/$9", "/$10", "/a$"
    ),
    "use-regex": BOOLEAN,
    "app-root": _PATH,
    "x-forwarded-prefix": _PATH,
    "permanent-redirect": one_of(
        "https://a.example/x?a=b,c&d", "/away", "https://a$b/", "$scheme://$host/x", "a b", "/"
    ),
    "permanent-redirect-code": one_of("300", "301", "302", "303", "307", "308", "200", "x"),
    "temporal-redirect": one_of("https://a.example/t", "/t", "bad value;", "https://$host:1/", "//x"),
    "temporal-redirect-code": one_of("300", "302", "303", "307", "308", "x"),
    "from-to-www-redirect": BOOLEAN,
    "ssl-redirect": BOOLEAN,
    "force-ssl-redirect": BOOLEAN,
    "preserve-trailing-slash": BOOLEAN,
    "ssl-ciphers": _CIPHERS,
    "ssl-prefer-server-ciphers": BOOLEAN,
    "ssl-passthrough": BOOLEAN,
    "auth-type": one_of("basic", "basic", "digest", "x"),
    "auth-secret": _OBJECT,
    "auth-secret-type": one_of("auth-file", "auth-map", "x"),
    "auth-realm": one_of("Realm", "a realm: (x)", 'bad"quote', "it's", "$host", "off"),
    "auth-tls-secret": one_of("authority", "authority", "fuzz/authority", "certificate", "nobody"),
    "auth-tls-verify-client": one_of("on", "off", "optional", "optional_no_ca", "x"),
    "auth-tls-verify-depth": one_of("0", "1", "100", "101", "-1"),
    "auth-tls-match-cn": lambda dice: dice.choice(["CN=", "CN=", "cn=", ""]) + pattern(dice),
    "auth-tls-error-page": one_of("https://a.example/x", "/x", "$host", "a b", "@x", "=200"),
    "auth-tls-pass-certificate-to-upstream": BOOLEAN,
    "backend-protocol": one_of("HTTP", "HTTPS", "AUTO_HTTP", "GRPC", "GRPCS", "FCGI", "FCGI", "https", "AJP", "x"),
    "upstream-vhost": text(["a.example", "", "$host"], 2),
    "proxy-body-size": SIZE,
    "proxy-connect-timeout": NUMBER,
    "proxy-send-timeout": NUMBER,
    "proxy-read-timeout": NUMBER,
    "proxy-next-upstream": _NEXT,
    "proxy-next-upstream-tries": NUMBER,
    "proxy-next-upstream-timeout": NUMBER,
    "service-upstream": BOOLEAN,
    "connection-proxy-header": one_of(
        "keep-alive", "close", "upgrade", "", "a b", "$connection_upgrade", "keep-alive, x"
    ),
    "proxy-buffering": SWITCH,
    "proxy-buffer-size": SIZE,
    "proxy-buffers-number": NUMBER,
    "proxy-busy-buffers-size": SIZE,
    "proxy-max-temp-file-size": SIZE,
    "proxy-request-buffering": SWITCH,
    "client-body-buffer-size": SIZE,
    "proxy-http-version": one_of("1.0", "1.1", "2", "1.1;"),
    "proxy-ssl-secret": one_of("authority", "certificate", "fuzz/authority", "nobody", "broken"),
    "proxy-ssl-verify": SWITCH,
    "proxy-ssl-verify-depth": one_of("0", "1", "100", "101", "-1"),
    "proxy-ssl-ciphers": _CIPHERS,
    "proxy-ssl-name": one_of("a.example", "$host", "a b", "x" * 300, "10.0.0.1", "[::1]"),
    "proxy-ssl-protocols": SOME_PROTOCOLS,
    "proxy-ssl-server-name": SWITCH,
    "load-balance": one_of("ewma", "round_robin", "chash", "chashsubset", "sticky_balanced", "ip_hash", "x"),
    "upstream-hash-by": text(),
    "upstream-hash-by-subset": BOOLEAN,
    "upstream-hash-by-subset-size": NUMBER,
    "fastcgi-index": one_of("index.php", "a b", "$x", "/", "../x", "é", "index.php;"),
    "fastcgi-params-configmap": one_of("parameters", "parameters", "headers", "fuzz/parameters", "nobody"),
    "server-alias": listed(
        (
            *(
                "h1.fuzz.example",
                "*.alias.example",
                "~bad",
                "bystander.test",
                "www.bystander.test",
                "*.test",
                "UPPER.example",
            ),
            *(
                "a..b",
                "*",
                "_",
                "x" * 70 + ".example",
                "alias.example.",
                "alias.example:80",
                "xn--e1a.example",
                "é.example",
            ),
        )
    ),
    "relative-redirects": BOOLEAN,
    "use-port-in-redirects": BOOLEAN,
    "enable-access-log": BOOLEAN,
    "enable-rewrite-log": BOOLEAN,
    "http2-push-preload": BOOLEAN,
    "custom-http-errors": listed(STATUSES),
    "default-backend": one_of(*SERVICES),
    "disable-proxy-intercept-errors": BOOLEAN,
    "enable-cors": BOOLEAN,
    "cors-allow-origin": listed(
        (
            *(
                "https://a.example",
                "https://*.a.example",
                "*",
                "null",
                "https://a.example:8443",
                "http://[::1]",
                "a.example",
            ),
            *(
                "https://*",
                "https://a.*.example",
                "chrome-extension://x",
                'https://a".example',
                "https://a.example/",
                "(.*)",
            ),
        )
    ),
    "cors-allow-methods": listed(("GET", "POST", "PROPFIND", "get", "*", "G T", "GET;")),
    "cors-allow-headers": listed(("X-A", "x_b", "*", "X-" + "a" * 3000, "A B", '"', "Content-Type")),
    "cors-expose-headers": listed(("X-A", "*", "x_b", "$host", "A;B")),
    "cors-allow-credentials": BOOLEAN,
    "cors-max-age": NUMBER,
    "custom-headers": one_of("headers", "headers", "fuzz/headers", "nobody"),
    "proxy-cookie-domain": _WORDS,
    "proxy-cookie-path": _WORDS,
    "proxy-redirect-from": one_of(
        "off", "default", "http://main/", "/", "~*x", "$host", "http://a b/", "http://main:8080/x"
    ),
    "proxy-redirect-to": one_of(
        "off", "default", "https://a.example/", "/", "$host", "/a;b", "https://a.example:1/x?y"
    ),
    "mirror-target": url,
    "mirror-host": text(["copy.example", ""], 2),
    "mirror-request-body": SWITCH,
    "allowlist-source-range": SOME_NETWORKS,
    "denylist-source-range": SOME_NETWORKS,
    "satisfy": one_of("any", "all", "x"),
    "limit-rps": one_of("0", "1", "7", "1000000", "1000001", "-1", "x"),
    "limit-rpm": one_of("0", "1", "59", "61", "1000000", "x"),
    "limit-connections": one_of("0", "1", "65535", "65536", "x"),
    "limit-burst-multiplier": one_of("0", "1", "5", "1000", "1001", "x"),
    "limit-allowlist": SOME_NETWORKS,
    "limit-rate": NUMBER,
    "limit-rate-after": NUMBER,
    "auth-url": url,
    "auth-method": one_of("GET", "POST", "HEAD", "TRACE", "OPTIONS", "CONNECT", "get;", "PROPFIND"),
    "auth-signin": lambda dice: url(dice) if dice.random() < 0.6 else text(["/", "https://l.example/"])(dice),
    "auth-signin-redirect-param": one_of("rd", "a.b", "~", "-", "a b", "$x", "é"),
    "auth-response-headers": SOME_HEADERS,
    "auth-request-redirect": text(),
    "auth-proxy-set-headers": one_of("headers", "headers", "parameters", "fuzz/headers", "nobody"),
    "auth-always-set-cookie": BOOLEAN,
    "auth-cache-key": text(),
    "auth-cache-duration": _CACHE_TIMES,
    "auth-keepalive": NUMBER,
    "auth-keepalive-requests": NUMBER,
    "auth-keepalive-timeout": NUMBER,
    "auth-keepalive-share-vars": BOOLEAN,
    "enable-global-auth": BOOLEAN,
    "enable-modsecurity": BOOLEAN,
    "enable-owasp-core-rules": BOOLEAN,
    "modsecurity-snippet": _SNIPPETS,
    "modsecurity-transaction-id": text(),
    "configuration-snippet": _SNIPPETS,
    "server-snippet": _SNIPPETS,
    "stream-snippet": _SNIPPETS,
    "auth-snippet": _SNIPPETS,
    "enable-opentelemetry": BOOLEAN,
    "opentelemetry-operation-name": text(),
    "opentelemetry-trust-incoming-span": BOOLEAN,
}
OURS: Mapping[str, Make] = {
    "load-balance": one_of(
        *(
            "round_robin",
            "least_conn",
            "ewma",
            "random",
            "source_hash",
            "shortest_expected_delay",
            "never_queue",
            "hash",
            "x",
        )
    ),
}
"""Below `serin.dev/`."""

_LINE = one_of(
    "a", '"; }', "$host 'x", "", "{$http_a}", "\\", "a$cookie_x", "$nonsense", "a\nb", "é", "${req_id}", "x" * 4000
)


def any_value(make: Make, dice: random.Random, faults: float = 0.33) -> str:
    """`faults`: how often it is wrong on purpose. What is not may be so by itself."""
    if dice.random() >= faults:
        return make(dice)
    return _spoilt(make(dice), dice) if dice.random() < 0.6 else dice.choice(HOSTILE)


def any_line(dice: random.Random) -> str:
    """Of a ConfigMap with headers or parameters."""
    return _LINE(dice) if dice.random() < 0.7 else text()(dice)


def _spoilt(value: str, dice: random.Random) -> str:
    place = dice.randint(0, len(value))
    odd = dice.choice([*PIECES, *VARIABLES, ",", " ", "\n", '"', "0"])
    return dice.choice(
        [
            value[:place] + odd + value[place:],
            value[:place] + value[place + 1 :],
            value.swapcase(),
            f"{value},{value}",
            f"{value} {value}",
            value * 40,
            f" {value}\t",
            f'"{value}"',
        ]
    )
