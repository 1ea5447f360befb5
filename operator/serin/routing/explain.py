"""Why a request gets the answer it gets: the plan's own rules asked step by step, with the objects that said so.

Uses the same functions as the proxy (match, outcome, decision), so that the two cannot differ. It does not draw: where
weights decide it names the shares. It does not verify passwords and does not know how endpoints fare.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from serin.errors import SerinError, UsageError
from serin.problems import Problem
from serin.refs import Ref, Source
from serin.routing.affinity import read_value
from serin.routing.conditions import Subject
from serin.routing.cookies import cookie_value
from serin.routing.decision import Effect, Judgement, Reason, Verdict, judge, judge_matches
from serin.routing.explain_access import kept_out
from serin.routing.explain_users import Hash64, Run, keyed
from serin.routing.explanation import Explanation, Note
from serin.routing.match import find_host, find_route, matches
from serin.routing.outcome import (
    Asked,
    Cause,
    Pass,
    Reply,
    before_proxying,
    before_routing,
    rewrite_searcher,
    without_route,
)
from serin.routing.paths import normalize
from serin.routing.plan import ClientVerify, Host, Plan, Route, Split
from serin.routing.search import PatternMaker
from serin.routing.shares import Shares, answers, percent, present, shares

NOBODY = "127.0.0.1"
"""The address of a client of whom nothing is known: address lists are told of, and keep it not out."""


@dataclass(frozen=True, slots=True)
class ExplainRequest:
    """A request as it is written on a command line. `headers` in order; one called Host overrides the URL's."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    client_ip: str = NOBODY

    def values(self, name: str) -> list[bytes]:
        return [value.strip(" \t").encode() for header, value in self.headers if header.lower() == name]

    def get(self, name: bytes) -> bytes | None:
        """As nginx gives it to rules: repeated headers joined with `, `."""
        if name == b"host":
            return self.asked().host_header
        values = self.values(name.decode())
        return b", ".join(values) if values else None

    def cookie(self) -> bytes | None:
        values = self.values("cookie")
        return b"; ".join(values) if values else None

    def asked(self) -> Asked:
        """UsageError when the URL is not an http or https one."""
        try:
            parts = urlsplit(self.url)
            _ = parts.port
        except ValueError as e:
            raise UsageError(f"{self.url}: {e}; expected http://HOST/PATH or https://HOST/PATH") from e
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise UsageError(f"{self.url}: expected http://HOST/PATH or https://HOST/PATH")
        sent = (self.values("host") or [parts.netloc.rpartition("@")[2].encode()])[0]
        name = sent.decode("utf-8", "replace").lower()
        host = name.rpartition("]")[0] + "]" if name.startswith("[") else name.partition(":")[0]
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        length = self.values("content-length")
        return Asked(
            self.method,
            parts.scheme == "https",
            host.removesuffix("."),
            sent,
            target.encode(),
            b"",
            int(length[0]) if length and length[0].isdigit() else -1,
        )


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the plan: where rollouts stand, and how users' keys are hashed (None: all are drawn)."""

    runs: Mapping[Ref, Run] = field(default_factory=dict)
    hash64: Hash64 | None = None


_NOTHING_MORE = Known()


def explain(
    plan: Plan,
    request: ExplainRequest,
    problems: Iterable[Problem],
    patterns: PatternMaker,
    known: Known = _NOTHING_MORE,
) -> Explanation:
    """What would answer the request, why, and what lost. `problems`: all that is known; those that matter are given."""
    asked = request.asked()
    if asked.method == "CONNECT":
        return Explanation(405, because=(Note("CONNECT is for forward proxies; a gateway refuses it"),))
    path = normalize(asked.target)
    if path is None:
        return Explanation(400, because=(Note(f"the path {_text(asked.target)} is not one that HTTP allows"),))
    asked.path = path
    host = find_host(plan.hosts, asked.host)
    told = Explanation(host=None if host is None else host.name, path=_text(path))
    early = before_routing(asked, host, plan.globals)
    if early is not None:
        told = _reply(told, early)
    elif host is None:
        told = replace(
            told,
            status=without_route(asked.content_length),
            because=(Note(f"no rule is for the host {asked.host or '(none)'}"),),
        )
    else:
        told = _on_host(told, plan, host, asked, request, patterns, known)
    return replace(told, problems=_involved(told, plan, host, asked, problems, patterns))


