"""Codes about canary Ingresses."""

from serin.lint.codes.model import Code, canary, ingress, join

_MAIN = ingress()
_REQUEST = "GET http://shop.example.com/ Region: cd"

CODES = (
    Code(
        "canary-without-main",
        "a canary without its main",
        "No ordinary Ingress of the namespace has the canary's host, path and path type, so that it gets no requests. "
        "`ImplementationSpecific` counts as `Prefix`, and `/foo` is another path than `/foo/`.",
        "Give the canary exactly the host, path and pathType of the Ingress that serves the path now.",
        join(_MAIN, canary('canary-weight: "10"', path="/cart")),
        "GET http://shop.example.com/cart",
        alike=True,
    ),
    Code(
        "canary-other-namespace",
        "a canary of another namespace than its main",
        "Its main is in another namespace; the canary is refused and gets no requests.",
        "Move the canary, and its Service, into the namespace of the main Ingress.",
        join(_MAIN, canary('canary-weight: "10"', namespace="team-b")),
        there="the canary takes its share: any tenant can take the traffic of any host",
    ),
    Code(
        "canary-same-backend",
        "a canary with the Service of its main",
        "All of the canary's paths have the Service and port that their main has; the canary changes nothing.",
        "Name the Service of the new version as the canary's backend.",
        join(_MAIN, canary('canary-weight: "10"', service="web")),
        alike=True,
    ),
    Code(
        "canary-too-many",
        "too many canaries of one path",
        "A path has 15 canaries already; this one, the youngest, gets no requests.",
        "Take canaries away, or use a CanaryRoute.",
        join(_MAIN, *(canary(f'canary-weight: "{n}"', name=f"next-{n:02}") for n in range(1, 17))),
        there="only the oldest canary of a path counts at all",
    ),
    Code(
        "canary-pattern-broken",
        "a header pattern that does not compile",
        "`canary-by-header-pattern` is no PCRE. Requests that have the header go to main; neither cookie nor weight "
        "brings the canary back to them. All others are decided as ever.",
        "Repair the pattern; `serin explain` shows what it decides.",
        join(_MAIN, canary("canary-by-header: Region", "canary-by-header-pattern: '[cd'", 'canary-weight: "10"')),
        _REQUEST,
        alike=True,
    ),
    Code(
        "canary-pattern-unused",
        "a header pattern beside a header value",
        "`canary-by-header-value` decides alone; the pattern has no effect.",
        "Take one of the two away.",
        join(
            _MAIN,
            canary("canary-by-header: Region", "canary-by-header-value: cd", "canary-by-header-pattern: c.*"),
        ),
        _REQUEST,
        alike=True,
    ),
    Code(
        "canary-value-without-header",
        "a header value or pattern without a header",
        "`canary-by-header-value` and `canary-by-header-pattern` need `canary-by-header`, which names the header; "
        "without it they have no effect.",
        "Set `canary-by-header`.",
        join(_MAIN, canary("canary-by-header-value: cd")),
        _REQUEST,
        alike=True,
    ),
    Code(
        "canary-header-name",
        "a header name that no request can have",
        "`canary-by-header` is no name of a header; the header rule has no effect.",
        "Write a name of letters, digits, `-` and `_`.",
        join(_MAIN, canary('canary-by-header: "my header"', 'canary-weight: "10"')),
        _REQUEST,
        alike=True,
    ),
    Code(
        "canary-without-rule",
        "a canary that nothing leads to",
        "The canary has neither header, cookie nor weight; it gets no requests.",
        "Set `canary-weight`, `canary-by-header` or `canary-by-cookie`.",
        join(_MAIN, canary()),
        alike=True,
    ),
    Code(
        "canary-rules-ignored",
        "canary rules on an ordinary Ingress",
        'The Ingress has annotations of a canary, but `canary` is not `"true"`: it is an ordinary Ingress, which may '
        "take a path, or lose it to its main.",
        'Set `canary: "true"`, or take the rules away.',
        ingress('canary-weight: "10"'),
        alike=True,
    ),
    Code(
        "canary-annotations-ignored",
        "other annotations on a canary",
        "On a canary only the canary family, `affinity-canary-behavior`, `load-balance`, `service-upstream` and "
        "`upstream-hash-by*` count. Requests meet what the main Ingress asks for.",
        "Write the others on the main Ingress, or take them away.",
        join(_MAIN, canary('canary-weight: "10"', 'proxy-body-size: "8m"')),
        alike=True,
    ),
    Code(
        "canary-total-ignored",
        "a weight total of 100 or less",
        "Totals of 100 and less have no effect: the weight counts out of 100.",
        "Write a total above 100, or none.",
        join(_MAIN, canary('canary-weight: "5"', 'canary-weight-total: "10"')),
        alike=True,
    ),
    Code(
        "canary-weight-range",
        "a weight below 0 or above its total",
        "A negative weight is none, one above the total takes all.",
        "Write a weight from 0 to the total.",
        join(_MAIN, canary('canary-weight: "150"')),
        alike=True,
    ),
    Code(
        "canary-weights-exceed",
        "weights that are more than the whole",
        "The weights of a path's canaries together are above their total: they keep their proportions, and main gets "
        "nothing of what is drawn.",
        "Lower the weights until main's share is what you want.",
        join(_MAIN, canary('canary-weight: "60"'), canary('canary-weight: "60"', name="later")),
        there="only the oldest canary counts",
    ),
    Code(
        "canary-weight-rounded",
        "totals that have no small common denominator",
        "The totals of a path's canaries cannot be brought to one denominator; shares are rounded to a part in four "
        "thousand million.",
        "Give the canaries of a path the same total.",
        join(
            _MAIN,
            canary('canary-weight: "5"', 'canary-weight-total: "2147483647"'),
            canary('canary-weight: "5"', 'canary-weight-total: "2147483629"', name="later"),
        ),
        there="only the oldest canary counts",
    ),
    Code(
        "canary-overridden",
        "a canary Ingress where a CanaryRoute decides",
        "A CanaryRoute shares out the requests of this path; canary Ingresses of it get none.",
        "Take the canary away, or narrow the CanaryRoute's targets.",
        join(
            _MAIN,
            canary('canary-weight: "10"'),
            "apiVersion: serin.dev/v1alpha1\nkind: CanaryRoute\nmetadata:\n  name: web\nspec:\n  versions:\n"
            "  - {name: main, service: {name: web}, weight: 90}\n  - {name: next, service: {name: next}, weight: 10}\n",
        ),
    ),
)
