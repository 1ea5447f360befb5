"""The plan's values. Frozen, compared by value, written to the run directory as JSON (serin.render.documents).

A Host is one document. What changes often, weights and endpoints, is not in it: that is in Split and Pool, which go to
shared memory and take effect with the next request.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from serin.refs import Ref, Source
from serin.routing.beside import Beside as Beside
from serin.routing.conditions import MatchRule
from serin.routing.policy import Affinity as Affinity
from serin.routing.policy import AppRoot as AppRoot
from serin.routing.policy import BasicAuth as BasicAuth
from serin.routing.policy import Closed as Closed
from serin.routing.policy import Policy as Policy
from serin.routing.policy import Rewrite as Rewrite
from serin.routing.policy import TlsRedirect as TlsRedirect
from serin.routing.policy import UrlRedirect as UrlRedirect
from serin.routing.rollout import Shadow as Shadow
from serin.routing.rollout import SplitBy as SplitBy
from serin.routing.rollout import SplitKind as SplitKind
from serin.routing.upstream import Buffering as Buffering
from serin.routing.upstream import Protocol as Protocol
from serin.routing.upstream import Upstream as Upstream
from serin.routing.upstream import UpstreamTls as UpstreamTls
from serin.routing.wide import Globals as Globals


class PathKind(StrEnum):
    """EXACT: the whole path.

    PREFIX: by segments, `/a` takes `/a` and `/a/b`; one that ends in `/` takes what begins with it.
    REGEX: PCRE after a `^`, without regard to case, open at its end (ingress-nginx's regex mode).
    """

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class PathMatch:
    kind: PathKind
    path: str


@dataclass(frozen=True, slots=True)
class RuleId:
    """What names a split: the rule as its user wrote it; ImplementationSpecific counts as Prefix, empty path as /."""

    host: str
    path: str
    path_type: str


# --- who answers ---


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """One meaning, in this order: `value` (equal as a whole), `pattern` (PCRE, unanchored), else always/never.

    `broken`: the pattern does not compile; then a request that has the header at all takes this canary out.
    """

    name: str
    value: str | None = None
    pattern: str | None = None
    broken: bool = False
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class CookieRule:
    """always/never in the cookie of this name (name without regard to case, first one counts)."""

    name: str
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class HashBy:
    """The text that chooses an endpoint: literal parts and nginx variables; a part that begins with `$` is a variable.

    `source_hash` and sessionAffinity are HashBy(("$remote_addr",)).
    """

    parts: tuple[str, ...]
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class VersionRoute:
    """A version of a split as a request meets it: its rules. Index 0 is main; canaries follow, oldest first.

    Those of a CanaryRoute are in its order, home first; `ingress` is then the CanaryRoute for all but home.
    `ident` names the version for ever (16 hex digits); `sticky`: it takes part in the route's cookie affinity.
    """

    ident: str
    name: str
    ingress: Ref
    service: str
    port: str
    pool: str
    header: HeaderRule | None = None
    cookie: CookieRule | None = None
    sticky: bool = True
    hash_by: HashBy | None = None
    source: Source | None = None


class Algorithm(StrEnum):
    """How a pool's endpoint is chosen. HASH and HASH_SUBSET need a key (HashBy); an affinity cookie always hashes."""

    ROUND_ROBIN = "round_robin"
    RANDOM = "random"
    LEAST_CONN = "least_conn"
    EWMA = "ewma"
    SHORTEST_EXPECTED_DELAY = "shortest_expected_delay"
    NEVER_QUEUE = "never_queue"
    HASH = "hash"
    HASH_SUBSET = "hash_subset"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`address` is an IPv4 or IPv6 text without brackets."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class PoolSpec:
    """What a pool is of. `id` is 16 hex digits, made from all other fields."""

    id: str
    namespace: str
    service: str
    port: int | str
    algorithm: Algorithm = Algorithm.ROUND_ROBIN
    subset_size: int = 0
    protocol: str = ""
    """TCP or UDP where only the Service's ports of that protocol count; empty for any."""
    cluster_ip: bool = False
    """The Service's own address instead of its endpoints (service-upstream)."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A PoolSpec filled in. `external` is a DNS name that the data plane resolves itself; `endpoints` is then empty.

    `client_affinity` in seconds: sessionAffinity ClientIP of the Service; the client's address is then the hash key.
    """

    spec: PoolSpec
    endpoints: tuple[Endpoint, ...]
    external: str = ""
    external_port: int = 0
    client_affinity: int = 0


@dataclass(frozen=True, slots=True)
class Share:
    """A version's part of the requests that nothing else decided: `weight` out of the split's `total`."""

    ident: str
    pool: str
    weight: int


@dataclass(frozen=True, slots=True)
class Trial:
    """Requests of a split are counted for the judgement of a rollout, apart from all other counts.

    `id` (16 hex digits) names weights in force: with other weights it is another trial, whose counts begin at 0. All
    splits of a CanaryRoute share one. `place`: where the split's first version stands in spec.versions; the others
    follow. `client_errors`: users who got a 4xx are noted as those who got a 5xx are (splitBy other than Request).
    """

    id: str
    place: int = 0
    client_errors: bool = False


@dataclass(frozen=True, slots=True)
class Split:
    """Weights in force. `shares` is in the order of the route's versions: index 0 (main) is drawn last.

    `rest`: main's weight is whatever the versions left in the request leave of `total` (canary Ingresses), nothing
    where they take more; otherwise every weight stands as written (CanaryRoute). 0 < total < 2**32, and the sum of the
    weights is below that, too.

    `first`: ident of the version that is drawn before all others, the one in rollout; empty: none. `suspended`: idents
    of versions that take no request at all, as if they had no endpoint (a rollback). `salts`: two 64-bit numbers by
    which a user's key chooses the version (splitBy, serin.routing.user_split); None: every request is drawn.
    """

    id: str
    rule: RuleId
    shares: tuple[Share, ...]
    total: int = 100
    rest: bool = True
    first: str = ""
    suspended: tuple[str, ...] = ()
    salts: tuple[int, int] | None = None
    trial: Trial | None = None

    @property
    def shape(self) -> tuple[str, ...]:
        """The idents of the versions; rules of a route and weights of a split belong together when this is equal."""
        return tuple(s.ident for s in self.shares)


@dataclass(frozen=True, slots=True)
class Route:
    """One line of a host's table; the first whose `match` takes the path serves the request.

    `split` is the id (16 hex digits) of the split that decides the version, None when the route never proxies:
    then `slash_redirect` (301 to the same path with `/`) or the policy answers. `canary_route` shares its requests out,
    first by `match_rules`, which come before an affinity cookie; versions have no rules of their own then. What no rule
    and no cookie decided goes by the user's key where there is `split_by`. `shadow`: who gets copies of requests while
    a rollout's step says so.
    """

    match: PathMatch
    rule: RuleId
    ingress: Ref
    split: str | None
    versions: tuple[VersionRoute, ...]
    policy: Policy
    slash_redirect: bool = False
    source: Source | None = None
    match_rules: tuple[MatchRule, ...] = ()
    canary_route: Ref | None = None
    split_by: SplitBy | None = None
    shadow: Shadow | None = None


@dataclass(frozen=True, slots=True)
class WwwRedirect:
    """The whole host answers with `code` and scheme://`host`:80 or :443 (from-to-www-redirect)."""

    host: str
    code: int
    source: Source


class ClientVerify(StrEnum):
    """nginx's words of `ssl_verify_client`. OPTIONAL_NO_CA: a certificate is asked for, and not checked."""

    ON = "on"
    OPTIONAL = "optional"
    OPTIONAL_NO_CA = "optional_no_ca"


@dataclass(frozen=True, slots=True)
class ClientAuth:
    """Certificates of clients (auth-tls-*), for the whole host. `authorities` (PEM), `revoked` (CRLs): digests.

    `depth`: longest chain. `error_page`: URL to be sent to when the certificate is refused, or empty: 400 (or 403).
    """

    authorities: str
    verify: ClientVerify
    source: Source
    depth: int = 1
    revoked: str = ""
    error_page: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """One server. `name` is a host, `*.` and a domain for exactly one label, or empty for what no other host takes.

    An alias may also be `**.` and a domain, for one label or more. `certificate` names a certificate of the plan;
    None: the default one, which is also shown for the names in `uncertified`. Routes are in the order to be tried.
    """

    name: str
    routes: tuple[Route, ...] = ()
    aliases: tuple[str, ...] = ()
    certificate: str | None = None
    www: WwwRedirect | None = None
    uncertified: tuple[str, ...] = ()
    client_auth: ClientAuth | None = None
    ciphers: str = ""
    """TLS 1.2 ciphers of this host (ssl-ciphers), empty: those of Globals.tls."""
    prefer_server_ciphers: bool | None = None
    passthrough: Beside | None = None
    """TLS for this name is passed on unread (ssl-passthrough); routes count for plain requests only."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """`digest` is 32 hex digits over `pem`: chain, then key; or authorities, or lists of revoked certificates."""

    digest: str
    pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UserFile:
    """An htpasswd text. `digest` is 32 hex digits over it."""

    digest: str
    text: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a data plane needs. Mappings are keyed by the value's own name, id or digest; never mutated."""

    hosts: Mapping[str, Host]
    splits: Mapping[str, Split]
    pools: Mapping[str, Pool]
    certificates: Mapping[str, Certificate]
    users: Mapping[str, UserFile]
    globals: Globals = field(default_factory=Globals)
