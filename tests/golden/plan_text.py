"""The text form of a compiled plan: what goldens hold, made to be read in a review.

Digests are replaced by what they stand for, defaults are left out, the field that says so stands behind `<-`.
"""

from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from typing import Any

from cryptography import x509

from serin.compile.compiler import Compiled
from serin.refs import Ref, Source
from serin.routing.conditions import FieldMatch, Match, MatchKind
from serin.routing.plan import Certificate, HashBy, Host, Plan, Policy, Pool, PoolSpec, Route, VersionRoute


def plan_text(compiled: Compiled) -> str:
    plan = compiled.plan
    lines = [f"globals {_fields(replace(plan.globals, default_certificate=None))}".rstrip()]
    if plan.globals.default_certificate is not None:
        lines.append(f"default certificate of {_names(plan.certificates[plan.globals.default_certificate])}")
    for _, host in sorted(plan.hosts.items()):
        lines += ["", *_host(host, plan)]
    if plan.pools:
        lines += ["", *sorted(_pool(pool) for pool in plan.pools.values())]
    if compiled.problems:
        lines += ["", *(str(problem) for problem in compiled.problems)]
    return "\n".join(lines) + "\n"


def _host(host: Host, plan: Plan) -> Iterator[str]:
    head = f"host {host.name or '(any)'}"
    if host.aliases:
        head += f" aliases {', '.join(host.aliases)}"
    if host.certificate is not None:
        head += f" certificate of {_names(plan.certificates[host.certificate])}"
    yield head
    if host.www is not None:
        yield f"  all requests {host.www.code} to {host.www.host}{_from(host.www.source)}"
    for route in host.routes:
        yield f"  {route.match.kind} {route.match.path} {_ref(route.ingress)}{_from(route.source)}"
        if route.match.path != route.rule.path:
            yield f"    of {route.rule.path} ({route.rule.path_type})"
        if route.slash_redirect:
            yield "    301 to the same path with /"
        yield from (f"    {line}" for line in _policy(route.policy, plan))
        yield from (f"    {line}" for line in _versions(route, plan))


def _policy(policy: Policy, plan: Plan) -> Iterator[str]:
    for field in fields(policy):
        value, default = getattr(policy, field.name), _default(field)
        if value == default:
            continue
        if field.name == "auth":
            text = f"realm={value.realm!r} users={_users(plan, value.users)}{_from(value.source)}"
        elif hasattr(value, "__dataclass_fields__"):
            text = _fields(value)
        else:
            text = str(value)
        yield f"{field.name} {text}"


def _versions(route: Route, plan: Plan) -> Iterator[str]:
    if route.split is None:
        return
    split = plan.splits[route.split]
    assert split.rule == route.rule
    assert split.shape == tuple(version.ident for version in route.versions)
    if route.canary_route is not None:
        yield f"shared out by {_ref(route.canary_route)}"
    for rule in route.match_rules:
        for match in rule.matches:
            yield f"{route.versions[rule.version].name} takes {_match(match)}{_from(match.source)}"
    names = {version.ident: version.name for version in route.versions}
    if route.split_by is not None:
        by = route.split_by
        salts = "" if split.salts is None else " ".join(f"{salt:016x}" for salt in split.salts)
        yield f"users by {by.kind} {by.name or 'address'} for {by.ttl} s, salts {salts}{_from(by.source)}"
    if split.first:
        counted = f", counted for trial {split.trial.id}" if split.trial is not None else ""
        client_errors = " with client errors" if split.trial is not None and split.trial.client_errors else ""
        yield f"{names[split.first]} is in rollout{counted}{client_errors}"
    for ident in split.suspended:
        yield f"{names[ident]} takes no request"
    if route.shadow is not None:
        to = route.shadow.to
        copies = plan.splits[to.split]
        place = "" if copies.trial is None else f", counted for trial {copies.trial.id} as version {copies.trial.place}"
        how = f"{route.shadow.parts} of 100000 copied to {to.name} ({_fields(to.upstream)})"
        yield f"{how}{place}{_from(route.shadow.source)}"
    for version, share in zip(route.versions, split.shares, strict=True):
        pool = plan.pools[share.pool].spec
        yield f"{share.weight}/{split.total} {version.name}: {_spec(pool)}{_rules(version)}{_from(version.source)}"


def _match(match: Match) -> str:
    parts = [f"header {_condition(field)}" for field in match.headers]
    parts += [f"cookie {_condition(field)}" for field in match.cookies]
    parts += [f"query {_condition(field)}" for field in match.query]
    parts += [f"method {match.method}"] if match.method else []
    parts += [f"client in {', '.join(match.clients)}"] if match.clients else []
    return " and ".join(parts)


def _condition(field: FieldMatch) -> str:
    how = {MatchKind.EXACT: f" = {field.value}", MatchKind.REGULAR_EXPRESSION: f" ~ {field.value}"}
    return f"{field.name}{how.get(field.kind, '')}{' (broken)' if field.broken else ''}"


def _rules(version: VersionRoute) -> str:
    parts = []
    if version.header is not None:
        rule = version.header
        how = f"= {rule.value}" if rule.value is not None else f"~ {rule.pattern}" if rule.pattern else "always/never"
        parts.append(f"header {rule.name} {how}{' (broken)' if rule.broken else ''}")
    if version.cookie is not None:
        parts.append(f"cookie {version.cookie.name}")
    if not version.sticky:
        parts.append("not sticky")
    if version.hash_by is not None:
        parts.append(f"by {_hash_by(version.hash_by)}")
    return "".join(f", {part}" for part in parts)


def _hash_by(by: HashBy) -> str:
    return " + ".join(by.parts)


def _pool(pool: Pool) -> str:
    where = [f"{e.address}:{e.port}" if ":" not in e.address else f"[{e.address}]:{e.port}" for e in pool.endpoints]
    if pool.external:
        where.append(f"{pool.external}:{pool.external_port} (resolved)")
    affinity = f" client affinity {pool.client_affinity} s" if pool.client_affinity else ""
    return f"pool {_spec(pool.spec)}{affinity}: {', '.join(where) or 'nobody'}"


def _spec(spec: PoolSpec) -> str:
    size = f" of {spec.subset_size}" if spec.subset_size else ""
    algorithm = "" if spec.algorithm == "round_robin" else f" {spec.algorithm}{size}"
    return f"{spec.namespace}/{spec.service}:{spec.port}{algorithm}"


def _fields(value: Any) -> str:
    """The fields that differ from their defaults, the source last."""
    shown = []
    for field in fields(value):
        found = getattr(value, field.name)
        if isinstance(found, Source) or found == _default(field):
            continue
        inner = f"({_fields(found)})" if hasattr(found, "__dataclass_fields__") else repr(found)
        shown.append(f"{field.name}={inner}")
    source = getattr(value, "source", None)
    return " ".join(shown) + _from(source)


def _default(field: Any) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _from(source: Source | None) -> str:
    return "" if source is None else f" <- {_ref(source.ref)} {source.field}".rstrip()


def _ref(ref: Ref) -> str:
    kind = "" if ref.kind == "Ingress" else f"{ref.kind} "
    return f"{kind}{ref.namespace}/{ref.name}"


def _users(plan: Plan, digest: str) -> str:
    return ",".join(line.partition(":")[0] for line in plan.users[digest].text.decode().splitlines())


def _names(certificate: Certificate) -> str:
    leaf = x509.load_pem_x509_certificates(certificate.pem)[0]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return ", ".join(names.get_values_for_type(x509.DNSName))
