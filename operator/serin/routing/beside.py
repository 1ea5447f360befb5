"""Who is asked beside a route's versions: default backends, servers of external authentication, mirrors, streams.

Each is a split with one version, so that endpoints are found as those of routes are: in shared memory, by the routine.
A host outside of the cluster is a pool with an external name: the parent resolves it, and refuses addresses that no
user may name.
"""

from dataclasses import dataclass, field

from serin.refs import Source
from serin.routing.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Beside:
    """`split` and `ident` (of its one version) as in a route; `name` is what logs call it (`namespace-service-port`).

    `service` and `port` are empty where it is a host outside.
    """

    split: str
    ident: str
    pool: str
    name: str
    service: str = ""
    port: str = ""
    upstream: Upstream = field(default_factory=Upstream)


@dataclass(frozen=True, slots=True)
class Mirror:
    """Each request is sent to `to` as well, and what comes of that is dropped (mirror-target).

    `target`: path and query, with nginx's variables; `host`: the Host header, with variables too. `body`: with its
    body, which is then read whole before the request goes on, as nginx does.
    """

    to: Beside
    host: str
    target: str
    body: bool
    source: Source
