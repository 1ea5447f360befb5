"""One Ingress read by itself: its annotations, what they ask for on any route, and the names that it claims.

Nothing of other objects is looked at, so this is done once for each version of an Ingress.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from serin.compile.annotations import (
    affinity,
    auth,
    backend,
    balancing,
    canary,
    cors,
    hosts,
    limits,
    matching,
    redirects,
    rewriting,
    source_ranges,
    upstream_tls,
)
from serin.compile.annotations.answers import NOTHING_ASKED, AnswersRequest, answers_of
from serin.compile.annotations.auth import AuthRequest
from serin.compile.annotations.balancing import Balancing
from serin.compile.annotations.canary import CanaryRules
from serin.compile.annotations.client_auth import ClientAuthRequest, client_auth_of
from serin.compile.annotations.external_auth import ExternalAuthRequest, external_auth_of
from serin.compile.annotations.model import Annotation, Values
from serin.compile.annotations.reader import Reading, read_annotations
from serin.compile.annotations.upstream_tls import UpstreamTlsRequest
from serin.compile.findings import Findings
from serin.compile.options import Key, Options
from serin.compile.settings import Settings
from serin.objects.views import Ingress, IngressPath
from serin.problems import Problem
from serin.refs import Ref, Source
from serin.routing.plan import AppRoot, Closed, Policy

Age = tuple[float, int, tuple[int, ...]]
"""Sorts oldest first; of Ingresses of the same age and order the name that comes last in the alphabet is first."""

_ON_CANARY: frozenset[Annotation[Any]] = frozenset(
    (*canary.FAMILY, *balancing.FAMILY, affinity.CANARY_BEHAVIOR, backend.SERVICE_UPSTREAM)
)


class ClaimKind(StrEnum):
    """Why a name that no rule has is claimed. A redirect between its `www.` forms goes before an alias."""

    ALIAS = "server-alias"
    WWW = "from-to-www-redirect"


@dataclass(frozen=True, slots=True)
class NameClaim:
    """`host` wants to answer to another name as well."""

    kind: ClaimKind
    age: Age
    host: str
    ref: Ref
    source: Source

    @property
    def rank(self) -> tuple[bool, Age, str]:
        return (self.kind is not ClaimKind.WWW, self.age, self.host)


@dataclass(frozen=True, slots=True)
class IngressReading:
    """`policy` is what holds on all routes; what depends on path, host or Secrets is added there.

    `served`: it takes part at all (an unreadable redirect leaves it out). `rules` is set on a canary. `paths` has the
    paths of its rules by host; the catch-all host is there when it has a default backend and no rules. `app_root` is
    not in the policy: it is the host's; nor is `client_auth`, and what of `upstream_tls` is in a Secret, nor
    `external_auth`, for which the host's name counts.
    """

    ingress: Ingress
    age: Age
    values: Values
    served: bool
    rules: CanaryRules | None
    policy: Policy
    auth: AuthRequest | None
    balancing: Balancing
    sticky: bool
    paths: Mapping[str, tuple[IngressPath, ...]]
    app_root: AppRoot | None = None
    claims: tuple[tuple[str, NameClaim], ...] = ()
    problems: tuple[Problem, ...] = ()
    client_auth: ClientAuthRequest | Closed | None = None
    upstream_tls: UpstreamTlsRequest | None = None
    external_auth: ExternalAuthRequest | None = None
    answers: AnswersRequest = NOTHING_ASKED

    @property
    def ref(self) -> Ref:
        return self.ingress.meta.ref

    @property
    def is_canary(self) -> bool:
        return self.rules is not None

    @property
    def secrets(self) -> Mapping[Key, Source]:
        """The Secrets that its annotations name, and which of them does."""
        found: dict[Key, Source] = {}
        if self.auth is not None:
            found[self.auth.namespace, self.auth.name] = self.auth.source
        if isinstance(self.client_auth, ClientAuthRequest):
            found.setdefault(self.client_auth.secret, self.client_auth.source)
        if self.upstream_tls is not None and self.upstream_tls.secret is not None:
            found.setdefault(self.upstream_tls.secret, self.upstream_tls.source)
        return found

    @property
    def config_maps(self) -> Mapping[Key, Source]:
        """The ConfigMaps that its annotations name, and which of them does."""
        found: dict[Key, Source] = {}
        headers, fastcgi, auth = self.answers.headers, self.answers.fastcgi, self.external_auth
        if headers is not None:
            found[headers.config_map] = headers.source
        if fastcgi is not None and fastcgi.params is not None:
            found.setdefault(fastcgi.params, fastcgi.source)
        if auth is not None and auth.set_headers is not None:
            found.setdefault(auth.set_headers, auth.set_headers_source or auth.source)
        return found

    @property
    def only_default(self) -> bool:
        """Without rules: its default backend serves what no host takes."""
        return not self.ingress.rules


def age_of(ingress: Ingress) -> Age:
    ref = ingress.meta.ref
    backwards = tuple(-ord(c) for c in f"{ref.namespace}/{ref.name}")
    return (ingress.meta.created, ingress.meta.order, (*backwards, 1))


@dataclass(slots=True)
class Usual:
    """What Ingresses without annotations ask for under the same options and settings: read once, as most have none."""

    reading: IngressReading | None = None


def read_ingress(ingress: Ingress, options: Options, settings: Settings, usual: Usual | None = None) -> IngressReading:
    """`usual` belongs to these options and settings."""
    findings = Findings()
    if _says_canary(ingress, options):
        return _canary(ingress, read_annotations(ingress.meta, options, findings, _ON_CANARY), settings, findings)
    reading = read_annotations(ingress.meta, options, findings)
    if usual is not None and not reading.values.found and not findings.problems and reading == Reading(reading.values):
        if usual.reading is None:
            usual.reading = _ordinary(ingress, reading, options, settings, findings)
        if not usual.reading.problems:
            age, paths = age_of(ingress), _paths(ingress)
            return replace(usual.reading, ingress=ingress, age=age, values=reading.values, paths=paths)
    canary.canary_rules(reading.values, findings)
    return _ordinary(ingress, reading, options, settings, findings)


def _says_canary(ingress: Ingress, options: Options) -> bool:
    key = canary.CANARY.key(options.annotations_prefix)
    return canary.CANARY.grammar.read(ingress.meta.annotations.get(key, "")) is True


def failed_ingress(ingress: Ingress, options: Options, text: str) -> IngressReading:
    """What stands for an Ingress on which Serin itself failed: its routes are closed; as a canary it is left out."""
    findings = Findings()
    source = Source(ingress.meta.ref)
    findings.error(source, "internal-error", f"Serin failed on this Ingress ({text}); its routes answer 503")
    return IngressReading(
        ingress=ingress,
        age=age_of(ingress),
        values=Values(ingress.meta, {}),
        served=not _says_canary(ingress, options),
        rules=None,
        policy=Policy(closed=Closed(503, "internal-error", source)),
        auth=None,
        balancing=Balancing(),
        sticky=True,
        paths=_paths(ingress),
        problems=tuple(findings.problems),
    )


def _canary(ingress: Ingress, reading: Reading, settings: Settings, findings: Findings) -> IngressReading:
    values = reading.values
    if reading.others:
        listed = ", ".join(name.rpartition("/")[2] for name in reading.others)
        text = f"{listed}: no effect on a canary; requests meet what the main Ingress asks for"
        findings.warning(ingress.meta.at("metadata.annotations"), "canary-annotations-ignored", text)
    return IngressReading(
        ingress=ingress,
        age=age_of(ingress),
        values=values,
        served=True,
        rules=canary.canary_rules(values, findings),
        policy=_NO_POLICY,
        auth=None,
        balancing=_balancing(values, settings, findings),
        sticky=values.get(affinity.CANARY_BEHAVIOR) == "sticky",
        paths=_paths(ingress),
        problems=tuple(findings.problems),
    )


def _ordinary(
    ingress: Ingress, reading: Reading, options: Options, settings: Settings, findings: Findings
) -> IngressReading:
    values = reading.values
    asked = None if reading.closed else auth.auth_of(values, findings)
    retried = settings.retry_all
    upstream = backend.upstream_of(values, settings.upstream, options.plane, findings, retry_all=retried)
    endpoints = upstream_tls.upstream_tls_of(values, upstream, findings)
    clients = client_auth_of(values, reading.unreadable, findings)
    external = None if reading.closed else external_auth_of(values, findings)
    answers = answers_of(values, upstream, settings, findings)
    closings = (reading.closed, asked, endpoints, clients, external, answers.closed)
    request = clients if isinstance(clients, ClientAuthRequest) else None
    policy = Policy(
        closed=next((found for found in closings if isinstance(found, Closed)), None),
        redirect=redirects.redirect_of(values, findings),
        affinity=affinity.affinity_of(values),
        forwarded_prefix=matching.forwarded_prefix_of(values, findings),
        max_body=values.get_or(backend.BODY_SIZE, settings.max_body),
        upstream=upstream,
        client_match="" if request is None else request.match,
        pass_client_certificate=request is not None and request.passed_on,
        access=source_ranges.access_of(values, settings.access.lists),
        limits=limits.limits_of(values, findings),
        bandwidth=limits.bandwidth_of(values, settings.bandwidth),
        cors=cors.cors_of(values, findings),
        cookie_domain=rewriting.cookie_domain_of(values, settings.answers.cookie_domain),
        cookie_path=rewriting.cookie_path_of(values, settings.answers.cookie_path),
        location=rewriting.location_of(values, settings.answers, findings),
        relative_redirects=values.get_or(hosts.RELATIVE, settings.answers.relative_redirects),
        port_in_redirects=values.get_or(hosts.PORT, settings.answers.port_in_redirects),
        access_log=values.get(hosts.ACCESS_LOG),
        rewrite_log=values.get(hosts.REWRITE_LOG),
    )
    made = IngressReading(
        ingress=ingress,
        age=age_of(ingress),
        values=values,
        served=not reading.left_out,
        rules=None,
        policy=_NO_POLICY if policy == _NO_POLICY else policy,
        auth=asked if isinstance(asked, AuthRequest) else None,
        balancing=_balancing(values, settings, findings),
        sticky=True,
        paths=_paths(ingress),
        app_root=matching.app_root_of(values),
        client_auth=clients,
        upstream_tls=endpoints if isinstance(endpoints, UpstreamTlsRequest) else None,
        external_auth=external if isinstance(external, ExternalAuthRequest) else None,
        answers=answers,
    )
    claims = _claims(made, findings) if made.served else ()
    return replace(made, claims=claims, problems=tuple(findings.problems))


_NO_POLICY = Policy()


def _balancing(values: Values, settings: Settings, findings: Findings) -> Balancing:
    made = balancing.balancing_of(values, settings.algorithm, findings)
    whole = values.get_or(backend.SERVICE_UPSTREAM, settings.service_upstream)
    return replace(made, cluster_ip=True) if whole else made


def _paths(ingress: Ingress) -> Mapping[str, tuple[IngressPath, ...]]:
    if not ingress.rules:
        return {"": ()} if ingress.default_backend is not None else {}
    if len(ingress.rules) == 1:
        return {ingress.rules[0].host: ingress.rules[0].paths}
    found: dict[str, list[IngressPath]] = {}
    for rule in ingress.rules:
        found.setdefault(rule.host, []).extend(rule.paths)
    return {host: tuple(paths) for host, paths in found.items()}


def _claims(reading: IngressReading, findings: Findings) -> tuple[tuple[str, NameClaim], ...]:
    values = reading.values
    claims: list[tuple[str, NameClaim]] = []
    aliases = values.get(hosts.SERVER_ALIAS)
    wants_www = values.get(redirects.FROM_TO_WWW)
    for host in reading.paths if aliases or wants_www else ():
        if host == "":
            continue
        if wants_www and host.startswith("*."):
            text = f"{host} has no single name with or without www.; nothing is redirected for it"
            findings.warning(values.source(redirects.FROM_TO_WWW), "www-redirect-wildcard", text)
        elif wants_www:
            name = host.removeprefix("www.") if host.startswith("www.") else f"www.{host}"
            source = values.source(redirects.FROM_TO_WWW)
            claims.append((name, NameClaim(ClaimKind.WWW, reading.age, host, reading.ref, source)))
        for alias in aliases:
            if alias != host:
                source = values.source(hosts.SERVER_ALIAS)
                claims.append((alias, NameClaim(ClaimKind.ALIAS, reading.age, host, reading.ref, source)))
    return tuple(claims)
