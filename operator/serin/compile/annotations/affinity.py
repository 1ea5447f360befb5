"""Cookie affinity: a user stays on the endpoint, and on the version, that answered first."""

from serin.compile.annotations import grammar
from serin.compile.annotations.grammar import LETTERS
from serin.compile.annotations.model import Annotation, Concern, Scope, Values
from serin.routing.plan import Affinity

_R, _I = Concern.ROUTING, Scope.INGRESS

AFFINITY = Annotation(
    "affinity",
    grammar.one_of("cookie", case=True),
    "",
    _R,
    _I,
    "`cookie`: a cookie keeps each user on one endpoint.",
    differs=(
        "cookies that ingress-nginx gave keep their users on one endpoint each, but not the one of "
        "before, and on no version: beside a canary these users are drawn with each request until they "
        "have a cookie of Serin's"
    ),
)
AFFINITY_MODE = Annotation(
    "affinity-mode",
    grammar.one_of("balanced", "persistent", case=True),
    "balanced",
    _R,
    _I,
    "`balanced`: scaling moves some users to new endpoints. `persistent`: nobody moves while the endpoint is there.",
)
CANARY_BEHAVIOR = Annotation(
    "affinity-canary-behavior",
    grammar.one_of("sticky", "legacy", case=True),
    "sticky",
    _R,
    _I,
    "On a canary. `sticky`: its users stay on it, even when its weight goes to 0. "
    "`legacy`: they are drawn again with each request.",
)
NAME = Annotation(
    "session-cookie-name",
    grammar.characters(r"A-Za-z0-9!#$%&'*+\-.^_`|~", "a cookie name without blanks, / and :"),
    "INGRESSCOOKIE",
    _R,
    _I,
    "Name of the affinity cookie.",
)
PATH = Annotation(
    "session-cookie-path",
    grammar.characters(rf"{LETTERS},?&=", "a path"),
    "",
    _R,
    _I,
    "Path of the affinity cookie. Default: the rule's path; with regular expressions set it yourself.",
)
DOMAIN = Annotation(
    "session-cookie-domain", grammar.characters(LETTERS, "a domain"), "", _R, _I, "Domain of the affinity cookie."
)
EXPIRES = Annotation(
    "session-cookie-expires",
    grammar.integer(-(10**10), 10**10, "seconds"),
    0,
    _R,
    _I,
    "Seconds until the affinity cookie expires, as a date in its Expires. Default: it ends with the session.",
)
MAX_AGE = Annotation(
    "session-cookie-max-age",
    grammar.integer(-(10**10), 10**10, "seconds"),
    0,
    _R,
    _I,
    "Max-Age of the affinity cookie in seconds. Default: it ends with the session.",
)
SAME_SITE = Annotation(
    "session-cookie-samesite",
    grammar.one_of("None", "Lax", "Strict"),
    "",
    _R,
    _I,
    "SameSite of the affinity cookie.",
)
CONDITIONAL_NONE = Annotation(
    "session-cookie-conditional-samesite-none",
    grammar.BOOLEAN,
    False,
    _R,
    _I,
    "Leave `SameSite=None` out for browsers that are known to misread it.",
)
SECURE = Annotation(
    "session-cookie-secure",
    grammar.BOOLEAN,
    False,
    _R,
    _I,
    "Secure on the affinity cookie also over plain HTTP (over TLS it always has it).",
)
CHANGE_ON_FAILURE = Annotation(
    "session-cookie-change-on-failure",
    grammar.BOOLEAN,
    False,
    _R,
    _I,
    "Give a new cookie when the user's endpoint fails.",
)

FAMILY = (
    AFFINITY,
    AFFINITY_MODE,
    CANARY_BEHAVIOR,
    NAME,
    PATH,
    DOMAIN,
    EXPIRES,
    MAX_AGE,
    SAME_SITE,
    CONDITIONAL_NONE,
    SECURE,
    CHANGE_ON_FAILURE,
)


def affinity_of(values: Values) -> Affinity | None:
    """The affinity of an Ingress; the cookie's Path is empty where it is the rule's own."""
    if not values.get(AFFINITY):
        return None
    return Affinity(
        name=values.get(NAME),
        path=values.get(PATH),
        domain=values.get(DOMAIN),
        expires=values.get(EXPIRES),
        max_age=values.get(MAX_AGE),
        same_site=values.get(SAME_SITE),
        conditional_same_site_none=values.get(CONDITIONAL_NONE),
        secure=True if values.get(SECURE) else None,
        persistent=values.get(AFFINITY_MODE) == "persistent",
        change_on_failure=values.get(CHANGE_ON_FAILURE),
        source=values.source(AFFINITY),
    )
