"""Codes about Ingresses: their class, hosts, paths and backends."""

from serin.lint.codes.model import HOST, Code, ingress, join

_RULE = f"rules:\n- host: {HOST}\n  http:\n    paths:\n    - path: /\n      pathType: Prefix\n"

CODES = (
    Code(
        "class-unknown",
        "a class that nobody has",
        "There is no IngressClass of this name among the files, or on the cluster; the Ingress is not served.",
        "Write the class that Serin serves (`nginx`, or what `--ingress-class` says).",
        ingress().replace("ingressClassName: nginx", "ingressClassName: ngnix"),
        alike=True,
    ),
    Code(
        "class-missing",
        "no class",
        "Without `spec.ingressClassName`, and without a default IngressClass, the Ingress is not served.",
        "Write `ingressClassName`, or use `--watch-ingress-without-class`.",
        ingress().replace("  ingressClassName: nginx\n", ""),
        alike=True,
    ),
    Code(
        "catch-all-disabled",
        "an Ingress for any host, and these are disabled",
        "`--disable-catch-all` leaves out Ingresses for any host, and default backends without rules.",
        "Write a host.",
        ingress(spec="defaultBackend:\n  service:\n    name: web\n    port: {number: 80}\n", rules=""),
        "GET http://any.example/",
        flags="--disable-catch-all",
        alike=True,
    ),
    Code(
        "path-conflict",
        "a path that another Ingress has",
        "Host, path and path type are served by an older Ingress (or stand twice in this one); this path is not "
        "served.",
        "Take one of the two away; for a second version of a Service set `canary`.",
        join(ingress(name="a"), ingress(name="web", service="next")),
        alike=True,
    ),
    Code(
        "path-becomes-regex",
        "another path makes this one a pattern",
        "`use-regex`, or a `rewrite-target` that changes a path, of any Ingress of a host makes **all** paths of "
        "the host "
        "regular expressions: from the start of the path, open at the end, without regard to case. So does "
        "ingress-nginx.",
        "Give the Ingress with the rewrite a host of its own, or end the path by `(/|$)`.",
        join(
            ingress("rewrite-target: /$1", path="/old/(.*)", path_type="ImplementationSpecific"),
            ingress(name="cart", path="/cart", service="next"),
        ),
        "GET http://shop.example.com/CARTOON",
        alike=True,
    ),
    Code(
        "path-never-served",
        "a path that another one hides",
        "The host's paths are patterns, and `/` with Prefix takes every path before this Exact `/`.",
        "Take one of the two away.",
        join(
            ingress('use-regex: "true"', paths=(("/", "Exact", "web"), ("/", "Prefix", "next"))),
        ),
        alike=True,
    ),
    Code(
        "path-regex-bad",
        "a path that is no pattern on a host of patterns",
        "The host's paths are regular expressions, and this one does not compile; its requests get 503, all others are "
        "served.",
        "Repair the pattern.",
        ingress('use-regex: "true"', path="/shop[", path_type="ImplementationSpecific"),
        "GET http://shop.example.com/shop[",
        there="nginx refuses its whole configuration: no further change of anybody comes into force",
    ),
    Code(
        "path-taken-literally",
        "a path with characters of a pattern",
        "No Ingress of the host asks for regular expressions, so that the path is taken as it is written.",
        'Set `use-regex: "true"` if it is a pattern.',
        ingress(path="/shop/(.*)", path_type="ImplementationSpecific"),
        "GET http://shop.example.com/shop/cart",
        alike=True,
    ),
    Code(
        "path-invalid",
        "a path with control characters",
        "The path is not served.",
        "Write the path without them.",
        ingress(path='"/shop\\tcart"'),
        "GET http://shop.example.com/shop",
    ),
    Code(
        "path-not-absolute",
        "a path that does not begin with `/`",
        "Request paths begin with `/`; this one is not served.",
        "Write it with a `/` in front.",
        ingress(path="shop"),
        "GET http://shop.example.com/shop",
        there="the webhook refuses it, where it is there",
    ),
    Code(
        "path-never-matches",
        "a path that no request can have",
        "Paths are decoded, and `//`, `.` and `..` resolved before rules are looked at; nothing is left that this one "
        "takes.",
        "Write it as it is after that.",
        ingress(path="/shop/../cart"),
        "GET http://shop.example.com/shop/../cart",
        alike=True,
    ),
    Code(
        "path-type-missing",
        "no path type",
        "It counts as ImplementationSpecific, which is Prefix. The API server refuses this.",
        "Write `pathType: Prefix`.",
        ingress().replace("        pathType: Prefix\n", ""),
    ),
    Code(
        "invalid-path-type",
        "an unknown path type",
        "Expected are Exact, Prefix and ImplementationSpecific; this path is not served.",
        "Write one of them.",
        ingress(path_type="Regex"),
    ),
    Code(
        "invalid-host",
        "no host name",
        "The host is no DNS name, or has an asterisk elsewhere than as its whole first label; the rule is not served.",
        "Write a name as `shop.example.com` or `*.example.com`.",
        ingress(host="shop_example!com"),
        "GET http://shop_example!com/",
    ),
    Code(
        "backend-old-fields",
        "a backend of the former API",
        "`serviceName` and `servicePort` are of `extensions/v1beta1`; requests get 503.",
        "Write `service: {name: …, port: {number: …}}`.",
        ingress(rules=f"{_RULE}      backend: {{serviceName: web, servicePort: 80}}\n"),
    ),
    Code(
        "backend-resource-unsupported",
        "a backend that is no Service",
        "`backend.resource` names another object; requests get 503.",
        "Name a Service.",
        ingress(rules=f"{_RULE}      backend: {{resource: {{apiGroup: store.example, kind: Bucket, name: pages}}}}\n"),
        alike=True,
    ),
    Code(
        "backend-unusable",
        "a backend that cannot be used",
        "Another problem of the same path says why; `explain` gives this as the reason of the 503.",
        "Repair the backend.",
        unshown="it stands in `serin explain`, beside the problem that is the cause",
    ),
    Code(
        "default-backend-without-host",
        "a default backend for hosts that cannot be used",
        "The Ingress has rules, none of which can be used; its default backend serves their hosts alone, so nothing.",
        "Repair the hosts of the rules.",
        ingress(host="shop_example!com", spec="defaultBackend:\n  service:\n    name: web\n    port: {number: 80}\n"),
        "GET http://any.example/",
    ),
    Code(
        "port-number-and-name",
        "a port by number and by name",
        "Nobody knows which is meant; requests get 503. The API server refuses this.",
        "Write one of the two.",
        ingress(port="number: 80, name: http"),
    ),
)
