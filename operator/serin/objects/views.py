"""The views: frozen, slotted, made by `serin.objects.parse` from raw objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from serin.objects.canary_status import CanaryStatus
from serin.refs import Ref, Source


@dataclass(frozen=True, slots=True)
class Meta:
    """What every object has. `created` is seconds since the epoch, 0 without a (usable) creationTimestamp.

    `order` is the order in which a file source met the objects; 0 on a cluster.
    `version` changes whenever the object's content does (resourceVersion, or a digest for files).
    """

    ref: Ref
    created: float = 0.0
    order: int = 0
    version: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def age(self) -> tuple[bool, float, int, str, str]:
        """Sort key, oldest first: objects with a timestamp by it; then those without, in the order read.

        Equal timestamps: the order read, then namespace and name, so that every replica sorts alike.
        """
        return (self.created == 0, self.created, self.order, self.ref.namespace, self.ref.name)

    def at(self, path: str) -> Source:
        return Source(self.ref, path)

    def annotation_source(self, name: str) -> Source:
        return Source(self.ref, f"metadata.annotations[{name}]")


@dataclass(frozen=True, slots=True)
class ServicePortRef:
    """A Service and its port as an Ingress names them; `port` by number or by name."""

    service: str
    port: int | str


@dataclass(frozen=True, slots=True)
class IngressPath:
    """`path_type` is Exact, Prefix or ImplementationSpecific (also when absent).

    `backend` None: not usable; a problem says why.
    """

    path: str
    path_type: str
    backend: ServicePortRef | None
    source: Source


@dataclass(frozen=True, slots=True)
class IngressRule:
    """`host` is lower-case without trailing dot; empty for any host."""

    host: str
    paths: tuple[IngressPath, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class IngressTls:
    hosts: tuple[str, ...]
    secret: str
    source: Source


@dataclass(frozen=True, slots=True)
class Ingress:
    meta: Meta
    class_name: str | None
    default_backend: ServicePortRef | None
    rules: tuple[IngressRule, ...]
    tls: tuple[IngressTls, ...]


@dataclass(frozen=True, slots=True)
class IngressClass:
    meta: Meta
    controller: str
    is_default: bool


@dataclass(frozen=True, slots=True)
class ServicePort:
    """`target` is a number, the name of a container port, or None for the same number as `port`."""

    name: str
    port: int
    target: int | str | None
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class Service:
    """`affinity_timeout` in seconds, 0 without sessionAffinity ClientIP. `cluster_ip` is "None" when headless."""

    meta: Meta
    type: str
    cluster_ip: str
    external_name: str
    ports: tuple[ServicePort, ...]
    affinity_timeout: int = 0


@dataclass(frozen=True, slots=True)
class SlicePort:
    name: str
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class SliceEndpoint:
    addresses: tuple[str, ...]
    ready: bool
    serving: bool
    terminating: bool


@dataclass(frozen=True, slots=True)
class EndpointSlice:
    """Also the view of one subset of an Endpoints object (`meta.ref.kind` is then Endpoints)."""

    meta: Meta
    service: str
    endpoints: tuple[SliceEndpoint, ...]
    ports: tuple[SlicePort, ...]


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The older form; used for a Service that has no EndpointSlice."""

    meta: Meta
    subsets: tuple[EndpointSlice, ...]


@dataclass(frozen=True, slots=True)
class Secret:
    meta: Meta
    type: str
    data: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConfigMap:
    meta: Meta
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Namespace:
    meta: Meta


class MatchType(StrEnum):
    """How a CanaryRoute's rule compares a value, always as a whole. PRESENT takes any value, the empty one too."""

    EXACT = "Exact"
    REGULAR_EXPRESSION = "RegularExpression"
    PRESENT = "Present"


@dataclass(frozen=True, slots=True)
class CanaryFieldMatch:
    """A condition on a header, cookie or query parameter. `value` is empty for PRESENT."""

    name: str
    type: MatchType
    value: str
    source: Source


