"""A host with every kind of text that a user can bring in, each of them by name, to be replaced one at a time."""

from dataclasses import replace

from serin.refs import Ref, Source
from serin.render.nginx.weights import Weights
from serin.routing.access import Access, CacheTime, ExternalAuth, Limits
from serin.routing.answers import Bandwidth, Cors, ErrorPages, Swap
from serin.routing.beside import Beside, Mirror
from serin.routing.lines import HeaderLine
from serin.routing.plan import (
    Affinity,
    AppRoot,
    BasicAuth,
    ClientAuth,
    ClientVerify,
    Closed,
    CookieRule,
    Endpoint,
    HashBy,
    HeaderRule,
    Host,
    PathKind,
    PathMatch,
    Policy,
    Pool,
    PoolSpec,
    Rewrite,
    Route,
    RuleId,
    Shadow,
    Share,
    Split,
    SplitBy,
    SplitKind,
    TlsRedirect,
    Upstream,
    UpstreamTls,
    UrlRedirect,
    VersionRoute,
    WwwRedirect,
)
from serin.routing.upstream import FastCgi, Protocol
from serin.routing.variables import split_variables

BENIGN: dict[str, str] = {
    "host": "a.example",
    "alias": "b.example",
    "deep": "**.c.example",
    "spared": "d.example",
    "namespace": "shop",
    "ingress": "main",
    "field": "spec",
    "rule_path": "/rule",
    "path_type": "Prefix",
    "service": "web",
    "port": "80",
    "exact": "/exact",
    "prefix": "/prefix",
    "header": "X-A",
    "header_value": "value",
    "header_pattern": "^v",
    "cookie": "beta",
    "hash_by": "$request_uri",
    "app_root": "/app",
    "redirect": "https://new.example/x",
    "redirect_here": "/here",
    "redirect_text": "https://text.example",
    "rewrite": "/re(.*)",
    "rewrite_target": "/to/$1",
    "rewrite_away": "https://away.example/$1",
    "realm": "Members",
    "sticky": "route",
    "sticky_path": "/",
    "sticky_domain": "a.example",
    "same_site": "Lax",
    "forwarded_prefix": "/pre",
    "vhost": "v.example",
    "ciphers": "HIGH",
    "ssl_name": "s.example",
    "client_match": "CN=a",
    "error_page": "https://err.example",
    "www": "w.example",
    "auth_url": "https://auth.example/check",
    "auth_target": "/check?x=$uri",
    "auth_host": "auth.example",
    "auth_method": "POST",
    "auth_signin": "https://login.example/start",
    "auth_parameter": "back",
    "auth_response_header": "X-User",
    "auth_redirect": "$request_uri",
    "auth_header": "X-Asked",
    "auth_header_value": "$http_x_a",
    "auth_cache_key": "$cookie_beta",
    "limit_zone": "f" * 16,
    "answer_origin": "https://*.o.example",
    "answer_methods": "GET, PUT",
    "answer_allowed": "X-Allowed",
    "answer_exposed": "X-Exposed",
    "answer_header": "X-Answer",
    "answer_value": "of $namespace",
    "answer_old": "/old",
    "answer_new": "/new",
    "answer_by": "errors",
    "answer_mirror_host": "$host",
    "answer_mirror": "/copy$request_uri",
    "answer_connection": "close",
    "answer_index": "index.php",
    "answer_parameter": "SCRIPT_FILENAME",
    "answer_parameter_value": "/app$fastcgi_script_name",
    "user_cookie": "uid",
    "user_header": "X-User-Id",
}
PATTERNS = frozenset({"header_pattern", "rewrite", "client_match"})
"""Where what is rendered depends on whether nginx may run the text as a pattern."""
REGEX_PATH = "regex"


def texts(**changed: str) -> dict[str, str]:
    return BENIGN | changed