def _on_host(
    told: Explanation,
    plan: Plan,
    host: Host,
    asked: Asked,
    request: ExplainRequest,
    patterns: PatternMaker,
    known: Known,
) -> Explanation:
    try:
        route = find_route(host, asked.path, patterns)
    except SerinError as e:
        return replace(told, status=500, because=(Note(f"a path pattern of this host cannot be run: {e}"),))
    if route is None:
        rules = tuple(Note(f"{_rule(r)} does not take this path", r.source) for r in host.routes)
        return replace(
            told,
            status=without_route(asked.content_length),
            because=(Note("no rule of this host takes the path"),),
            lost=rules,
        )
    told = replace(
        told,
        ingress=_name(route.ingress),
        rule=_rule(route),
        because=(Note(f"{_rule(route)} is the first rule that takes the path", route.source),),
        lost=_later(host, route, asked.path, patterns),
    )
    if host.client_auth is not None and asked.tls:
        needed = "needs a certificate" if host.client_auth.verify is ClientVerify.ON else "may show a certificate"
        told = replace(told, because=(*told.because, Note(f"the client {needed}", host.client_auth.source)))
    met = before_proxying(route, asked, plan.globals, rewrite_searcher(route, patterns))
    if isinstance(met, Reply):
        return _reply(told, met)
    refused = kept_out(route.policy, request.client_ip)
    if refused is not None and request.client_ip != NOBODY:
        return replace(told, status=403, reason="access", because=(*told.because, refused))
    if refused is not None:
        told = replace(
            told, because=(*told.because, Note("403 unless the client's address may come in", refused.source))
        )
    auth = route.policy.auth
    if auth is not None and not (request.get(b"authorization") or b"").lower().startswith(b"basic "):
        note = Note("no user name and password came (Authorization: Basic …)", auth.source)
        return replace(told, status=401, reason="auth", because=(*told.because, note))
    return _on_route(_passed(told, route, met), plan, route, request, patterns, known)


def _later(host: Host, route: Route, path: bytes, patterns: PatternMaker) -> tuple[Note, ...]:
    """Rules that would have taken the path had this one not been before them."""
    after = host.routes[host.routes.index(route) + 1 :]
    return tuple(Note(f"{_rule(r)} comes later", r.source) for r in after if _takes(r, path, patterns))


def _takes(route: Route, path: bytes, patterns: PatternMaker) -> bool:
    try:
        return matches(route, path, patterns)
    except SerinError:
        return False


def _passed(told: Explanation, route: Route, met: Pass) -> Explanation:
    notes = told.because
    if met.path is not None:
        told = replace(told, rewritten_path=_text(met.target.partition(b"?")[0]))
        notes += (Note(f"the endpoint gets {_text(met.target)}", met.source),)
    if route.policy.auth is not None:
        notes += (Note("401 unless user name and password are right", route.policy.auth.source),)
    return replace(told, because=notes)


