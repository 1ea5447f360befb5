"""What a route's policy and the plan's Globals ask for beside an endpoint, made ready once and put on each decision.

The gate decides who answers; what is added to that, headers, CORS, error pages and the transfer's changes, is put on it
here, on an endpoint's answer as on our own. A route without any of it has no Finish and pays nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from serin.dataplane.proxy.answer_swaps import Swaps
from serin.dataplane.proxy.blocks import ready_blocks
from serin.dataplane.proxy.changes import NO_CHANGES, Changes
from serin.dataplane.proxy.compression import ReadyCompression
from serin.dataplane.proxy.cors import ReadyCors
from serin.dataplane.proxy.error_pages import ReadyErrors
from serin.dataplane.proxy.exchange import Answer, Client, Forward, LogContext, RequestHead
from serin.dataplane.proxy.external_auth import REQUEST_ID
from serin.dataplane.proxy.header_lines import ReadyLines, names_of, without_names
from serin.dataplane.proxy.mirroring import Mirrors, ReadyMirror
from serin.dataplane.proxy.shadowing import ReadyShadow
from serin.dataplane.proxy.subrequest import ReadyBeside
from serin.routing.beside import Beside
from serin.routing.lines import HeaderLine
from serin.routing.policy import Policy
from serin.routing.rollout import Shadow
from serin.routing.wide import Globals

Decision = Answer | Forward | Awaitable[Answer | Forward]
Page = Callable[[int], bytes]

_NONE: frozenset[bytes] = frozenset()
_HOST = b"host"
_TYPE = b"content-type"
FRAMING = frozenset(
    (b"connection", b"content-length", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
"""What says where a message ends, or of which connection it is: no text of a user may say otherwise."""
SERVER = b"Server: serin\r\n"
"""With server-tokens; without, which is the default, answers name no server."""


class Workbench(Protocol):
    """What is needed to make one: serin.dataplane.proxy.runtime.Workshop."""

    @property
    def mirrors(self) -> Mirrors: ...
    def beside(self, beside: Beside, /) -> ReadyBeside: ...


class Wide:
    """The part of the Globals that concerns requests and answers, of one plan or of several that agree in it."""

    __slots__ = ("blocks", "compression", "errors", "fallback", "globals", "made", "unrouted")

    def __init__(self, settings: Globals, made: "Workbench | None") -> None:
        self.globals = settings
        self.made = made
        self.blocks = ready_blocks(settings.blocks)
        """Who gets 403 everywhere; None: nobody."""
        self.compression = ReadyCompression(settings.compression) if settings.compression.gzip else None
        self.fallback = None if settings.fallback is None or made is None else made.beside(settings.fallback)
        """Who answers requests of no host; None: our own 404."""
        self.unrouted = finish_for(Policy(errors=settings.errors), self, {"server_name": b"_"})
        """For requests that no route takes."""


class Finish:
    """Of one route, under one plan's Globals."""

    __slots__ = (
        "_answer_drops",
        "_changes",
        "_cors",
        "_drops",
        "_errors",
        "_generated",
        "_kept",
        "_logged",
        "_replaces_ours",
        "_server",
        "_to_clients",
        "_to_endpoints",
    )

    def __init__(
        self, policy: Policy, wide: Wide, constants: Mapping[str, bytes], shadow: Shadow | None = None
    ) -> None:
        lines = wide.globals.lines
        connection = policy.upstream.connection
        asked = (HeaderLine("Connection", connection),) if connection else ()
        known = {**constants, "request_id": REQUEST_ID, "req_id": REQUEST_ID}
        self._to_endpoints = ReadyLines((*_framed_by_us(lines.to_endpoints), *asked), known)
        self._to_clients = ReadyLines(_framed_by_us((*lines.to_clients, *policy.answer_headers)), known)
        self._cors = None if policy.cors is None else ReadyCors(policy.cors)
        self._errors = _errors(policy, wide)
        self._changes = _changes(policy, wide, self._errors, constants, shadow)
        self._logged = policy.access_log
        self._server = SERVER if wide.globals.server_tokens and b"server" not in self._to_clients.names else b""
        self._drops = Unions(self._to_endpoints.names - {_HOST})
        hidden = frozenset(name.lower().encode() for name in lines.hidden) - FRAMING
        names = hidden | self._to_clients.names
        self._answer_drops = Unions(names)
        self._generated = Unions(names | (self._cors.names if self._cors is not None else _NONE))
        """As `_answer_drops`, where the answer carries CORS lines of ours."""

    def __call__(self, decision: Decision, head: RequestHead, client: Client, path: bytes, page: Page) -> Decision:
        if isinstance(decision, (Answer, Forward)):
            return self.one(decision, head, client, path, page)

        async def wait(waiting: Awaitable[Answer | Forward]) -> Answer | Forward:
            return self.one(await waiting, head, client, path, page)

        return wait(decision)

    def one(
        self, decision: Answer | Forward, head: RequestHead, client: Client, path: bytes, page: Page
    ) -> Answer | Forward:
        """Put on a decision what belongs there; an error of ours may become a request for its page."""
        if isinstance(decision, Forward):
            return self._forward(decision, head, client, path)
        return self._own(decision, head, client, path, page)

    def preflight(self, head: RequestHead) -> bool:
        """Whether this is a preflight of an allowed origin, answered with 204."""
        return self._cors is not None and self._cors.preflight(head)

    def _forward(self, forward: Forward, head: RequestHead, client: Client, path: bytes) -> Forward:
        self._ask(forward, head, client, path)
        lines, cors = self._lines(forward.answer_prelude, head, client, path, forward.log)
        forward.answer_prelude = lines
        forward.answer_drop = (self._generated if cors else self._answer_drops).of(forward.answer_drop)
        if forward.changes is None:
            forward.changes = self._changes
        forward.log.logged = self._logged
        return forward

    def _ask(self, forward: Forward, head: RequestHead, client: Client, path: bytes) -> None:
        """Put the lines for endpoints on the request, in the place of the client's and of ours."""
        asked = self._to_endpoints
        if not asked.names:
            return
        own = _with_id(asked.text(head, client, path), forward.log)
        forward.drop = self._drops.of(forward.drop)
        if _HOST in asked.names:
            for line in own.split(b"\r\n"):
                name, _, value = line.partition(b": ")
                forward.host = value if name.lower() == _HOST else forward.host
            own = without_names(own, frozenset((_HOST,)))
        forward.prelude = without_names(forward.prelude, asked.names) + own

    def _lines(
        self, before: bytes, head: RequestHead, client: Client, path: bytes, log: LogContext | None
    ) -> tuple[bytes, bool]:
        """The header lines of the answer, and whether lines of CORS are among them. `before`: what there is already."""
        lines = _with_id(self._to_clients.text(head, client, path), log)
        cors = b"" if self._cors is None else self._cors.lines(head)
        if cors and lines and self._cors is not None:
            lines = without_names(lines, self._cors.names)
        if before and self._to_clients.names:
            before = without_names(before, self._to_clients.names - {b"set-cookie"})
        return before + self._server + lines + cors, bool(cors)

    def _own(self, answer: Answer, head: RequestHead, client: Client, path: bytes, page: Page) -> Answer | Forward:
        context = answer.log
        if context is not None:
            context.logged = self._logged
        lines, _ = self._lines(answer.lines, head, client, path, context)
        if (
            self._errors is not None
            and answer.status in self._errors.codes
            and context is not None
            and not answer.close
        ):
            # a Location stands beside the page, as nginx leaves it there
            kept = b"".join(b"%b: %b\r\n" % pair for pair in answer.headers if pair[0].lower() != _TYPE)
            asked = self._errors.page(answer.status, head, client, context, kept + lines, self._answer_drops.of(_NONE))
            if isinstance(asked, Forward):
                return asked
            answer.status, answer.body, answer.content_type = asked, page(asked), b"text/html"
        replaced = names_of(lines)
        if replaced:
            answer.headers = [pair for pair in answer.headers if pair[0].lower() not in replaced]
            if _TYPE in replaced:
                answer.content_type = b""
        answer.lines = lines
        return answer