def hosts(text: dict[str, str], start: int = 0) -> list[Host]:
    """The first with all policies, the second with a regex path, the third a redirect to another name.

    `start`: where the numbers of their splits begin.
    """
    ref = Ref("Ingress", text["namespace"], text["ingress"])
    source = Source(ref, text["field"])
    made = _Maker(text, ref, source, start)
    routes = (
        made.route(PathKind.EXACT, "/", Policy(app_root=AppRoot(text["app_root"], source))),
        made.route(PathKind.EXACT, text["exact"], Policy(redirect=UrlRedirect(301, text["redirect"], source))),
        made.route(PathKind.EXACT, "/r2", Policy(redirect=UrlRedirect(302, text["redirect_here"], source))),
        made.route(PathKind.EXACT, "/r3", Policy(redirect=UrlRedirect(300, text["redirect_text"], source))),
        made.route(PathKind.EXACT, "/closed", Policy(closed=Closed(503, "x", source))),
        replace(made.route(PathKind.EXACT, text["exact"] + "2", Policy()), slash_redirect=True),
        made.route(PathKind.PREFIX, text["prefix"], made.policy()),
        made.route(PathKind.PREFIX, "/w1", Policy(rewrite=made.rewrite("rewrite_target"))),
        made.route(PathKind.PREFIX, "/w2", Policy(rewrite=made.rewrite("rewrite_away"))),
        made.route(PathKind.PREFIX, "/changed", made.changed()),
        made.route(PathKind.PREFIX, "/fastcgi", made.fastcgi()),
        made.released("/user1", SplitBy(SplitKind.COOKIE, text["user_cookie"], 60, source)),
        made.released("/user2", SplitBy(SplitKind.HEADER, text["user_header"], 60, source)),
        made.released("/user3", SplitBy(SplitKind.CLIENT, "", 60, source)),
    )
    auth = ClientAuth("a" * 32, ClientVerify.ON, source, 1, "b" * 32, text["error_page"])
    first = Host(text["host"], routes, (text["alias"], text["deep"]), client_auth=auth)
    path = text.get(REGEX_PATH, "/reg[a-z]+")
    second = Host("second.example", (made.route(PathKind.REGEX, path, Policy()),))
    third = Host("third.example", www=WwwRedirect(text["www"], 308, source))
    return [first, second, third]


def weights(found: list[Host]) -> Weights:
    """All splits with an endpoint for each version."""
    splits: dict[str, Split] = {}
    pools: dict[str, Pool] = {}
    for host in found:
        for route in host.routes:
            if route.split is not None:
                shares = tuple(Share(v.ident, v.pool, 50) for v in route.versions)
                splits[route.split] = Split(route.split, route.rule, shares)
                if route.split_by is not None:
                    released = Split(route.split, route.rule, shares, 150, False, shares[1].ident, salts=(1, 2))
                    splits[route.split] = released
                for version in route.versions:
                    spec = PoolSpec(version.pool, "shop", version.service, 80)
                    pools[version.pool] = Pool(spec, (Endpoint("127.0.0.1", 9999),))
    return Weights(splits, pools)