def _on_route(
    told: Explanation, plan: Plan, route: Route, request: ExplainRequest, patterns: PatternMaker, known: Known
) -> Explanation:
    """The version: rules first, then the user's key, then the shares of the draw."""
    split = None if route.split is None else plan.splits.get(route.split)
    if split is None:
        return replace(told, status=404, because=(*told.because, Note("no service is behind this rule")))
    run = None if route.canary_route is None else known.runs.get(route.canary_route)
    there = present(split, tuple(answers(plan.pools.get(version.pool)) for version in route.versions))
    subject = _subject(request)
    judgement = _judgement(route, subject, request, patterns)
    shared = () if route.canary_route is None else (Note("its requests are shared out", Source(route.canary_route)),)
    wins, passes = _steps(route, judgement, wins=True), _steps(route, judgement, wins=False)
    in_vain = judgement.verdict.forced >= 0 and not there[judgement.verdict.forced]
    told = replace(
        told,
        because=(*told.because, *shared, *(() if in_vain else wins)),
        lost=told.lost + passes + (wins if in_vain else ()) + _absent(route, split, there, run),
        run=None if run is None else f"{run.version} {_part(route, split, run)} ({run.text})",
    )
    verdict = _that_answers(judgement.verdict, route, request, there)
    if verdict.forced >= 0 and there[verdict.forced]:
        version = route.versions[verdict.forced]
        return replace(told, version=version.name, service=version.service, reason=str(verdict.reason))
    out = verdict.excluded | (1 << verdict.forced if verdict.forced >= 0 else 0)
    drawn = shares(split, out, there)
    if drawn.total == 0:
        return replace(told, status=503, because=(*told.because, Note("no version left has a ready endpoint")))
    reason = verdict.reason if verdict.forced < 0 and verdict.reason is not None else drawn.reason
    told = replace(
        told,
        version=drawn.text(route.versions),
        service=_services(route, drawn),
        reason=str(reason),
        shares=drawn.percents(route.versions),
        because=(*told.because, *_weights(route, drawn)),
    )
    user = keyed(route, split, subject, [has and not out >> i & 1 for i, has in enumerate(there)], known.hash64)
    if user is None or drawn.reason is not Reason.WEIGHT:
        return told
    told = replace(told, because=(*told.because, user.note))
    if user.version < 0:
        return told
    chosen = route.versions[user.version]
    return replace(told, version=chosen.name, service=chosen.service, user=user.user)


def _absent(route: Route, split: Split, there: tuple[bool, ...], run: Run | None) -> tuple[Note, ...]:
    """The versions that can take no request, and why."""
    notes = []
    for version, share, has in zip(route.versions, split.shares, there, strict=True):
        if share.ident in split.suspended:
            why = run.taken_back if run is not None and run.taken_back else "its rollout was taken back"
            source = version.source if run is None else run.source
            notes.append(Note(f"{version.name} takes no request, by rules neither: {why}", source))
        elif not has:
            notes.append(
                Note(f"{version.name} has no ready endpoint: {version.service}:{version.port}", version.source)
            )
    return tuple(notes)


def _part(route: Route, split: Split, run: Run) -> str:
    """The share that a rollout gives to its version, whoever is there to take it."""
    pairs = zip(route.versions, split.shares, strict=True)
    return percent(next((share.weight for version, share in pairs if version.name == run.version), 0), split.total)


def _subject(request: ExplainRequest) -> Subject:
    return Subject(request.get, request.cookie(), request.asked().target, request.method, request.client_ip)


def _judgement(route: Route, subject: Subject, request: ExplainRequest, patterns: PatternMaker) -> Judgement:
    pinned = _pinned(route, request)
    if not route.match_rules:
        return judge(route.versions, request.get, subject.cookie, patterns, pinned)
    return judge_matches(route.match_rules, route.versions, subject, patterns, pinned)


def _that_answers(verdict: Verdict, route: Route, request: ExplainRequest, there: tuple[bool, ...]) -> Verdict:
    """Where a rule's version has no endpoint, the one that the affinity cookie names answers, if there is one."""
    if verdict.forced < 0 or there[verdict.forced] or verdict.reason is Reason.STICKY or not route.match_rules:
        return verdict
    ident = _pinned(route, request)
    named = (i for i, version in enumerate(route.versions) if version.sticky and version.ident == ident and there[i])
    instead = next(named, None)
    return verdict if instead is None else Verdict(instead, 0, Reason.STICKY)


