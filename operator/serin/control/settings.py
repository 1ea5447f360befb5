"""What a controller is told, apart from how its objects are compiled. Made from the flags of `serin controller`."""

from dataclasses import dataclass, field
from pathlib import Path

from serin.cluster.scope import Scope
from serin.compile.options import Options
from serin.control.outside.allowed import Allowed
from serin.telemetry.told import Told


@dataclass(frozen=True, slots=True)
class StatusSettings:
    """`service` as (namespace, name), `addresses`: one of the two, or neither. `interval` in seconds."""

    update: bool = True
    clear_at_end: bool = True
    service: tuple[str, str] | None = None
    addresses: tuple[str, ...] = ()
    internal: bool = False
    interval: float = 60.0


@dataclass(frozen=True, slots=True)
class ElectionSettings:
    """`ttl` in seconds. Without `enabled` this replica always writes."""

    name: str = "serin-nginx-leader"
    ttl: float = 30.0
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """`address`: host (empty: all) and port. Files in PEM."""

    address: tuple[str, int]
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class FactsSettings:
    """Counts for the judgement of rollouts. `address`: host (empty: all) and port where ours are told, None: nowhere.

    `secret`: folder with ca.crt, tls.crt, tls.key and token. `service` as (namespace, name): the replicas to ask; None:
    there is no other.
    """

    secret: Path
    address: tuple[str, int] | None = None
    service: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class ControllerSettings:
    """`namespace` and `pod`: where we are; `pod` is empty outside of one. `sync_events`: tell what was taken up."""

    namespace: str
    pod: str = ""
    options: Options = field(default_factory=Options)
    scope: Scope = field(default_factory=Scope)
    status: StatusSettings = field(default_factory=StatusSettings)
    election: ElectionSettings = field(default_factory=ElectionSettings)
    sync_events: bool = True
    webhook: WebhookSettings | None = None
    told: Told = field(default_factory=Told)
    """Of metrics, to the data plane."""
    facts: FactsSettings | None = None
    check_hosts: Allowed = field(default_factory=Allowed)
    """Which hosts checks of CanaryRoutes may ask."""
    notifications: Path | None = None
    """The file of who is told of rollouts."""
    approval_rbac: bool = False
    """Whoever writes an action on a CanaryRoute needs the right to it."""
