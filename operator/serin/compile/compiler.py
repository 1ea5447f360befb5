"""Snapshot in, plan and problems out; with the last result at hand only what changed since is compiled again.

What depends on what: an Ingress's reading on that object alone, a CanaryRoute's also on its home's ports; a host on its
Ingresses, the CanaryRoutes of its Services, the Secrets it looks at, the names it claims and the wildcard host that
covers it; a pool on its Service and endpoints. An exception is Serin's own fault: it is caught where one of these is
made, which is then closed, and everything else lives.
"""

from bisect import bisect_left
from dataclasses import dataclass, field

from serin.compile.canaries import CheckPattern
from serin.compile.canaryroute_set import CanaryRouteSet
from serin.compile.classes import Classes, read_classes
from serin.compile.config_maps import Cache as ConfigMapCache
from serin.compile.config_maps import ConfigMapReader
from serin.compile.context import HostContext, wildcard_of
from serin.compile.draft import Draft
from serin.compile.findings import Findings
from serin.compile.host_set import WIDE, HostSet
from serin.compile.ingress_set import IngressSet
from serin.compile.memo import NO_PLAN, Memo, Problems
from serin.compile.options import Key, Options
from serin.compile.pool_set import PoolSet, changed_services
from serin.compile.secrets import KINDS, Cache, SecretReader
from serin.compile.settings import Settings, read_settings
from serin.compile.wide import compile_wide
from serin.objects.store import Snapshot
from serin.problems import Problem
from serin.refs import Ref, Source
from serin.routing.plan import Certificate, Plan, PoolSpec

FEW = 200
"""New problems that are put in one by one; more are sorted with all others."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs from the plan before: names of hosts, ids of splits and pools that are new, other or gone."""

    hosts: frozenset[str] = frozenset()
    splits: frozenset[str] = frozenset()
    pools: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Compiled:
    """Equal for equal objects and options, whatever was compiled before. What did not change is the same value.

    `ingresses` are those that are ours; `reads` the Secrets and ConfigMaps looked at, also those that are not there.
    """

    plan: Plan
    problems: tuple[Problem, ...]
    revision: int
    changes: Changes = field(compare=False, repr=False)
    memo: Memo = field(compare=False, repr=False)
    ingresses: frozenset[Ref] = frozenset()
    reads: frozenset[Ref] = frozenset()

    def pools_of_service(self, namespace: str, service: str) -> tuple[PoolSpec, ...]:
        """The pools that hold a Service's endpoints."""
        return tuple(self.plan.pools[ident].spec for ident in self.memo.pools_of.get((namespace, service), ()))


