"""Compiles one host: who serves its paths, in which order, with which versions and policies.

Looks at the Ingresses of that host (and of the wildcard host that covers it), at the Secrets that they name, and at who
else claims its names; never at Services or endpoints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from serin.compile.annotations.tls import chosen_ciphers
from serin.compile.answering import errors_of_all
from serin.compile.beside import Besides, joined
from serin.compile.canaries import Canary, bind
from serin.compile.canaryroutes import Attached, CanaryRouteReading, attach, override
from serin.compile.certificates import NO_TLS, TlsChoice, choose_tls
from serin.compile.client_certificates import choose_client_certificates
from serin.compile.context import HostContext, HostResult, wildcard_of
from serin.compile.findings import Findings
from serin.compile.ingresses import ClaimKind, IngressReading
from serin.compile.names import aliases_of, winner, www_host
from serin.compile.passthrough import choose_passthrough, warn_of_rules
from serin.compile.policies import HostPolicies, answers_some
from serin.compile.routes import (
    RouteTable,
    ordered,
    plain_match,
    regex_match,
    wants_slash_redirect,
    warn_of_literal,
    warn_of_regex,
)
from serin.compile.rules import ROOT, PathKey, Rule, own_paths, uses_regex
from serin.refs import Ref, Source
from serin.routing.plan import Certificate, Closed, Host, PathKind, PathMatch, Policy, Route, RuleId, Split


def compile_host(name: str, context: HostContext) -> HostResult:
    """The host of a name, empty for the catch-all. Where no rule has it, it may be the other form of a www redirect."""
    findings = Findings()
    ordinary = context.ordinary(name)
    canaries = [r for r in context.members(name) if r.is_canary]
    if name == "" and context.options.disable_catch_all:
        _refuse_catch_all(ordinary, findings)
        ordinary = []
    if ordinary:
        return _served(name, ordinary, canaries, context, findings)
    bind(name, {}, canaries, findings)
    claim = winner(name, context)
    if claim is not None and claim.kind is ClaimKind.WWW:
        tls = host_tls(claim.host, context, findings)
        certificate = tls.certificate if tls.names is not None and tls.names.fits(name) else None
        host = www_host(name, claim, certificate, context.settings.http_redirect_code)
        certificates = () if certificate is None else (certificate,)
        return _result(host, RouteTable(findings, context.check), certificates, context)
    table = RouteTable(findings, context.check)
    if name == "" and context.options.default_backend_service is not None:
        _add_fallback(table, name, None, None, context, regex=False)
    host_or_none = Host(name, tuple(table.routes)) if table.routes else None
    return _result(host_or_none, table, (), context)


def failed_host(name: str, context: HostContext, error: str) -> HostResult:
    """What stands for a host on which Serin itself failed: closed, until one of its objects changes."""
    findings = Findings()
    members = context.members(name)
    for reading in members:
        text = f"Serin failed on host {name or '(any)'} ({error}); all its requests get 503"
        findings.error(Source(reading.ref), "internal-error", text)
    ref = members[0].ref if members else Ref("Host", "", name)
    policy = Policy(closed=Closed(503, "internal-error", Source(ref)))
    route = Route(PathMatch(PathKind.PREFIX, "/"), RuleId(name, *ROOT), ref, None, (), policy)
    return HostResult(
        Host(name, (route,)),
        problems=tuple(findings.problems),
        reads=frozenset(context.secrets.reads),
        config_map_reads=frozenset(context.config_maps.reads),
    )


def host_tls(name: str, context: HostContext, findings: Findings) -> TlsChoice:
    """A host without a `tls` section has the TLS of the wildcard host that covers it (as in ingress-nginx).

    The catch-all shows the default certificate, and redirects nothing by itself.
    """
    if name == "":
        return NO_TLS
    own = choose_tls(name, context.ordinary(name), context.secrets, findings)
    wildcard = wildcard_of(name)
    if own is not NO_TLS or not wildcard:
        return own
    return choose_tls(wildcard, context.ordinary(wildcard), context.secrets, Findings())


def _served(
    name: str,
    ordinary: list[IngressReading],
    canaries: list[IngressReading],
    context: HostContext,
    findings: Findings,
) -> HostResult:
    rules = own_paths(name, ordinary, findings)
    bound = bind(name, rules, canaries, findings)
    routes, attached = attach(rules, context.at_home, findings)
    for key, route in routes.items():
        override(route, rules[key], bound.get(key, ()), findings)
    tls = host_tls(name, context, findings)
    first = ordinary[0] if name else None
    regex = uses_regex(rules, first)
    table = RouteTable(findings, context.check)
    aliases = aliases_of(name, ordinary, context, findings)
    uncertified = tls.uncertified(aliases, self_made=context.options.default_ssl_certificate is None)
    clients = choose_client_certificates(name, ordinary, tls, context.secrets, context.check, findings)
    policies = HostPolicies(
        name,
        tls,
        uncertified,
        clients,
        context.settings,
        context.secrets,
        context.config_maps,
        findings,
        context.options.default_backend_service,
    )
    in_order = ordered(rules.values(), regex=regex)
    for rule in in_order:
        _add_rule(table, rule, rules, bound.get(rule.key, ()), routes.get(rule.key), policies, regex=regex)
    if ROOT not in rules:
        _add_fallback(table, name, first, policies, context, regex=regex)
    if not regex:
        table.routes.sort(key=lambda route: len(route.match.path.encode()), reverse=True)
    app_root = _app_root(name, [rule.reading for rule in in_order] + ordinary[:1])
    digest = tls.certificate.digest if tls.certificate is not None else None
    passed = choose_passthrough(name, ordinary, rules, policies.besides, context.options, findings)
    if passed is not None:
        warn_of_rules(ordinary[0], table.routes, findings, client_auth=clients.auth is not None)
    ciphers, prefer_server = chosen_ciphers([reading.values for reading in ordinary])
    host = Host(
        name,
        (*app_root, *table.routes),
        aliases,
        digest,
        None,
        uncertified,
        clients.auth,
        ciphers,
        prefer_server,
        passthrough=passed,
    )
    certificates = [*clients.certificates, *policies.certificates]
    if tls.certificate is not None:
        certificates.append(tls.certificate)
    return _result(host, table, certificates, context, policies, attached)


def _app_root(name: str, readings: list[IngressReading]) -> tuple[Route, ...]:
    """The route of the host's app-root. ingress-nginx asks the paths' Ingresses in order, before all paths."""
    for reading in readings:
        if reading.app_root is not None and not reading.only_default:
            match, policy = PathMatch(PathKind.EXACT, "/"), Policy(app_root=reading.app_root, max_body=0)
            return (Route(match, RuleId(name, *ROOT), reading.ref, None, (), policy, source=reading.app_root.source),)
    return ()


def _add_rule(
    table: RouteTable,
    rule: Rule,
    rules: Mapping[PathKey, Rule],
    canaries: Sequence[Canary],
    canary_route: CanaryRouteReading | None,
    policies: HostPolicies,
    *,
    regex: bool,
) -> None:
    policy = policies.of_rule(rule)
    if regex:
        warn_of_regex(rule, table.findings)
        match, closed = regex_match(rule, rules, table.check, table.findings)
        table.add(rule, match, policy if closed is None else Policy(closed=closed), canaries, canary_route)
        if closed is None and rule.rewrites_below and (rule.id.path, "Exact") not in rules:
            table.add_path_itself(rule)
        return
    warn_of_literal(rule, table.findings)
    table.add(rule, plain_match(rule), policy, canaries, canary_route)
    if policy.closed is None and wants_slash_redirect(rule, rules):
        table.add_slash_redirect(rule, policy)


def _add_fallback(
    table: RouteTable,
    name: str,
    first: IngressReading | None,
    policies: HostPolicies | None,
    context: HostContext,
    *,
    regex: bool,
) -> None:
    """Requests that no rule takes meet what the host's oldest Ingress asks for, then the global default backend."""
    service = context.options.default_backend_service
    policy = Policy()
    if first is not None and policies is not None:
        policy = policies.of_fallback(first, RuleId(name, *ROOT))
    elif service is not None:
        besides = Besides() if policies is None else policies.besides
        policy = replace(policy, errors=errors_of_all(context.settings, service, besides))
        if policies is None:
            table.splits += besides.splits.values()
            joined(table.pools, besides.pools.items())
    if service is None and not answers_some(policy):
        return
    match = PathMatch(PathKind.REGEX if regex else PathKind.PREFIX, "/")
    ref = first.ref if first is not None else Ref("Service", *(service or ("", "")))
    table.add_fallback(name, match, policy, ref, service)


def _refuse_catch_all(readings: Sequence[IngressReading], findings: Findings) -> None:
    for reading in readings:
        text = "catch-all Ingresses are disabled (--disable-catch-all); expected rules with a host; not served"
        findings.error(Source(reading.ref, "spec"), "catch-all-disabled", text)


def _result(
    host: Host | None,
    table: RouteTable,
    certificates: Sequence[Certificate],
    context: HostContext,
    policies: HostPolicies | None = None,
    attached: Attached | None = None,
) -> HostResult:
    pools = table.pools
    besides: tuple[Split, ...] = tuple(table.shadows.splits.values())
    if besides:
        joined(pools, table.shadows.pools.items())
    if policies is not None and policies.besides.splits:
        besides += tuple(policies.besides.splits.values())
        joined(pools, policies.besides.pools.items())
    return HostResult(
        host=host,
        splits=(*table.splits, *besides),
        pools={spec: tuple(sources) for spec, sources in pools.items()},
        certificates=tuple({made.digest: made for made in certificates}.values()),
        users=tuple(policies.users.values()) if policies is not None else (),
        problems=tuple(table.findings.problems),
        reads=frozenset(context.secrets.reads),
        attached=attached or {},
        config_map_reads=frozenset(context.config_maps.reads),
    )