@dataclass(frozen=True, slots=True)
class CanaryMatch:
    """All that is given must hold; an empty `method` and empty tuples ask for nothing. `clients`: one of the networks.

    One that could not be read in every part is not among a rule's matches.
    """

    headers: tuple[CanaryFieldMatch, ...]
    cookies: tuple[CanaryFieldMatch, ...]
    query: tuple[CanaryFieldMatch, ...]
    method: str
    clients: tuple[str, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class CanaryRule:
    """Requests of any of `matches` go to `version`. A rule that cannot be used at all is left out.

    Where one for home cannot be read, those after it are, too, and all weights go home.
    """

    version: str
    matches: tuple[CanaryMatch, ...]
    source: Source


@dataclass(frozen=True, slots=True)
class CanaryTarget:
    """An Ingress, narrowed to a host and a path where these are not empty."""

    name: str
    host: str
    path: str
    source: Source


@dataclass(frozen=True, slots=True)
class CanaryVersion:
    """`port` None: the one that the Ingress names. `weight` is a proportion, 0 to 1,000,000."""

    name: str
    service: str
    port: int | str | None
    weight: int
    source: Source


@dataclass(frozen=True, slots=True)
class CanarySplitBy:
    """`type` is Request, Cookie, Header or ClientIP; `ttl` in seconds."""

    type: str
    name: str
    source: Source
    ttl: float = 86400.0


@dataclass(frozen=True, slots=True)
class CanaryStep:
    """`weight` and `mirror` in parts of 100,000; `duration` in seconds. `name`: by default the step's number."""

    name: str
    weight: int
    duration: float
    approval: bool
    mirror: int
    source: Source


class CheckType(StrEnum):
    ERRORS = "Errors"
    LATENCY = "Latency"
    PROMETHEUS = "Prometheus"
    WEBHOOK = "Webhook"

    @property
    def outside(self) -> bool:
        """Judged by what somebody else answers, not by the requests served."""
        return self in (CheckType.PROMETHEUS, CheckType.WEBHOOK)


@dataclass(frozen=True, slots=True)
class CanaryCheck:
    """`most` is spec's max: a rate of 1 for Errors, seconds for Latency, a number for Prometheus; None: no such limit.

    `statuses`: codes and classes such as `5xx`. `address`, `query`: Prometheus; `url`, `timeout` (seconds): Webhook.
    `secret`: name of the Secret with the credentials of either, or empty. Durations in seconds.
    """

    name: str
    type: CheckType
    source: Source
    most: float | None = None
    most_ratio: float | None = None
    least: float | None = None
    percentile: int = 95
    statuses: tuple[str, ...] = ("5xx",)
    min_requests: int = 100
    warmup: float = 30.0
    failure_threshold: int = 3
    interval: float = 15.0
    address: str = ""
    query: str = ""
    url: str = ""
    timeout: float = 10.0
    secret: str = ""


@dataclass(frozen=True, slots=True)
class CanaryRollout:
    """`baseline` is always a name of spec.versions here. `min_ready`: endpoints, or `min_ready_share` (of 1) of its.

    `step_timeout` in seconds, 0: none. `on_failure`: Rollback or Pause; `on_no_data`: Pause, Rollback or Continue.
    `false_alarm` is a probability.
    """

    version: str
    source: Source
    revision: str = ""
    baseline: str = ""
    steps: tuple[CanaryStep, ...] = ()
    step_timeout: float = 3600.0
    min_ready: int = 1
    min_ready_share: float = 0.0
    checks: tuple[CanaryCheck, ...] = ()
    false_alarm: float = 0.05
    on_failure: str = "Rollback"
    on_no_data: str = "Pause"


@dataclass(frozen=True, slots=True)
class CanaryRoute:
    """`versions` is empty when it cannot have an effect; the first is home, the Service that Ingresses name.

    `targets` None: all Ingresses that name home; empty: none of those that were asked for can be made out. `rollout`
    None: none, or one that cannot be used (a problem says why); `held` is then the version that it is for, which has
    weight 0. `status` is what was last written of it, None before; `action` the annotation serin.dev/action.
    `generation` 0: from a file.
    """

    meta: Meta
    targets: tuple[CanaryTarget, ...] | None = None
    versions: tuple[CanaryVersion, ...] = ()
    rules: tuple[CanaryRule, ...] = ()
    split_by: CanarySplitBy | None = None
    paused: bool = False
    rollout: CanaryRollout | None = None
    status: CanaryStatus | None = None
    action: str = ""
    generation: int = 0
    held: str = ""

    @property
    def home(self) -> CanaryVersion | None:
        return self.versions[0] if self.versions else None

    @property
    def keeps_users(self) -> bool:
        """Whether a user stays on a version, not each request by itself (splitBy)."""
        return self.split_by is not None and self.split_by.type != "Request"


View = Ingress | IngressClass | Service | EndpointSlice | Endpoints | Secret | ConfigMap | Namespace | CanaryRoute
