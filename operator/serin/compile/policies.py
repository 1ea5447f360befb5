"""The policy of a route: what its Ingress asks for everywhere, and what depends on path, host and Secrets."""

from dataclasses import dataclass, replace
from typing import Any

from serin.compile.admitting import external_auth_at, wanted_auth
from serin.compile.annotations import matching, redirects, tls
from serin.compile.annotations.answers import NOTHING_ASKED
from serin.compile.annotations.model import Annotation
from serin.compile.answering import Answering
from serin.compile.authorities import ForEndpoints
from serin.compile.beside import Besides
from serin.compile.certificates import TlsChoice
from serin.compile.client_certificates import ClientCertificates
from serin.compile.config_maps import ConfigMapReader
from serin.compile.findings import Findings
from serin.compile.ingresses import IngressReading
from serin.compile.options import Key
from serin.compile.rules import Rule, rewrites
from serin.compile.secrets import SecretReader
from serin.compile.settings import Settings
from serin.objects.fields import shorten
from serin.refs import Ref, Source
from serin.routing.plan import BasicAuth, Certificate, Closed, Policy, Rewrite, RuleId, TlsRedirect, UserFile


@dataclass(frozen=True, slots=True)
class _Held:
    """What holds for all routes of one Ingress on one host. `plain` is the same without the redirect to https."""

    policy: Policy
    plain: Policy


_NEED_RULES: tuple[Annotation[Any], ...] = (
    *(matching.REWRITE_TARGET, matching.USE_REGEX, matching.APP_ROOT),
    *(redirects.PERMANENT, redirects.TEMPORAL, tls.FORCE_SSL_REDIRECT),
)


class HostPolicies:
    """The policies of one host's Ingresses, each made when first asked for.

    `users` collects the user files, `certificates` those that are shown to endpoints, or that theirs are checked by,
    `besides` whom they ask beside the routes.
    """

    __slots__ = (
        "_answering",
        "_clients",
        "_config_maps",
        "_findings",
        "_host",
        "_made",
        "_secrets",
        "_settings",
        "_tls",
        "_uncertified",
        "besides",
        "certificates",
        "users",
    )

    def __init__(
        self,
        host: str,
        choice: TlsChoice,
        uncertified: tuple[str, ...],
        clients: ClientCertificates,
        settings: Settings,
        secrets: SecretReader,
        config_maps: ConfigMapReader,
        findings: Findings,
        default: Key | None = None,
    ) -> None:
        """`uncertified`: aliases that the certificate is not for. `default`: the default backend of all hosts."""
        self._host = host
        self._tls = choice
        self._clients = clients
        self._uncertified = uncertified
        self._settings = settings
        self._secrets = secrets
        self._config_maps = config_maps
        self._findings = findings
        self._made: dict[Ref, _Held] = {}
        self.users: dict[str, UserFile] = {}
        self.certificates: list[Certificate] = []
        self.besides = Besides()
        self._answering = Answering(host, settings, default, self.besides, config_maps, findings)

    def of_rule(self, rule: Rule) -> Policy:
        """The policy of one path. The value is shared wherever nothing depends on the path."""
        held = self._held(rule.reading)
        policy = held.plain if self._may_be_plain(rule.id.path) else held.policy
        if policy.closed is not None:
            return policy
        if rule.path.backend is None:
            return Policy(closed=Closed(503, "backend-unusable", rule.path.source))
        changes: dict[str, Any] = {}
        if (policy.auth or policy.external_auth) and rule.id.path.startswith(self._settings.no_auth):
            changes.update(auth=None, external_auth=None)
        if rule.rewrites:
            changes["rewrite"] = rewrite = _rewrite(rule.reading, rule.id.path)
            self._check_groups(rewrite)
        elif policy.forwarded_prefix:
            changes["forwarded_prefix"] = ""
        if policy.affinity is not None and not policy.affinity.path:
            changes["affinity"] = replace(policy.affinity, path=rule.id.path.partition(";")[0])
        return replace(policy, **changes) if changes else policy

    def _may_be_plain(self, path: str) -> bool:
        """Challenges of authorities. Where clients need a certificate, only what needs no password either."""
        if not path.startswith(self._settings.no_tls_redirect):
            return False
        return self._clients.https_only is None or path.startswith(self._settings.no_auth)

    def _check_groups(self, rewrite: Rewrite) -> None:
        missing = matching.missing_groups(rewrite.pattern, rewrite.target)
        if missing:
            text = f"{', '.join(missing)} stands for nothing: the path {shorten(rewrite.pattern)} has no such group"
            self._findings.warning(rewrite.source, "rewrite-group-missing", text)

    def of_fallback(self, reading: IngressReading, root: RuleId) -> Policy:
        """What an Ingress's annotations say to requests for its host that no rule takes."""
        policy = self._held(reading).policy
        if policy.closed is not None:
            return policy
        rewrite = _rewrite(reading, root.path) if rewrites(reading, root) else None
        return Policy(
            redirect=policy.redirect,
            rewrite=rewrite if rewrite is not None and rewrite.absolute else None,
            tls_redirect=policy.tls_redirect,
            auth=policy.auth,
            access=policy.access,
            limits=policy.limits,
            external_auth=policy.external_auth,
            answer_headers=policy.answer_headers,
            cors=policy.cors,
            errors=policy.errors,
            relative_redirects=policy.relative_redirects,
            access_log=policy.access_log,
        )

    def _held(self, reading: IngressReading) -> _Held:
        made = self._made.get(reading.ref)
        if made is None:
            made = self._make_catch_all(reading) if reading.only_default else self._make(reading)
            self._made[reading.ref] = made
        return made

    def _make(self, reading: IngressReading) -> _Held:
        base = self._with_answers(self._with_secrets(reading), reading)
        if base.closed is not None:
            base = Policy(closed=base.closed)
            return _Held(base, base)
        redirect = self._https_only(reading) or _tls_redirect(reading, self._tls, self._settings, self._uncertified)
        return _Held(base if redirect is None else replace(base, tls_redirect=redirect), base)

    def _make_catch_all(self, reading: IngressReading) -> _Held:
        """An Ingress with only a default backend: its redirects have no effect, as in ingress-nginx."""
        base = self._with_answers(self._with_secrets(reading), reading)
        for annotation in _NEED_RULES:
            if reading.values.get(annotation):
                text = "has no effect on an Ingress without rules; write a rule, with or without a host"
                self._findings.warning(reading.values.source(annotation), "annotation-without-rules", text)
        if base.closed is not None:
            base = Policy(closed=base.closed)
        elif base.redirect or self._clients.https_only is not None:
            base = replace(base, redirect=None, tls_redirect=self._https_only(reading))
        return _Held(base, base)

    def _https_only(self, reading: IngressReading) -> TlsRedirect | None:
        """Where clients need a certificate, which nobody can show without TLS. No alias is spared then."""
        source = self._clients.https_only
        if source is None:
            return None
        keep_slash = reading.values.get(tls.PRESERVE_TRAILING_SLASH)
        return TlsRedirect(self._settings.http_redirect_code, keep_slash, source)

    def _with_secrets(self, reading: IngressReading) -> Policy:
        closed = self._clients.closing(reading.ref)
        if closed is not None:
            return Policy(closed=closed)
        base = self._with_external_auth(self._with_auth(reading), reading)
        asked = reading.upstream_tls
        if base.closed is not None or asked is None:
            return base
        found = ForEndpoints() if asked.secret is None else self._secrets.for_endpoints(asked.secret)
        error = found.error
        if not error and asked.tls.verify and found.authorities is None:
            error = "it has no ca.crt, which proxy-ssl-verify needs"
        if error:
            text = f"Secret {'/'.join(asked.secret or ())}: {error}; requests get 503"
            self._findings.error(asked.source, "proxy-ssl-secret-unusable", text)
            return Policy(closed=Closed(503, "proxy-ssl-secret-unusable", asked.source))
        self.certificates += [made for made in (found.own, found.authorities) if made is not None]
        verification = replace(
            asked.tls,
            certificate="" if found.own is None else found.own.digest,
            authorities="" if found.authorities is None else found.authorities.digest,
        )
        return replace(base, upstream=replace(base.upstream, verification=verification))

    def _with_answers(self, base: Policy, reading: IngressReading) -> Policy:
        if base.closed is not None or reading.answers is NOTHING_ASKED:
            return base
        return self._answering.complete(base, reading.answers, reading.ref.namespace)

    def _with_external_auth(self, base: Policy, reading: IngressReading) -> Policy:
        asked = None if base.closed is not None else wanted_auth(reading, self._settings)
        if asked is not None and not isinstance(asked, Closed):
            made = external_auth_at(self._host, asked, self.besides, self._config_maps, self._findings)
            if not isinstance(made, Closed):
                return replace(base, external_auth=made)
            asked = made
        return base if asked is None else Policy(closed=asked)

    def _with_auth(self, reading: IngressReading) -> Policy:
        asked = reading.auth
        if asked is None or reading.policy.closed is not None:
            return reading.policy
        found = self._secrets.users((asked.namespace, asked.name), is_map=asked.is_map)
        if found.file is None:
            text = f"Secret {asked.namespace}/{asked.name}: {found.error}; requests get 503"
            self._findings.error(asked.source, "auth-secret-unusable", text)
            return Policy(closed=Closed(503, "auth-secret-unusable", asked.source))
        if found.unusable:
            text = f"Secret {asked.namespace}/{asked.name}: {found.unusable}"
            self._findings.warning(asked.source, "auth-users-unusable", text)
        self.users[found.file.digest] = found.file
        return replace(reading.policy, auth=BasicAuth(asked.realm, found.file.digest, asked.source))


