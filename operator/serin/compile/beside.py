"""Who is asked beside a host's routes (serin.routing.beside), collected with the splits and pools that this takes.

Each is a split with one version, named after its pool, so that all hosts which ask the same Service share one. Nothing
of Services or endpoints is looked at here: pools are filled as those of routes are.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from serin.compile.annotations.balancing import Balancing
from serin.compile.canaries import main_ident
from serin.compile.pools import FIRST_PORT, make_spec
from serin.refs import Source
from serin.routing.beside import Beside
from serin.routing.identity import digest64
from serin.routing.plan import PoolSpec, RuleId, Share, Split, Trial
from serin.routing.upstream import Upstream

PATH_TYPE = "Beside"
"""Of the rule of such a split: no Ingress can write it."""
MAIN = main_ident()
_ROUND_ROBIN = Balancing()
_PLAIN = Upstream()


@dataclass(slots=True)
class Besides:
    """Of one host, or of all that is nobody's. `pools` has the fields that name each pool, as RouteTable has."""

    splits: dict[str, Split] = field(default_factory=dict)
    pools: dict[PoolSpec, list[Source]] = field(default_factory=dict)

    def service(
        self,
        namespace: str,
        service: str,
        port: int | str,
        source: Source,
        upstream: Upstream = _PLAIN,
        *,
        protocol: str = "",
        whole: bool = False,
    ) -> Beside:
        """A Service's endpoints; FIRST_PORT for its first port. `source`: the field that names it.

        `protocol`: TCP or UDP where only ports of that one count. `whole`: the Service's own address instead of them
        (service-upstream).
        """
        shown = "" if port == FIRST_PORT else str(port)
        name = "-".join(part for part in (namespace, service, shown) if part)
        spec = make_spec(namespace, service, port, Balancing(cluster_ip=True) if whole else _ROUND_ROBIN, protocol)
        return self._add(spec, name, source, upstream, service, shown)

    def outside(self, host: str, port: int, source: Source, upstream: Upstream = _PLAIN) -> Beside:
        """A DNS name, or an address without brackets, that no Service stands for."""
        return self._add(make_spec("", host, port, _ROUND_ROBIN), f"{host}-{port}", source, upstream)

    def shadow(
        self, ident: str, spec: PoolSpec, service: str, port: str, upstream: Upstream, trial: Trial, source: Source
    ) -> Beside:
        """A version in preview, which gets copies of requests. `ident` names its split, which no other shares: what
        comes of the copies is counted for `trial`.
        """
        self._use(spec, source)
        rule = RuleId("", ident, PATH_TYPE)
        self.splits[ident] = Split(ident, rule, (Share(MAIN, spec.id, 100),), trial=trial)
        return Beside(ident, MAIN, spec.id, f"{spec.namespace}-{service}-{port}", service, port, upstream)

    def _add(
        self, spec: PoolSpec, name: str, source: Source, upstream: Upstream, service: str = "", port: str = ""
    ) -> Beside:
        self._use(spec, source)
        ident = beside_split_id(spec.id)
        if ident not in self.splits:
            rule = RuleId("", spec.id, PATH_TYPE)
            self.splits[ident] = Split(ident, rule, (Share(MAIN, spec.id, 100),))
        return Beside(ident, MAIN, spec.id, name, service, port, upstream)

    def _use(self, spec: PoolSpec, source: Source) -> None:
        sources = self.pools.setdefault(spec, [])
        if source not in sources:
            sources.append(source)


def beside_split_id(pool: str) -> str:
    return digest64(("beside", pool))


def is_beside(split: Split) -> bool:
    return split.rule.path_type == PATH_TYPE


def joined(table: dict[PoolSpec, list[Source]], more: Iterable[tuple[PoolSpec, list[Source]]]) -> None:
    """Adds the fields that name pools to those of a table; what names a pool twice is in it once."""
    for spec, sources in more:
        known = table.setdefault(spec, [])
        known.extend(source for source in sources if source not in known)