class _Maker:
    def __init__(self, text: dict[str, str], ref: Ref, source: Source, first: int) -> None:
        self.text, self.ref, self.source = text, ref, source
        self._made = first

    def route(self, kind: PathKind, path: str, policy: Policy) -> Route:
        text = self.text
        self._made += 1
        rule = RuleId(text["host"], text["rule_path"], text["path_type"])
        split = f"{self._made:016x}"
        versions = (
            self._version(0),
            replace(
                self._version(1),
                header=HeaderRule(text["header"], value=text["header_value"], source=self.source),
                cookie=CookieRule(text["cookie"], self.source),
            ),
            replace(
                self._version(2), header=HeaderRule(text["header"], None, text["header_pattern"], source=self.source)
            ),
        )
        canaries = path == self.text["prefix"]
        shared = versions if canaries else versions[:1]
        return Route(PathMatch(kind, path), rule, self.ref, split, shared, policy, source=self.source)

    def rewrite(self, target: str) -> Rewrite:
        return Rewrite(self.text["rewrite"], self.text[target], target == "rewrite_away", self.source)

    def _version(self, number: int) -> VersionRoute:
        text, source = self.text, self.source
        by = HashBy(split_variables(text["hash_by"]), source) if number == 0 else None
        ident, pool = f"{number:016x}", f"{number + 16:016x}"
        return VersionRoute(
            ident, text["ingress"], self.ref, text["service"], text["port"], pool, hash_by=by, source=source
        )

    def policy(self) -> Policy:
        text = self.text
        affinity = Affinity(text["sticky"], text["sticky_path"], text["sticky_domain"], same_site=text["same_site"])
        protocols = ("TLSv1.2",)
        tls = UpstreamTls("c" * 32, "d" * 32, True, 2, text["ciphers"], protocols, text["ssl_name"], True, self.source)
        return Policy(
            tls_redirect=TlsRedirect(308, False, self.source, (text["spared"],)),
            auth=BasicAuth(text["realm"], "e" * 32, self.source),
            affinity=affinity,
            forwarded_prefix=text["forwarded_prefix"],
            upstream=Upstream(tls=True, verification=tls, vhost=text["vhost"]),
            client_match=text["client_match"],
            access=Access(("10.0.0.0/8",), ("10.1.0.0/16", "2001:db8::/32"), True, self.source),
            limits=Limits(text["limit_zone"], 2, 30, 4, 5, ("127.0.0.0/8",), self.source),
            external_auth=self._external_auth(),
            pass_client_certificate=True,
        )

    def released(self, path: str, by: SplitBy) -> Route:
        """Users keep their version, a preview gets copies of what its route rewrites."""
        text = self.text
        policy = Policy(rewrite=self.rewrite("rewrite_target"), upstream=Upstream(vhost=text["vhost"]))
        route = self.route(PathKind.PREFIX, path, policy)
        to = Beside("e" * 16, "1" * 16, f"{17:016x}", text["service"], text["service"], text["port"])
        versions = tuple(self._version(number) for number in range(3))
        return replace(route, versions=versions, split_by=by, shadow=Shadow(to, 12_345, self.source))

    def changed(self) -> Policy:
        """All that changes answers."""
        text, source = self.text, self.source
        by = Beside("d" * 16, "1" * 16, f"{16:016x}", text["answer_by"], text["answer_by"], text["port"])
        origins = ("https://o.example", text["answer_origin"])
        cors = Cors(origins, text["answer_methods"], text["answer_allowed"], text["answer_exposed"], True, 60, source)
        swap = Swap(text["answer_old"], text["answer_new"])
        return Policy(
            cors=cors,
            answer_headers=(HeaderLine(text["answer_header"], text["answer_value"]),),
            cookie_domain=swap,
            cookie_path=swap,
            location=swap,
            errors=ErrorPages((404, 500, 503), by, source),
            fallback=by,
            mirror=Mirror(by, text["answer_mirror_host"], text["answer_mirror"], False, source),
            bandwidth=Bandwidth(1000, 10),
            upstream=Upstream(connection=text["answer_connection"]),
            relative_redirects=True,
            access_log=False,
            rewrite_log=True,
        )

    def fastcgi(self) -> Policy:
        text = self.text
        line = HeaderLine(text["answer_parameter"], text["answer_parameter_value"])
        return Policy(upstream=Upstream(protocol=Protocol.FCGI, fastcgi=FastCgi(text["answer_index"], (line,))))

    def _external_auth(self) -> ExternalAuth:
        text = self.text
        return ExternalAuth(
            Beside("b" * 16, "1" * 16, "c" * 16, text["service"]),
            text["auth_url"],
            text["auth_host"],
            text["auth_target"],
            self.source,
            text["auth_method"],
            text["auth_signin"],
            text["auth_parameter"],
            (text["auth_response_header"],),
            text["auth_redirect"],
            (HeaderLine(text["auth_header"], text["auth_header_value"]),),
            True,
            text["auth_cache_key"],
            (CacheTime((200, 401), 300),),
        )
