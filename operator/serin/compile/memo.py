"""What one compile leaves for the next: everything made so far, by the unit that it was made from.

Values only; nothing in it is ever changed. A plan made with a memo equals one made without.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from serin.compile.canaryroutes import Attachment, CanaryRouteReading
from serin.compile.classes import Classes
from serin.compile.context import NOTHING, HostResult
from serin.compile.draft import Draft
from serin.compile.ingresses import IngressReading, NameClaim
from serin.compile.options import Key, Options
from serin.compile.secrets import Parsed
from serin.compile.settings import Settings
from serin.objects.store import Snapshot
from serin.problems import Problem
from serin.refs import Source
from serin.routing.plan import Globals, Plan

Unit = tuple[str, str, str]
"""Where problems were found: `ingress` or `canaryroute` and its key, `host` or `pool` and its name, or `settings`."""


@dataclass(frozen=True, slots=True)
class Memo:
    """`readings` has the Ingresses that are ours; `members` them by host, oldest first; `claims` who wants a name.

    `secret_readers`: the hosts that looked at a Secret. `pool_users`: by pool id the hosts that name it, and in which
    fields. `certificate_users`, `file_users`: by digest. `pools_of`: pool ids by (namespace, Service). `services`: by
    Service the Ingresses with it as a backend, and on which hosts. `canary_routes_at`: by the Service that is home;
    `targeted`: by Ingress who names it as a target; `attached`: by CanaryRoute and host what it shares out.
    `anothers`: by Service the Ingresses of other controllers with it as a backend. `beside_users`: by split the hosts
    that ask one beside their routes; `wide`: what the settings name by themselves. `config_maps` has what was made of
    ConfigMaps, `config_map_readers` the hosts that looked at one.
    """

    options: Options
    settings: Settings
    classes: Classes
    snapshot: Snapshot
    readings: Mapping[Key, IngressReading] = field(default_factory=dict)
    members: Mapping[str, tuple[IngressReading, ...]] = field(default_factory=dict)
    claims: Mapping[str, Mapping[str, tuple[NameClaim, ...]]] = field(default_factory=dict)
    results: Mapping[str, HostResult] = field(default_factory=dict)
    secrets: Mapping[tuple[Key, str], Parsed] = field(default_factory=dict)
    secret_readers: Mapping[Key, Mapping[str, bool]] = field(default_factory=dict)
    pool_users: Mapping[str, Mapping[str, tuple[Source, ...]]] = field(default_factory=dict)
    pools_of: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    pool_problems: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    certificate_users: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    file_users: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    problems: Mapping[Unit, tuple[Problem, ...]] = field(default_factory=dict)
    services: Mapping[Key, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    canary_routes: Mapping[Key, CanaryRouteReading] = field(default_factory=dict)
    canary_routes_at: Mapping[Key, tuple[CanaryRouteReading, ...]] = field(default_factory=dict)
    targeted: Mapping[Key, Mapping[str, bool]] = field(default_factory=dict)
    attached: Mapping[Key, Mapping[str, tuple[Attachment, ...]]] = field(default_factory=dict)
    anothers: Mapping[Key, Mapping[str, bool]] = field(default_factory=dict)
    beside_users: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    wide: HostResult = NOTHING
    config_maps: Mapping[tuple[Key, str], Any] = field(default_factory=dict)
    config_map_readers: Mapping[Key, Mapping[str, bool]] = field(default_factory=dict)


Problems = Draft[Unit, tuple[Problem, ...]]
"""The problems of one compile, as they are put together."""

NO_PLAN = Plan({}, {}, {}, {}, {}, Globals())