def _tls_redirect(
    reading: IngressReading, choice: TlsChoice, settings: Settings, uncertified: tuple[str, ...]
) -> TlsRedirect | None:
    """force-ssl-redirect always, ssl-redirect where the host has TLS, and for aliases that its certificate is for."""
    values = reading.values
    source: Source | None = None
    spared: tuple[str, ...] = ()
    if values.get_or(tls.FORCE_SSL_REDIRECT, settings.force_ssl_redirect):
        given = tls.FORCE_SSL_REDIRECT in values
        source = values.source(tls.FORCE_SSL_REDIRECT) if given else settings.source("force-ssl-redirect")
    elif values.get_or(tls.SSL_REDIRECT, settings.ssl_redirect):
        source, spared = choice.source, uncertified
    if source is None:
        return None
    return TlsRedirect(settings.http_redirect_code, values.get(tls.PRESERVE_TRAILING_SLASH), source, spared)


def _rewrite(reading: IngressReading, path: str) -> Rewrite:
    values = reading.values
    target = values.get(matching.REWRITE_TARGET)
    return Rewrite(path, target, matching.is_absolute(target), values.source(matching.REWRITE_TARGET))


def answers_all(policy: Policy) -> bool:
    """Whether no request of a route with this policy is ever sent on."""
    return (
        policy.closed is not None
        or policy.redirect is not None
        or (policy.rewrite is not None and policy.rewrite.absolute)
    )


def answers_some(policy: Policy) -> bool:
    """Whether the policy has something to say to a request that no rule takes."""
    access = policy.access
    guards = (policy.auth, policy.external_auth, policy.limits, access.allow, access.deny)
    return answers_all(policy) or any((policy.tls_redirect, policy.cors, policy.errors, *guards))
