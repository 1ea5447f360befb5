"""What becomes of an object that brings a problem, by the problem's code. The only place that says so.

Denied is what would not be served as it is written, through a fault of the object itself that nothing else to come
could mend. Warned is everything else: Services, Secrets, endpoints and a canary's main are applied in any order.
A problem of severity WARNING never denies, whatever this table says.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

PATH_CONFLICT = "path-conflict"


class Outcome(Enum):
    """DENY: when the object has it. DENY_ANYWHERE: also when the object brings it upon another one of its kind.

    DENY_CLOSED: when the annotation's value closes the routes or leaves the Ingress out, as those of class access do.
    """

    WARN = 1
    DENY = 2
    DENY_ANYWHERE = 3
    DENY_CLOSED = 4


_TABLE: Mapping[Outcome, tuple[str, ...]] = {
    Outcome.DENY_ANYWHERE: (
        PATH_CONFLICT,  # the other Ingress would lose the path, or this one would not get it
        "canaryroute-conflict",  # the same, with rules of an Ingress
        "path-regex-bad",  # closes the path, here or on another Ingress of the host
    ),
    Outcome.DENY_CLOSED: (
        "annotation-invalid",
        "annotation-unsupported",
    ),
    Outcome.DENY: (
        "annotations-unreadable",
        "auth-headers-namespace",
        "auth-secret-missing",
        "auth-secret-namespace",
        "auth-tls-match-broken",
        "auth-tls-match-unmet",
        "auth-tls-secret-missing",
        "auth-tls-secret-namespace",
        "auth-url-host-unknown",
        "backend-old-fields",
        "backend-resource-unsupported",
        "canary-other-namespace",
        "canary-too-many",
        "catch-all-disabled",
        "custom-headers-namespace",
        "default-backend-without-host",
        "fastcgi-params-namespace",
        "invalid-host",
        "invalid-path-type",
        "missing-field",
        "path-invalid",
        "path-not-absolute",
        "port-number-and-name",
        "proxy-ssl-secret-missing",
        "proxy-ssl-secret-namespace",
        "wrong-type",
        # most of what follows is refused by the schema of CanaryRoute before anybody is asked
        "canaryroute-check",
        "canaryroute-match-method",
        "canaryroute-match-name",
        "canaryroute-match-network",
        "canaryroute-match-type",
        "canaryroute-match-unusable",
        "canaryroute-match-value",
        "canaryroute-name-too-long",
        "canaryroute-no-weight",
        "canaryroute-pattern-broken",
        "canaryroute-rollout-baseline",
        "canaryroute-rollout-steps",
        "canaryroute-rollout-unusable",
        "canaryroute-rollout-value",
        "canaryroute-rollout-version",
        "canaryroute-rule-unusable",
        "canaryroute-split-by",
        "canaryroute-target-kind",
        "canaryroute-target-unusable",
        "canaryroute-too-many",
        "canaryroute-version-name",
        "canaryroute-version-twice",
        "canaryroute-version-unknown",
        "canaryroute-weights-unusable",
        "canaryroute-without-home",
    ),
    Outcome.WARN: (
        # may be mended by what is applied later, or by somebody else
        "address-refused",
        "auth-headers-unusable",
        "auth-secret-unusable",
        "auth-tls-conflict",
        "auth-tls-secret-unusable",
        "auth-users-unusable",
        "canary-overridden",
        "canary-without-main",
        "canaryroute-split-by-affinity",
        "canaryroute-target-not-found",
        "canaryroute-without-ingress",
        "certificate-name-mismatch",
        "certificate-unusable",
        "custom-headers-unusable",
        "external-name-refused",
        "fastcgi-params-unusable",
        "no-ready-endpoints",
        "passthrough-not-oldest",
        "proxy-ssl-secret-unusable",
        "service-not-found",
        "service-port-not-found",
        # served, and in one point not as it was meant
        "annotation-doubled",
        "annotation-misplaced",
        "annotation-not-string",
        "annotation-removed",
        "annotation-unknown",
        "annotation-without-rules",
        "auth-cache-key-constant",
        "auth-secret-without-type",
        "auth-tls-unused",
        "auth-tls-without-tls",
        "auth-url-missing",
        "backend-protocol-unsupported",
        "buffer-size-adjusted",
        "canary-annotations-ignored",
        "canary-header-name",
        "canary-pattern-broken",  # ingress-nginx takes it, and its own tests rest on that
        "canary-pattern-unused",
        "canary-rules-ignored",
        "canary-same-backend",
        "canary-total-ignored",
        "canary-value-without-header",
        "canary-weight-range",
        "canary-weight-rounded",
        "canary-weights-exceed",
        "canary-without-rule",
        "canaryroute-home-without-weight",
        "canaryroute-overrides",
        "canaryroute-rollout-affinity",
        "cors-not-enabled",
        "custom-errors-missing",
        "fastcgi-unused",
        "field-unknown",
        "forwarded-prefix-unused",
        "hash-by-constant",
        "host-name-taken",
        "label-not-string",
        "limit-missing",
        "load-balance-without-key",
        "mirror-host-unknown",
        "mirror-target-missing",
        "number-in-quotes",
        "passthrough-disabled",
        "passthrough-skips-rules",
        "passthrough-without-host",
        "passthrough-without-root",
        "path-becomes-regex",
        "path-never-matches",
        "path-never-served",
        "path-taken-literally",
        "path-type-missing",
        "proxy-redirect-incomplete",
        "proxy-ssl-unused",
        "rewrite-group-missing",
        "server-alias-unused",
        "variable-unknown",
        "www-redirect-wildcard",
        # a fault of ours
        "internal-error",
        # of objects that are not judged, or told without knowing whose the object is
        "address-type-unsupported",
        "api-version-gone",
        "api-version-missing",
        "api-version-unknown",
        "class-missing",
        "class-unknown",
        "config-invalid",
        "config-map-not-found",
        "config-unsupported",
        "config-without-effect",
        "data-not-string",
        "header-invalid",
        "invalid-address",
        "invalid-base64",
        "invalid-external-name",
        "invalid-name",
        "invalid-service-type",
        "invalid-session-affinity",
        "invalid-timestamp",
        "kind-unknown",
        "name-missing",
        "not-an-object",
        "passthrough-without-headers",
        "service-label-missing",
        "stream-invalid",
        "stream-port-conflict",
        "stream-port-invalid",
        "stream-proxy-protocol-unsupported",
    ),
}

OUTCOMES: Mapping[str, Outcome] = MappingProxyType(
    {code: outcome for outcome, codes in _TABLE.items() for code in codes}
)


def outcome_of(code: str) -> Outcome:
    """A code that nobody thought of here keeps nobody out."""
    return OUTCOMES.get(code, Outcome.WARN)