def compile_snapshot(
    snapshot: Snapshot, options: Options, check_pattern: CheckPattern, previous: Compiled | None = None
) -> Compiled:
    """`previous` is what was compiled last; it saves work and never changes the result.

    `check_pattern(text, ignore_case)` says why a PCRE does not compile, or None; always the same for the same text.
    """
    findings = Findings()
    settings = _settings(snapshot, options, previous, findings)
    classes = read_classes(snapshot.ingress_classes, options)
    memo = Memo(options, settings, classes, snapshot) if previous is None else previous.memo
    changed = _changed(snapshot, previous, options, settings, classes)
    problems: Problems = Draft(memo.problems)
    if settings is not memo.settings or previous is None:
        problems.put(("settings", "", ""), tuple(findings.problems) or None)

    ingresses = IngressSet(memo, options, settings, classes, problems)
    cache: Cache = Draft(memo.secrets)
    secrets = SecretReader(snapshot, cache)
    maps_cache: ConfigMapCache = Draft(memo.config_maps)
    maps = ConfigMapReader(snapshot, maps_cache)
    routes = CanaryRouteSet(memo, check_pattern, ingresses, problems)
    members, claims = ingresses.members, ingresses.claims
    context = HostContext(options, settings, check_pattern, secrets, maps, members, claims, routes.at_home)
    old_plan = NO_PLAN if previous is None else previous.plan
    hosts = HostSet(memo, old_plan, context, problems)
    pools = PoolSet(memo, old_plan, snapshot, options, problems)

    everything = changed is None
    refs = changed or frozenset()
    if everything:
        told = {(namespace, name) for kind, namespace, name in memo.problems if kind == "ingress"}
        there = memo.snapshot.ingresses.keys() | snapshot.ingresses.keys()
        ingresses.update(memo.readings.keys() | there | told, snapshot, again=True)
        routes.update(memo.canary_routes.keys() | snapshot.canary_routes.keys(), snapshot, again=True)
    else:
        ingresses.update(_keys(refs, "Ingress"), snapshot, again=False)
        routes.update(_keys(refs, "CanaryRoute") | routes.by_port(_keys(refs, "Service")), snapshot, again=False)
    changed_secrets = {key for key, _ in memo.secrets} if everything else _keys(refs, "Secret")
    _forget(cache, changed_secrets)
    changed_maps = {key for key, _ in memo.config_maps} if everything else _keys(refs, "ConfigMap")
    _forget_maps(maps_cache, changed_maps)
    default = _default_certificate(options, secrets, problems)
    hosts.use_default(default)
    dirty = _dirty(ingresses, hosts, changed_secrets, changed_maps, everything=everything) | routes.hosts
    wide, globals_ = memo.wide, old_plan.globals
    if everything or WIDE in dirty or changed_secrets:
        globals_, wide = compile_wide(context, default)
        problems.put(("settings", "wide", ""), wide.problems or None)
        hosts.put_wide(memo.wide, wide)
    for name in sorted(dirty - {WIDE}):
        hosts.compile(name)
    routes.report(hosts.attached, snapshot)
    hosts.drop_unused()
    _forget(cache, {key for key in hosts.secret_readers.touched if not hosts.secret_readers.of(key)})
    _forget_maps(maps_cache, {key for key in hosts.config_map_readers.touched if not hosts.config_map_readers.of(key)})
    services = changed_services(refs, memo.snapshot, snapshot)
    pools.update(hosts.pool_users, hosts.specs, services, again=everything)

    plan = Plan(
        hosts.hosts.result(),
        hosts.splits.result(),
        pools.pools.result(),
        hosts.certificates.result(),
        hosts.files.result(),
        globals_,
    )
    kept = Memo(
        options,
        settings,
        classes,
        snapshot,
        ingresses.readings.result(),
        ingresses.by_host.result(),
        ingresses.by_name.result(),
        hosts.results.result(),
        cache.result(),
        hosts.secret_readers.result(),
        hosts.pool_users.result(),
        pools.pools_of.result(),
        pools.found.result(),
        hosts.certificate_users.result(),
        hosts.file_users.result(),
        problems.result(),
        ingresses.by_service.result(),
        routes.readings.result(),
        routes.by_home.result(),
        routes.targeted.result(),
        hosts.attached.result(),
        ingresses.anothers.result(),
        hosts.beside_users.result(),
        wide,
        maps_cache.result(),
        hosts.config_map_readers.result(),
    )
    changes = Changes(frozenset(hosts.changed_hosts), frozenset(hosts.changed_splits), frozenset(pools.changed))
    return Compiled(
        plan,
        _all_problems(problems, memo, previous),
        snapshot.revision,
        changes,
        kept,
        _ours(ingresses, previous),
        _reads(hosts, options, previous),
    )


def _settings(snapshot: Snapshot, options: Options, previous: Compiled | None, findings: Findings) -> Settings:
    """The same value as before where the ConfigMap is the same object; its problems are known then."""
    key = options.configmap
    config_map = None if key is None else snapshot.config_maps.get(key)
    if previous is not None and previous.memo.options == options:
        before = None if key is None else previous.memo.snapshot.config_maps.get(key)
        if before is config_map:
            return previous.memo.settings
    wanted = None if key is None else Ref("ConfigMap", *key)
    return read_settings(config_map, wanted, findings, options.plane)


def _changed(
    snapshot: Snapshot, previous: Compiled | None, options: Options, settings: Settings, classes: Classes
) -> frozenset[Ref] | None:
    """The objects that changed since `previous`; None: everything must be compiled again."""
    if previous is None:
        return None
    memo = previous.memo
    if (memo.options, memo.settings, memo.classes) != (options, settings, classes):
        return None
    return snapshot.differs_from(memo.snapshot)


def _keys(refs: frozenset[Ref], kind: str) -> set[Key]:
    return {(ref.namespace, ref.name) for ref in refs if ref.kind == kind}