class Unions:
    """Sets of names to drop, each joined with one more; the same object for the same set, by which readers keep it."""

    __slots__ = ("_made", "_more")

    def __init__(self, more: frozenset[bytes]) -> None:
        self._more = more
        self._made: dict[frozenset[bytes], frozenset[bytes]] = {}

    def of(self, names: frozenset[bytes]) -> frozenset[bytes]:
        if not self._more:
            return names
        made = self._made.get(names)
        if made is None:
            made = self._made[names] = names | self._more
        return made


def finish_for(
    policy: Policy, wide: Wide, constants: Mapping[str, bytes], shadow: Shadow | None = None
) -> Finish | None:
    """None where there is nothing to be done."""
    settings = wide.globals
    lines = settings.lines
    everywhere = (
        lines.to_endpoints or lines.to_clients or lines.hidden or settings.server_tokens or settings.compression.gzip
    )
    here = (
        policy.cors
        or policy.answer_headers
        or policy.cookie_domain
        or policy.cookie_path
        or policy.location
        or policy.errors
        or policy.mirror
        or policy.bandwidth
        or policy.upstream.connection
        or shadow
    )
    if not everywhere and not here and policy.access_log:
        return None
    return Finish(policy, wide, constants, shadow)


def _framed_by_us(lines: tuple[HeaderLine, ...]) -> tuple[HeaderLine, ...]:
    return tuple(line for line in lines if line.name.lower().encode() not in FRAMING)


def _with_id(lines: bytes, log: LogContext | None) -> bytes:
    return lines.replace(REQUEST_ID, b"" if log is None else log.request_id.encode()) if lines else lines


def _errors(policy: Policy, wide: Wide) -> ReadyErrors | None:
    errors, made = policy.errors, wide.made
    if errors is None or not errors.codes:
        return None
    by = None if errors.by is None or made is None else made.beside(errors.by)
    return ReadyErrors(errors, by, _withheld(policy))


def _withheld(policy: Policy) -> frozenset[bytes]:
    """The password of the route, and what a client claims that only the authentication server may say."""
    claims = () if policy.external_auth is None else policy.external_auth.response_headers
    names = (*claims, *(() if policy.auth is None else ("authorization",)))
    return frozenset(name.lower().encode() for name in names)


def _changes(
    policy: Policy,
    wide: Wide,
    errors: ReadyErrors | None,
    constants: Mapping[str, bytes],
    shadow: Shadow | None,
) -> Changes | None:
    made = wide.made
    swaps = Swaps(policy.cookie_domain, policy.cookie_path, policy.location)
    mirror = None
    if policy.mirror is not None and made is not None:
        mirror = ReadyMirror(policy.mirror, made.beside(policy.mirror.to), made.mirrors, constants)
    changes = Changes(
        errors=errors,
        swaps=None if swaps.empty else swaps,
        bandwidth=policy.bandwidth if policy.bandwidth is not None and policy.bandwidth.rate > 0 else None,
        compression=wide.compression,
        mirror=mirror,
        shadow=None if shadow is None or made is None else ReadyShadow(shadow, made.beside(shadow.to), made.mirrors),
    )
    return None if changes == NO_CHANGES else changes
