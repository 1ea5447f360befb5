"""What compiling one host may look at, and what comes out of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from serin.compile.canaries import CheckPattern
from serin.compile.canaryroutes import Attached, CanaryRouteReading
from serin.compile.config_maps import ConfigMapReader
from serin.compile.ingresses import IngressReading, NameClaim
from serin.compile.options import Key, Options
from serin.compile.secrets import SecretReader
from serin.compile.settings import Settings
from serin.problems import Problem
from serin.refs import Source
from serin.routing.plan import Certificate, Host, PoolSpec, Split, UserFile


@dataclass(frozen=True, slots=True)
class HostContext:
    """`members`: the Ingresses with a host, oldest first; `claims`: who else wants a name.

    `at_home`: the CanaryRoutes with a Service as their home, oldest first.
    """

    options: Options
    settings: Settings
    check: CheckPattern
    secrets: SecretReader
    config_maps: ConfigMapReader
    members: Callable[[str], Sequence[IngressReading]]
    claims: Callable[[str], Sequence[NameClaim]]
    at_home: Callable[[Key], Sequence[CanaryRouteReading]]

    def ordinary(self, host: str) -> list[IngressReading]:
        """Those that serve a host: canaries do not, nor do Ingresses that are left out."""
        return [r for r in self.members(host) if r.served and not r.is_canary]

    def is_served(self, host: str) -> bool:
        return any(r.served and not r.is_canary for r in self.members(host))


@dataclass(frozen=True, slots=True)
class HostResult:
    """A compiled host and all that it names. `host` None: nothing is served under this name.

    `pools` has the fields that name each pool; `reads` the Secrets looked at, also those that are not there, and
    `config_map_reads` the ConfigMaps; `attached` the rules that CanaryRoutes were asked to share out. `splits` with a
    rule of type Beside may be of several hosts.
    """

    host: Host | None = None
    splits: tuple[Split, ...] = ()
    pools: Mapping[PoolSpec, tuple[Source, ...]] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()
    users: tuple[UserFile, ...] = ()
    problems: tuple[Problem, ...] = ()
    reads: frozenset[Key] = frozenset()
    attached: Attached = field(default_factory=dict)
    config_map_reads: frozenset[Key] = frozenset()


NOTHING = HostResult()


def wildcard_of(host: str) -> str:
    """The wildcard host that covers a host, or the empty text."""
    _, dot, rest = host.partition(".")
    return f"*.{rest}" if dot and not host.startswith("*.") else ""
