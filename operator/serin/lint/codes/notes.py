"""Codes of notes (serin.lint.notes): severity info, of `serin lint` alone."""

from serin.lint.codes.model import HOST, Code, canary, ingress, join

_TLS = f"- hosts: [{HOST}]\n  secretName: ''\n"
_DEFAULT = ingress(tls=f"- hosts: [{HOST}]\n")

CODES = (
    Code(
        "regex-open-end",
        "a path that takes what only begins like it",
        "With `use-regex` or a `rewrite-target` paths are regular expressions from the start of the path: open at "
        "their "
        "end, without regard to case, also where the type is Prefix.",
        "End the path by `(/|$)`, if only whole segments are meant.",
        ingress("rewrite-target: /$1", path="/shop", path_type="Prefix"),
        "GET http://shop.example.com/shopping",
        alike=True,
    ),
    Code(
        "exact-not-exact",
        "an Exact path that is not exact",
        "With `use-regex` or a `rewrite-target` on the host, an Exact path is a pattern like all others: open at "
        "its end, "
        "without regard to case.",
        "End the path by `$`, or give it a host without patterns.",
        ingress('use-regex: "true"', path="/cart", path_type="Exact"),
        "GET http://shop.example.com/CARTS",
        alike=True,
    ),
    Code(
        "rewrite-drops-rest",
        "a rewrite that drops the rest of the path",
        "`rewrite-target` without `$1` or the like is the whole path that the endpoint gets, whatever stood behind the "
        "rule's path.",
        "Write the path as `/shop(/|$)(.*)` and the target as `/$2`, if the rest is to be kept.",
        ingress("rewrite-target: /", path="/shop"),
        "GET http://shop.example.com/shop/cart/1",
        alike=True,
    ),
    Code(
        "slash-redirect",
        "a redirect to the path with its slash",
        "Only the path that ends in `/` is served; the one without is answered with 301 to it.",
        "Write the path without the slash, if both are meant.",
        ingress(path="/shop/"),
        "GET http://shop.example.com/shop",
        alike=True,
    ),
    Code(
        "prefix-with-and-without-slash",
        "a path with and without its slash",
        "Two Prefix paths of a host differ by a slash at the end. Both are served.",
        "Nothing has to be done here; while ingress-nginx still serves, take one of the two away.",
        ingress(paths=(("/shop", "Prefix", "web"), ("/shop/", "Prefix", "next"))),
        "GET http://shop.example.com/shop/cart",
        there="nginx refuses its whole configuration: no further change of anybody comes into force",
    ),
    Code(
        "path-normalised",
        "a guarded path beside an open one",
        "Paths are decoded, and `//`, `.` and `..` resolved, before a rule is chosen; without a rewrite the endpoint "
        "gets the target as it was sent. So the guard of a path cannot be passed by writing it otherwise, as "
        "`/shop/%2e%2e/admin`.",
        "Let the application behind the open path resolve paths the same way, or not at all.",
        join(
            ingress("allowlist-source-range: 10.0.0.0/8", path="/admin", name="admin"),
            ingress(path="/shop", service="next"),
        ),
        "",
        alike=True,
    ),
    Code(
        "default-certificate",
        "a host that shows the default certificate",
        "The host has TLS, and no Secret with a certificate for it: the default certificate is shown, and plain "
        "requests "
        "are redirected to it.",
        "Name a Secret with a certificate for the host, or set `--default-ssl-certificate` to one that covers it.",
        _DEFAULT,
        alike=True,
    ),
    Code(
        "redirect-before-https",
        "a redirect before the one to https",
        "`app-root` and redirects to a URL are answered first, also to requests without TLS.",
        "Write an https URL, or nothing, if the way there does not matter.",
        ingress("app-root: /shop", 'force-ssl-redirect: "true"'),
        alike=True,
    ),
    Code(
        "redirect-to-path",
        "a temporal redirect to a path",
        "`temporal-redirect` to a path of the same host redirects, as `permanent-redirect` does.",
        "Take it away, if the endpoints are to be asked as before.",
        ingress("temporal-redirect: /shop"),
        there="it has no effect: the endpoints are asked",
    ),
    Code(
        "wildcard-one-label",
        "a wildcard for one label",
        "`*.example.com` takes `a.example.com`, and neither `example.com` nor `a.b.example.com`.",
        "Write a host, or a further wildcard, for each depth.",
        ingress(host="*.example.com"),
        "GET http://a.b.example.com/",
        alike=True,
    ),
    Code(
        "exact-host-hides-wildcard",
        "a host that is not completed by its wildcard",
        "A host with rules of its own is served by these alone; what they do not take is 404, also where a "
        "wildcard host "
        "has a rule for it.",
        "Add the path to the host.",
        join(ingress(host="*.example.com", name="all"), ingress(path="/cart", service="next")),
        "GET http://shop.example.com/about",
        alike=True,
    ),
    Code(
        "healthz-reserved",
        "/healthz of the catch-all host",
        "For hosts that no rule names `/healthz` is answered by Serin itself.",
        "Use another path, or a host.",
        ingress(path="/healthz").replace(f"  - host: {HOST}\n    http:", "  - http:"),
        "GET http://any.example/healthz",
        alike=True,
    ),
    Code(
        "canary-sibling",
        "a path with the Service of a canary's main",
        "A canary takes its share of its own path. Another path with the same main Service is not shared out.",
        "If the other path is to be shared out, too, add it to the canary.",
        join(
            ingress(paths=(("/one", "Prefix", "web"), ("/two", "Prefix", "web"))),
            canary('canary-weight: "100"', path="/one"),
        ),
        "GET http://shop.example.com/two",
        there="the canary is attached to main's Service: the other path is shared out as well",
    ),
    Code(
        "endpoint-tls-mixed",
        "endpoints in TLS and without",
        "Some routes speak to a Service in TLS, others plainly. Connections are kept for each of the two by itself.",
        "Look which of the two the endpoints speak, and give all routes the same `backend-protocol`.",
        join(ingress(path="/plain", name="plain"), ingress("backend-protocol: HTTPS", path="/tls")),
        "GET http://shop.example.com/plain",
        there="kept connections are told apart by address alone: a plain request may go over another's TLS connection",
    ),
    Code(
        "several-canaries",
        "several canaries of one path",
        "All canaries of a path count, oldest first: headers of all, cookies of all, then each has its share.",
        "Look whether the younger ones are to count; take away those that are not.",
        join(
            ingress(),
            canary("canary-by-header: Region", "canary-by-header-value: cd"),
            canary("canary-by-header: Beta", name="later", service="web", port="name: http"),
        ),
        "GET http://shop.example.com/ Beta: always",
        there="only the oldest canary counts, the others are ignored without a word",
    ),
    Code(
        "affinity-before-rules",
        "an affinity cookie is stronger than a header",
        "With `affinity: cookie` a user whose cookie names main stays there, also with the canary's header `always`.",
        "Delete the cookie to try the canary, or use a CanaryRoute, whose rules come before the cookie.",
        join(ingress("affinity: cookie"), canary("canary-by-header: Region")),
        "",
        alike=True,
    ),
    Code(
        "preflight-before-password",
        "CORS preflights need no password",
        "A preflight of an allowed origin is answered with 204 before anybody is asked for a password.",
        "Nothing has to be done: browsers send preflights without passwords.",
        ingress('enable-cors: "true"', "auth-url: https://login.example.com/auth"),
        "",
        alike=True,
    ),
)
