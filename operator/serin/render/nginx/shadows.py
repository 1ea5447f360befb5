"""Copies of requests for a version in preview: which requests, and the internal location that a copy is sent from.

nginx's `mirror` makes a subrequest of every request of the location; most of them end at once, without an endpoint. A
copy has no body, and nobody waits for its answer, of which not more than the head is read.
"""

from dataclasses import dataclass, replace

from serin.render.nginx.besides import beside_url
from serin.render.nginx.blocks import EMPTY, Blocks, MapBlock, MapRow, Share, SplitBlock, about, plain
from serin.render.nginx.headers import Given, Headers
from serin.render.nginx.policies import NativeRewrite, Set
from serin.render.nginx.proxying import Proxy, beside_proxy
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.values import Pattern, Template, Variable
from serin.routing.plan import Buffering, Protocol, Shadow
from serin.routing.rollout import ALL_PARTS

_FINER = 10
STEPS = 10_000
"""Parts to a hundredth of a per cent, which is what split_clients knows."""
_PATH = Variable("serin_shadow_path")
_PLAIN = Buffering()
_OWN = (
    Given("X-Canary-Mirror", plain("1")),
    Given("Connection", EMPTY),
    Given("Upgrade", EMPTY),
    Given("Content-Length", EMPTY),
)


@dataclass(frozen=True, slots=True)
class ShadowPage:
    """`taken`: not empty for requests that are copied. `path`: where the request's path begins from, None: as sent.

    `rewrite`: what nginx makes of that path; None where Lua has done so already.
    """

    taken: Variable
    proxy: Proxy
    path: Variable | None = None
    rewrite: NativeRewrite | None = None


@dataclass(frozen=True, slots=True)
class ShadowLines:
    """What a route's location says: the number of the page."""

    page: int


NOT_COPIED = "no request without a body is of its protocol, so that none is copied"


def is_copied(shadow: Shadow | None) -> bool:
    """gRPC has no request without a body; FastCGI is not spoken beside a route."""
    return shadow is not None and shadow.parts > 0 and shadow.to.upstream.protocol not in (Protocol.GRPC, Protocol.FCGI)


def taken(blocks: Blocks, shadow: Shadow) -> Variable:
    """A variable that is 1 for the share of GET, HEAD and OPTIONS without a body that is copied, else empty."""
    drawn = _drawn(blocks, shadow.parts)
    told = ("request_method", "http_content_length", "http_transfer_encoding", "serin_upgrade")
    source = Template((*drawn, *(part for name in told for part in (":", Variable(name)))))
    rows = (MapRow(Pattern(r"^(?:y.?|my):(?:GET|HEAD|OPTIONS):0*::\z", "~"), plain("1")),)
    name = Variable(blocks.name("copied"))
    blocks.add(MapBlock("copied", source, name, EMPTY, rows, about(shadow.source)))
    return name


def _drawn(blocks: Blocks, parts: int) -> tuple[str | Variable, ...]:
    """`y`, `m` and what a second draw says, or `n`."""
    if parts >= ALL_PARTS:
        return ("y",)
    hundredths, finer = divmod(parts, _FINER)
    coarse, fine = Variable(blocks.name("copy")), Variable(blocks.name("copy_fine"))
    rest = Share(None, plain("n"))
    lines = [Share(count, plain(said)) for count, said in ((hundredths, "y"), (int(finer > 0), "m")) if count]
    blocks.add(SplitBlock(coarse, (*lines, rest), _by("copy")))
    if not finer:
        return (coarse,)
    blocks.add(SplitBlock(fine, (Share(finer * STEPS // _FINER, plain("y")), rest), _by("finer")))
    return (coarse, fine)


def _by(word: str) -> Template:
    """Another number than the one by which the version of the request itself is drawn."""
    return Template((Variable("request_id"), f" {word}"))


def shadow_page(
    host: str,
    shadow: Shadow,
    chosen: Variable,
    settings: NginxSettings,
    headers: Headers,
    rewrite: NativeRewrite | None,
    *,
    by_lua: bool,
) -> tuple[ShadowPage, tuple[Set, ...]]:
    """And what the route's location sets for it. `headers`: what the route's endpoints get. `by_lua`: it rewrites."""
    rewritten = rewrite is not None or by_lua
    url = beside_url(host, shadow.to)
    to = url if rewritten else Template((*url.parts, Variable("request_uri")))
    given = {line.name.lower(): line for line in (*headers.given, *_OWN)}
    proxy = beside_proxy(shadow.to, to, settings, _PLAIN, headers.host)
    proxy = replace(proxy, headers=replace(headers, given=tuple(given.values())))
    if not rewritten:
        return ShadowPage(chosen, proxy), ()
    return ShadowPage(chosen, proxy, _PATH, rewrite), (Set(_PATH, Template((Variable("uri"),))),)