def _forget(cache: Cache, keys: set[Key]) -> None:
    for key in keys:
        for kind in KINDS:
            if cache.get((key, kind)) is not None:
                cache.put((key, kind), None)


def _forget_maps(cache: ConfigMapCache, keys: set[Key]) -> None:
    if keys:
        for known in [known for known in cache.result() if known[0] in keys]:
            cache.put(known, None)


def _dirty(
    ingresses: IngressSet, hosts: HostSet, secrets: set[Key], config_maps: set[Key], *, everything: bool
) -> set[str]:
    """Names of the hosts to compile, those of CanaryRoutes aside."""
    names = ingresses.touched | ingresses.claimants
    names.update(claim.host for host in ingresses.touched for claim in ingresses.claims(host))
    names.update(host for key in secrets for host in hosts.secret_readers.of(key))
    names.update(host for key in config_maps for host in hosts.config_map_readers.of(key))
    covered = {host for host in ingresses.tls_touched if host.startswith("*.")}
    if covered:
        names.update(host for host in ingresses.by_host.result() if wildcard_of(host) in covered)
    if everything:
        names.add("")
        names.update(hosts.results.result())
    for host in tuple(names):
        for reading in ingresses.members(host):
            for name in (name for name, claim in reading.claims if claim.host == host):
                names.update((name, *(claim.host for claim in ingresses.claims(name))))
    return names


def _default_certificate(options: Options, secrets: SecretReader, problems: Problems) -> Certificate | None:
    key = options.default_ssl_certificate
    if key is None:
        return None
    found = secrets.certificate(key)
    findings = Findings()
    if found.certificate is None:
        text = f"{found.error}; a self-made default certificate is shown"
        findings.error(Source(Ref("Secret", *key)), "certificate-unusable", text)
    problems.put(("settings", "default-ssl-certificate", ""), tuple(findings.problems) or None)
    return found.certificate


def _ours(ingresses: IngressSet, previous: Compiled | None) -> frozenset[Ref]:
    """The same value as before when nothing joined or left."""
    before = frozenset[Ref]() if previous is None else previous.ingresses
    return (before | ingresses.joined) - ingresses.left if ingresses.joined or ingresses.left else before


def _reads(hosts: HostSet, options: Options, previous: Compiled | None) -> frozenset[Ref]:
    """The Secrets and ConfigMaps of the hosts, and what the options name."""
    again = previous is None or previous.memo.options != options
    before = frozenset[Ref]() if previous is None or again else previous.reads
    named: set[Ref] = set()
    gone: set[Ref] = set()
    for kind, readers in (("Secret", hosts.secret_readers), ("ConfigMap", hosts.config_map_readers)):
        for key in readers.result() if again else readers.touched:
            (named if readers.of(key) else gone).add(Ref(kind, *key))
    if not again and not named and not gone:
        return before
    if options.configmap is not None:
        named.add(Ref("ConfigMap", *options.configmap))
    if options.default_ssl_certificate is not None:
        named.add(Ref("Secret", *options.default_ssl_certificate))
    return (before - gone) | named


def _all_problems(problems: Problems, memo: Memo, previous: Compiled | None) -> tuple[Problem, ...]:
    """Sorted, each once. A cluster may have thousands, of which one change moves a few."""
    found = problems.result()
    if previous is not None and found is memo.problems:
        return previous.problems
    everything = [problem for unit in found.values() for problem in unit]
    before = set(map(id, () if previous is None else previous.problems))
    fresh = [problem for problem in everything if id(problem) not in before]
    if previous is None or len(fresh) > FEW:
        return tuple(sorted(set(everything), key=_order))
    now = set(map(id, everything))
    sorted_in = [problem for problem in previous.problems if id(problem) in now]
    for problem in fresh:
        at = bisect_left(sorted_in, _order(problem), key=_order)
        if at == len(sorted_in) or sorted_in[at] != problem:
            sorted_in.insert(at, problem)
    return tuple(sorted_in)


def _order(problem: Problem) -> tuple[str, ...]:
    """The order of Problem itself, made once for each instead of at each comparison."""
    ref = problem.source.ref
    return (ref.kind, ref.namespace, ref.name, problem.source.field, problem.code, problem.severity, problem.text)
