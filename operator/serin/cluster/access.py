"""What the controller may do in the cluster, asked before it begins: a sentence for each right that is missing.

RULES is the one table of rights and of the reasons for them. The chart's roles and docs/cluster.md give the same, and a
test compares them with what the API server saw. Asking writes nothing: a SelfSubjectAccessReview is not stored.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from serin.cluster import kinds
from serin.cluster.api import Api, ApiError
from serin.cluster.kinds import Kind
from serin.cluster.scope import Scope
from serin.refs import Ref

OLDEST = (1, 25)
"""The oldest Kubernetes that is tested against: its CustomResourceDefinitions know validation rules in CEL."""
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
CONCURRENT = 8

READ = ("list", "watch")
READ_BY_NAME = ("get", "list", "watch")


class Where(StrEnum):
    """WATCHED: all namespaces, or that of --watch-namespace. OWN: the namespace of the Lease and of our pods.

    CLUSTER: objects that are in no namespace. DEFAULT: the namespace `default`. NAMED: that of the object a flag names.
    """

    WATCHED = "watched"
    OWN = "own"
    CLUSTER = "cluster"
    DEFAULT = "default"
    NAMED = "named"


@dataclass(frozen=True, slots=True)
class Rule:
    """`why` ends the sentence "without it …". `flag` says when it is needed at all, empty for always.

    `optional`: without it something is missing, but what is served is right. `optional_in_one`: so with
    --watch-namespace, where it lies outside of that namespace.
    """

    kind: Kind
    verbs: tuple[str, ...]
    where: Where
    why: str
    sub: str = ""
    flag: str = ""
    optional: bool = False
    optional_in_one: bool = False


RULES = (
    Rule(kinds.INGRESS, READ, Where.WATCHED, "there is nothing to serve"),
    Rule(kinds.SERVICE, READ, Where.WATCHED, "no backend has a port"),
    Rule(kinds.ENDPOINT_SLICE, READ, Where.WATCHED, "no backend has an endpoint"),
    Rule(kinds.ENDPOINTS, READ, Where.WATCHED, "Services with hand-made Endpoints and no slice have no endpoint"),
    Rule(
        kinds.SECRET,
        READ_BY_NAME,
        Where.WATCHED,
        "no host has a certificate of its own, and whatever asks for a password is closed",
    ),
    Rule(
        kinds.INGRESS_CLASS,
        READ,
        Where.CLUSTER,
        "only Ingresses with the annotation kubernetes.io/ingress.class are served",
        optional_in_one=True,
    ),
    Rule(kinds.CANARY_ROUTE, READ, Where.WATCHED, "CanaryRoutes do nothing", optional=True),
    Rule(
        kinds.CANARY_ROUTE,
        ("patch",),
        Where.WATCHED,
        "no rollout advances, and no CanaryRoute shows where it stands",
        sub="status",
        optional=True,
    ),
    Rule(
        kinds.CANARY_ROUTE,
        ("get",),
        Where.WATCHED,
        "a rollout whose status somebody else wrote stands still until the watch tells of it",
        optional=True,
    ),
    Rule(
        kinds.ENDPOINT_SLICE,
        ("list",),
        Where.NAMED,
        "rollouts wait: nobody knows which replicas to ask for their counts",
        flag="--facts-service",
        optional=True,
    ),
    Rule(
        kinds.LOCAL_SUBJECT_ACCESS_REVIEW,
        ("create",),
        Where.WATCHED,
        "nobody can write an action on a CanaryRoute: who may do so cannot be asked",
        flag="--canary-approval-rbac",
        optional=True,
    ),
    Rule(
        kinds.NAMESPACE,
        READ,
        Where.CLUSTER,
        "nobody can say which namespaces --watch-namespace-selector means",
        flag="--watch-namespace-selector",
    ),
    Rule(kinds.CONFIG_MAP, READ_BY_NAME, Where.NAMED, "the options in --configmap have no effect", flag="--configmap"),
    Rule(
        kinds.CONFIG_MAP,
        READ_BY_NAME,
        Where.NAMED,
        "no port of TCP is passed on",
        flag="--tcp-services-configmap",
    ),
    Rule(
        kinds.CONFIG_MAP,
        READ_BY_NAME,
        Where.NAMED,
        "no port of UDP is passed on",
        flag="--udp-services-configmap",
    ),
    Rule(
        kinds.SECRET,
        READ_BY_NAME,
        Where.NAMED,
        "a self-made certificate is shown instead of that of --default-ssl-certificate",
        flag="--default-ssl-certificate",
    ),
    Rule(
        kinds.LEASE,
        ("get", "create", "update"),
        Where.OWN,
        "no replica writes status or Events",
        flag="--election-id",
        optional=True,
    ),
    Rule(
        kinds.INGRESS,
        ("patch",),
        Where.WATCHED,
        "Ingresses show no ADDRESS",
        sub="status",
        flag="--update-status",
        optional=True,
    ),
    Rule(
        kinds.INGRESS,
        ("get",),
        Where.WATCHED,
        "the last replica may leave its address on an Ingress that changes in its last seconds",
        flag="--update-status",
        optional=True,
    ),
    Rule(
        kinds.SERVICE,
        READ_BY_NAME,
        Where.NAMED,
        "Ingresses show no ADDRESS, which is that of --publish-service",
        flag="--publish-service",
        optional=True,
    ),
    Rule(
        kinds.POD,
        READ_BY_NAME,
        Where.OWN,
        "nobody knows whether this is the last replica, or on which nodes there are others",
        flag="POD_NAME",
        optional=True,
    ),
    Rule(
        kinds.NODE,
        ("get",),
        Where.CLUSTER,
        "Ingresses show no ADDRESS: neither --publish-service nor --publish-status-address is set",
        flag="no --publish-…",
        optional=True,
    ),
    Rule(kinds.EVENT, ("create", "patch"), Where.WATCHED, "`kubectl describe` tells of no problem", optional=True),
    Rule(kinds.EVENT, ("list",), Where.WATCHED, "a new leader tells what was told already once more", optional=True),
    Rule(
        kinds.EVENT,
        ("create", "patch"),
        Where.OWN,
        "problems of the controller itself are in its log only",
        flag="POD_NAME",
        optional=True,
    ),
    Rule(
        kinds.EVENT,
        ("create", "patch"),
        Where.DEFAULT,
        "problems of an IngressClass are in the log only",
        optional=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Uses:
    """What this controller was told to do, by its flags: the fields are named like them."""

    scope: Scope = field(default_factory=Scope)
    own_namespace: str = "default"
    election_id: str = ""
    update_status: bool = True
    publish_service: Ref | None = None
    publish_status_address: bool = False
    configmap: Ref | None = None
    tcp_services: Ref | None = None
    udp_services: Ref | None = None
    default_ssl_certificate: Ref | None = None
    facts_service: Ref | None = None
    approval_rbac: bool = False
    in_pod: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """A rule in one place: `namespace` empty for all of them, or for kinds that have none."""

    rule: Rule
    namespace: str = ""
    name: str = ""


def needs(uses: Uses) -> tuple[Need, ...]:
    """What of RULES applies, each right once: what is allowed everywhere, or for all names, is not asked again."""
    known: set[tuple[Kind, str, str, str, str]] = set()
    found: list[Need] = []
    for need in (need for rule in _rules(uses) for need in _placed(rule, uses)):
        rule, namespace, name = need.rule, need.namespace, need.name
        places = {("", ""), (namespace, ""), (namespace, name)}
        verbs = tuple(v for v in rule.verbs if not any((rule.kind, rule.sub, v, *at) in known for at in places))
        known.update((rule.kind, rule.sub, verb, namespace, name) for verb in verbs)
        if verbs:
            found.append(Need(replace(rule, verbs=verbs), namespace, name))
    return tuple(found)


async def check_access(api: Api, asked: Iterable[Need]) -> list[str]:
    """Sentences about what is missing that nothing can be served without; the version of the API server comes first.

    ApiUnreachableError; ApiError when the API server does not say what we may do.
    """
    return [*await check_version(api), *await check_rights(api, (n for n in asked if not n.rule.optional))]


async def check_version(api: Api) -> list[str]:
    """Nothing where the API server keeps its version to itself."""
    try:
        found = await api.version()
    except ApiError as error:
        if error.status not in (403, 404):
            raise
        return []
    told = re.match(r"v?(\d+)\.(\d+)", found)
    if told is None or (int(told[1]), int(told[2])) >= OLDEST:
        return []
    return [f"the API server is Kubernetes {found}; Serin needs v{OLDEST[0]}.{OLDEST[1]} or later"]


async def check_rights(api: Api, asked: Iterable[Need]) -> list[str]:
    """A sentence for each verb that is missing, required or not, in the order of the needs."""
    gate = asyncio.Semaphore(CONCURRENT)

    async def ask(need: Need, verb: str) -> str:
        async with gate:
            return "" if await _is_allowed(api, need, verb) else sentence(need, verb)

    found = await asyncio.gather(*(ask(need, verb) for need in asked for verb in need.rule.verbs))
    return [text for text in found if text]


def sentence(need: Need, verb: str) -> str:
    """For people who have to repair it: what, where, what for, and the line to add to which role."""
    rule = need.rule
    where = f"in namespace {need.namespace}" if need.namespace else "in all namespaces" if rule.kind.namespaced else ""
    what = f"{verb} {_resource(rule)}" + (f" {need.name}" if need.name else "")
    role = f"Role in namespace {need.namespace}" if need.namespace else "ClusterRole"
    named = f", resourceNames: [{need.name}]" if need.name else ""
    line = f'- {{apiGroups: ["{rule.kind.group}"], resources: ["{_resource(rule)}"], verbs: ["{verb}"]{named}}}'
    return f"not allowed to {' '.join(filter(None, (what, where)))}: without it {rule.why}; add to the {role}: {line}"


async def _is_allowed(api: Api, need: Need, verb: str) -> bool:
    rule = need.rule
    attributes = {
        "group": rule.kind.group,
        "resource": rule.kind.plural,
        "subresource": rule.sub,
        "verb": verb,
        "namespace": need.namespace,
        "name": need.name,
    }
    review = await api.create(REVIEWS, {"spec": {"resourceAttributes": {k: v for k, v in attributes.items() if v}}})
    return bool((review.get("status") or {}).get("allowed"))


def _rules(uses: Uses) -> Iterable[Rule]:
    """Those that apply, each as optional as it is here."""
    within_one = bool(uses.scope.namespace)
    for rule in RULES:
        if _applies(rule, uses):
            yield replace(rule, optional=True) if rule.optional_in_one and within_one else rule


def _applies(rule: Rule, uses: Uses) -> bool:
    by_flag = {
        "": True,
        "--watch-namespace-selector": bool(uses.scope.selector),
        "--configmap": uses.configmap is not None,
        "--tcp-services-configmap": uses.tcp_services is not None,
        "--udp-services-configmap": uses.udp_services is not None,
        "--default-ssl-certificate": uses.default_ssl_certificate is not None,
        "--election-id": bool(uses.election_id),
        "--update-status": uses.update_status,
        "--publish-service": uses.update_status and uses.publish_service is not None,
        "--facts-service": uses.facts_service is not None,
        "--canary-approval-rbac": uses.approval_rbac,
        "POD_NAME": uses.in_pod,
        "no --publish-…": uses.update_status
        and uses.in_pod
        and not uses.publish_status_address
        and uses.publish_service is None,
    }
    return by_flag[rule.flag]


def _placed(rule: Rule, uses: Uses) -> list[Need]:
    if rule.where is Where.WATCHED:
        return [Need(rule, uses.scope.namespace)]
    if rule.where is Where.CLUSTER:
        return [Need(rule)]
    if rule.where is Where.DEFAULT:
        return [Need(rule, "default")]
    if rule.where is Where.OWN:
        return _of_lease(rule, uses) if rule.kind is kinds.LEASE else [Need(rule, uses.own_namespace)]
    if rule.kind is kinds.ENDPOINT_SLICE and uses.facts_service is not None:
        return [Need(rule, uses.facts_service.namespace)]  # their names are made up, so that no role can name them
    named = {
        "--configmap": uses.configmap,
        "--tcp-services-configmap": uses.tcp_services,
        "--udp-services-configmap": uses.udp_services,
        "--default-ssl-certificate": uses.default_ssl_certificate,
        "--publish-service": uses.publish_service,
    }[rule.flag]
    assert named is not None
    return [Need(rule, named.namespace, named.name)]


def _of_lease(rule: Rule, uses: Uses) -> list[Need]:
    """A right to create cannot be bound to a name; the others are."""
    named = replace(rule, verbs=tuple(verb for verb in rule.verbs if verb != "create"))
    return [
        Need(named, uses.own_namespace, uses.election_id),
        Need(replace(rule, verbs=("create",)), uses.own_namespace),
    ]


def _resource(rule: Rule) -> str:
    return f"{rule.kind.plural}/{rule.sub}" if rule.sub else rule.kind.plural
