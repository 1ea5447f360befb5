"""Codes about CanaryRoutes (docs/canaryroute.md)."""

import textwrap

from serin.lint.codes.model import VERSIONS, Code, canary, ingress, join, route

_MAIN = ingress()


def _rules(text: str) -> str:
    return join(_MAIN, route(VERSIONS + "rules:\n" + text))


def _match(text: str) -> str:
    return _rules(f"- version: next\n  matches:\n  - {text}\n")


def _rollout(text: str) -> str:
    """A rollout of version `next`, which has no weight."""
    versions = VERSIONS.replace(", weight: 10}", "}")
    return join(_MAIN, route(versions + "rollout:\n" + textwrap.indent(text, "  ")))


_SCHEMA = "The cluster's schema refuses this; in files it is told here."
_REPAIR = "Write it as docs/canaryroute.md has it."

CODES = (
    Code(
        "canaryroute-without-ingress",
        "a CanaryRoute that no Ingress belongs to",
        "No Ingress of the namespace has the home version's Service as backend; it takes effect when one does.",
        "Name as first version the Service that the Ingress names.",
        join(_MAIN, route(VERSIONS.replace("name: web", "name: shop"))),
    ),
    Code(
        "canaryroute-target-not-found",
        "a target that selects nothing",
        "A target's Ingress, host or path is not there, or has another backend than the home version.",
        "Name an Ingress of this namespace, and a host and path of it.",
        join(_MAIN, route(VERSIONS + "targets:\n- {name: web, host: other.example.com}\n")),
    ),
    Code(
        "canaryroute-target-kind",
        "a target that is no Ingress",
        "Targets are Ingresses of the CanaryRoute's own namespace; this one selects nothing.",
        "Write `kind: Ingress`, or leave `kind` out.",
        join(_MAIN, route(VERSIONS + "targets:\n- {kind: Service, name: web}\n")),
    ),
    Code(
        "canaryroute-target-unusable",
        "a target that cannot be made out",
        "Part of the target cannot be read, so that it selects nothing, rather than more than was meant.",
        "Repair the field that the other problems name.",
        join(_MAIN, route(VERSIONS + "targets:\n- {name: web, hsot: shop.example.com}\n")),
    ),
    Code(
        "canaryroute-conflict",
        "two CanaryRoutes for one path",
        "An older CanaryRoute shares out this path; this one does not count there.",
        "Join the two, or narrow their targets.",
        join(_MAIN, route(VERSIONS), route(VERSIONS, name="web-too")),
    ),
    Code(
        "canaryroute-overrides",
        "a CanaryRoute over canary Ingresses",
        "Canary Ingresses of this path get no requests: the CanaryRoute decides alone.",
        "Take the canary Ingresses away.",
        join(_MAIN, canary('canary-weight: "10"'), route(VERSIONS)),
    ),
    Code(
        "canaryroute-pattern-broken",
        "a regular expression that does not compile",
        "A match for another version does not hold; one for home holds for whoever has the field.",
        "Repair the PCRE.",
        _match("headers: [{name: Region, type: RegularExpression, value: '[cd'}]"),
        "GET http://shop.example.com/ Region: cd",
    ),
    Code(
        "canaryroute-without-home",
        "no first version",
        "The first version, home, cannot be read; the CanaryRoute has no effect, and requests go where the "
        "Ingress says.",
        "Repair the first entry of `versions`.",
        join(_MAIN, route("versions:\n- {service: {name: web}}\n- {name: next, service: {name: next}, weight: 10}\n")),
    ),
    Code(
        "canaryroute-version-name",
        "a version without a usable name",
        "A version needs a name of lower-case letters, digits and `-`; this one gets nothing.",
        _REPAIR,
        join(_MAIN, route(VERSIONS + "- {name: Third_One, service: {name: next}, weight: 1}\n")),
    ),
    Code(
        "canaryroute-version-twice",
        "two versions of one name",
        "The first of the two counts, the other one gets nothing.",
        "Give each version a name of its own.",
        join(_MAIN, route(VERSIONS + "- {name: next, service: {name: next}, weight: 1}\n")),
    ),
    Code(
        "canaryroute-version-unknown",
        "a rule for a version that is not there",
        "The rule keeps its requests at home: nobody knows who was meant to get them.",
        "Name one of `versions`.",
        _rules("- version: later\n  matches:\n  - headers: [{name: Region, value: cd}]\n"),
        "GET http://shop.example.com/ Region: cd",
    ),
    Code(
        "canaryroute-weights-unusable",
        "a weight that cannot be read",
        "All that no rule decides goes home.",
        "Write whole numbers from 0 to 1000000.",
        join(_MAIN, route(VERSIONS.replace("weight: 10", "weight: ten"))),
    ),
    Code(
        "canaryroute-no-weight",
        "weights that are all 0",
        "Nobody can be drawn; all that no rule decides goes home.",
        "Give at least one version a weight.",
        join(_MAIN, route(VERSIONS.replace("90", "0").replace("10", "0"))),
    ),
    Code(
        "canaryroute-home-without-weight",
        "home has no weight, others have one",
        "A weight that is left out is 0: `weight: 10` alone takes everything.",
        "Give home its weight as well.",
        join(_MAIN, route(VERSIONS.replace(", weight: 90", ""))),
    ),
    Code(
        "canaryroute-too-many",
        "more entries than a CanaryRoute can have",
        "There are more versions, rules, matches or targets than the schema allows; what is too many does not count.",
        "Share the rules out over several CanaryRoutes, or join matches by a regular expression.",
        _rules("".join(f"- {{version: next, matches: [{{method: M{n}}}]}}\n" for n in range(17))),
    ),
    Code(
        "canaryroute-rule-unusable",
        "a rule that cannot be read",
        "What the rule was for is not known: requests that no rule before it decides stay home where it may have been "
        "for home, else the rule is left out.",
        _REPAIR,
        _rules("- version: next\n"),
    ),
    Code(
        "canaryroute-match-unusable",
        "a match that cannot be read in every part",
        "The match holds for nothing; other matches of the rule stand.",
        "Repair the field that the other problems name.",
        _match("headers: [{name: Region, valeu: cd}]"),
        "GET http://shop.example.com/ Region: cd",
    ),
    Code(
        "canaryroute-match-name",
        "a header, cookie or parameter without a usable name",
        "The match holds for nothing.",
        _REPAIR,
        _match("headers: [{name: 'my header', value: cd}]"),
    ),
    Code(
        "canaryroute-match-type",
        "an unknown way to compare",
        "`type` is none of Exact, RegularExpression and Present; the match holds for nothing.",
        _REPAIR,
        _match("headers: [{name: Region, type: Prefix, value: cd}]"),
    ),
    Code(
        "canaryroute-match-value",
        "a value that is missing, or one too many",
        "Exact and RegularExpression need a value, Present has none; the match holds for nothing.",
        _REPAIR,
        _match("headers: [{name: Region, type: Present, value: cd}]"),
    ),
    Code(
        "canaryroute-match-method",
        "no method",
        "`method` is no method of HTTP; the match holds for nothing.",
        _REPAIR,
        _match("method: 'GET POST'"),
    ),
    Code(
        "canaryroute-match-network",
        "no network",
        "An entry of `clientCIDRs` is no network; the match holds for nothing.",
        "Write addresses and networks as `10.0.0.0/8` or `2001:db8::/32`.",
        _match("clientCIDRs: [10.0.0.0/40]"),
    ),
    Code(
        "canaryroute-name-too-long",
        "a name that is too long",
        f"Names of CanaryRoutes have at most 63 characters. {_SCHEMA}",
        "Choose a shorter name.",
        join(_MAIN, route(VERSIONS, name="web-" + "x" * 64)),
    ),
    Code(
        "canaryroute-split-by",
        "a `splitBy` that cannot be read",
        "What requests are to be drawn by is not known; they are drawn one by one. A `ttl` alone that cannot be read "
        "counts as 24h.",
        "Write one of Request, Cookie, Header and ClientIP, the middle two with a name.",
        join(_MAIN, route(VERSIONS + "splitBy: {type: User}\n")),
    ),
    Code(
        "canaryroute-split-by-affinity",
        "a `splitBy` cookie that the affinity cookie is called, too",
        "One name cannot hold both. The affinity cookie counts on this path, and requests without it are drawn one by "
        "one.",
        "Give one of the two another name; with `splitBy`, users keep their version without `affinity: cookie`.",
        join(
            ingress("affinity: cookie", "session-cookie-name: shop"),
            route(VERSIONS + "splitBy: {type: Cookie, name: shop}\n"),
        ),
    ),
    Code(
        "canaryroute-rollout-affinity",
        "a rollout behind an affinity cookie",
        "An affinity cookie comes before `splitBy` and weights: who has one keeps the version that it names. Raising a "
        "weight moves new users alone, and after the last step users of the old version stay there until their cookie "
        "is gone. A version that is taken back loses its users at once all the same.",
        "Take `affinity: cookie` away, and write `splitBy` instead: users then keep their version while weights stay, "
        "and move once when these are raised.",
        join(
            ingress("affinity: cookie"),
            route(VERSIONS.replace(", weight: 10}", "}") + "rollout: {version: next, steps: [{weight: 10%}]}\n"),
        ),
    ),
    Code(
        "canaryroute-rollout-unusable",
        "a rollout that cannot be carried out",
        "Some part of `rollout`, or of the versions and rules that it rests on, cannot be read. No step begins, a run "
        "that goes on stands still, and the version that rolls out has weight 0; rules for it hold as before.",
        "Repair the field that the other problems name.",
        _rollout("version: next\nstpes: [{weight: 10%}]\n"),
    ),
    Code(
        "canaryroute-rollout-version",
        "a rollout of a version that cannot roll out",
        "The version is not in `versions`, or has a weight there: during a rollout the steps alone say its share.",
        "Name one of `versions`, and give it no weight; give it to the others.",
        join(_MAIN, route(VERSIONS + "rollout: {version: next, steps: [{weight: 10%}]}\n")),
    ),
    Code(
        "canaryroute-rollout-baseline",
        "a baseline that cannot be compared with",
        "Checks compare with another version that has requests: it needs a weight above 0.",
        "Name another version with a weight, or leave `baseline` out: then it is the one with the largest.",
        _rollout("version: next\nbaseline: next\nsteps: [{weight: 10%}]\n"),
    ),
    Code(
        "canaryroute-rollout-steps",
        "steps that cannot be taken",
        f"A rollout has 1 to 20 steps, whose weights are percentages that never go down. {_SCHEMA}",
        _REPAIR,
        _rollout("version: next\nsteps: [{weight: 50%}, {weight: 5%}]\n"),
    ),
    Code(
        "canaryroute-rollout-value",
        "a field of a rollout that cannot be read",
        f"A revision, a duration, a percentage or a word is not as the schema has it. {_SCHEMA}",
        _REPAIR,
        _rollout("version: next\nsteps: [{weight: 10%}]\nonFailure: Ignore\n"),
    ),
    Code(
        "canaryroute-check",
        "a check that cannot be made",
        "A check has a name of its own, a type, and a limit that fits it. Where one cannot be read the rollout is not "
        "carried out: it was meant to hold the version back.",
        _REPAIR,
        _rollout("version: next\nsteps: [{weight: 10%}]\nchecks: [{name: errors, type: Errors}]\n"),
    ),
)