def _weights(route: Route, drawn: Shares) -> tuple[Note, ...]:
    """Who takes part in the draw; nobody where there is none."""
    if drawn.reason is not Reason.WEIGHT:
        return ()
    named = ((route.versions[i], drawn.weights[i]) for i in drawn.possible)
    return tuple(Note(f"{v.name} has {weight} of {drawn.total} by weight", v.source) for v, weight in named)


def _pinned(route: Route, request: ExplainRequest) -> str | None:
    affinity, cookie = route.policy.affinity, request.cookie()
    text = None if affinity is None or cookie is None else cookie_value(cookie, affinity.name.encode())
    return None if text is None else read_value(text)[1]


def _services(route: Route, drawn: Shares) -> str:
    names = [route.versions[i].service for i in drawn.possible]
    return " / ".join(dict.fromkeys(names))


def _steps(route: Route, judgement: Judgement, *, wins: bool) -> tuple[Note, ...]:
    return tuple(
        Note(f"{s.reason} of {route.versions[s.version].name} {_EFFECTS[s.effect]}: {s.text}", s.source)
        for s in judgement.steps
        if (s.effect is Effect.TAKES) is wins
    )


_EFFECTS = {
    Effect.TAKES: "takes the request",
    Effect.OUT: "takes it out of this request",
    Effect.PASSES: "does not decide",
}

_CAUSES = {
    Cause.METHOD: "this method is not allowed",
    Cause.BUILT_IN: "a path of the catch-all host that no rule can take",
    Cause.WWW: "this host redirects to another one",
    Cause.BODY: "the body is larger than the rule allows (proxy-body-size, 1m by default)",
    Cause.CLOSED: "this rule is closed until its object is repaired",
    Cause.SLASH: "the rule's path ends in a slash",
    Cause.APP_ROOT: "app-root takes the path /",
    Cause.REDIRECT: "the rule redirects everything",
    Cause.REWRITE: "the rewrite has an absolute target",
    Cause.PATTERN: "the rewrite's pattern cannot be run, so nobody knows the path",
    Cause.TLS: "plain requests are redirected to https",
    Cause.NO_SERVICE: "no service is behind this rule",
}


def _reply(told: Explanation, reply: Reply) -> Explanation:
    note = Note(_CAUSES[reply.cause], reply.source)
    redirect = _text(reply.location) if reply.location else None
    return replace(told, status=reply.status, redirect=redirect, reason=str(reply.cause), because=(*told.because, note))


def _involved(
    told: Explanation,
    plan: Plan,
    host: Host | None,
    asked: Asked,
    problems: Iterable[Problem],
    patterns: PatternMaker,
) -> tuple[Problem, ...]:
    """Problems of the rule's objects (without a rule, of all objects of the host), and those that name the host."""
    routes = () if host is None else host.routes
    taken = next((r for r in routes if told.rule is not None and _takes(r, asked.path, patterns)), None)
    refs: set[Ref] = set()
    for route in routes if taken is None else (taken,):
        refs.add(route.ingress)
        for version in route.versions:
            refs |= {version.ingress, Ref("Service", version.ingress.namespace, version.service)}
        if route.canary_route is not None:
            refs.add(route.canary_route)
    names = "|".join(re.escape(name) for name in (asked.host, "" if host is None else host.name) if name)
    named = re.compile(rf"(?<![\w.*-])(?:{names})(?![\w-]|\.\w)").search if names else lambda text: None
    return tuple(p for p in problems if p.source.ref in refs or named(p.text))


def _rule(route: Route) -> str:
    return f"{route.rule.host or '*'} {route.rule.path} ({route.rule.path_type})"


def _name(ref: Ref) -> str:
    return f"{ref.namespace}/{ref.name}" if ref.namespace else ref.name


def _text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
