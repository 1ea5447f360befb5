"""Who may come in, and how often: address lists, limits, external authentication; parts of the plan's values.

The order in a request is nginx's: limits of requests, limits of connections, then lists, password, external
authentication, of which `satisfy any` asks for one alone.
"""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from serin.refs import Source
from serin.routing.beside import Beside
from serin.routing.lines import HeaderLine


@dataclass(frozen=True, slots=True)
class Access:
    """Networks as canonical CIDR texts (`10.0.0.0/8`, `::1/128`), IPv4 ones never mapped into IPv6.

    A client in `deny` gets 403; where `allow` is not empty, so does everybody who is not in it. `any_of`: whoever
    passes one of lists, password and external authentication comes in (satisfy: any); lists count as passed only where
    they are not empty.
    """

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    any_of: bool = False
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one client address, over all routes of the Ingress and all workers of the replica.

    `rps`, `rpm`: requests a second and a minute, each with a burst of the rate times `burst` beyond the first one,
    without delay; `connections`: requests at a time. 0: no limit. Clients in `spared` (CIDRs) have none. `zone` (16 hex
    digits) names the Ingress: what is counted belongs to it. Beyond: the status of Globals.limit_req_status (_conn_).
    """

    zone: str
    rps: int = 0
    rpm: int = 0
    connections: int = 0
    burst: int = 5
    spared: tuple[str, ...] = ()
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class CacheTime:
    """How long an answer of the authentication server is kept: `codes` (empty: every one), seconds."""

    codes: tuple[int, ...]
    seconds: int


@dataclass(frozen=True, slots=True)
class ExternalAuth:
    """auth-url and its family: a request without body to `to` decides. 2xx: in; 401, 403: the answer; else 500.

    `target`: path and query with nginx's variables, `host`: Host header (may hold variables), `method` empty: GET.
    `signin`: where a 401 is sent to by 302 (may hold variables); the address asked for is appended as `signin_param`
    unless it is there. `response_headers` of its answer replace the client's towards the endpoint; `request_redirect`
    is X-Auth-Request-Redirect (empty: the target as sent). `set_headers` (values may hold variables) go to it.
    `always_set_cookie`: its Set-Cookie also on errors. `cache_key` (with variables), empty: nothing is kept.
    `url` is the URL as written, for X-… headers and explain. Keep-alive as its annotations say, 0: none.
    """

    to: Beside
    url: str
    host: str
    target: str
    source: Source
    method: str = ""
    signin: str = ""
    signin_param: str = "rd"
    response_headers: tuple[str, ...] = ()
    request_redirect: str = ""
    set_headers: tuple[HeaderLine, ...] = ()
    always_set_cookie: bool = False
    cache_key: str = ""
    cache_times: tuple[CacheTime, ...] = ()
    keepalive: int = 0
    keepalive_requests: int = 1000
    keepalive_timeout: int = 60
    share_variables: bool = False

    @property
    def signin_url(self) -> str:
        """`signin` with the address asked for in its query, unless it has one (ingress-nginx's buildAuthSignURL).

        Holds variables; empty without `signin`. ValueError where it is no URL.
        """
        query = urlsplit(self.signin).query
        if not self.signin or any(parse_qs(query).get(self.signin_param, ())):
            return self.signin
        joint = "&" if query else "?"
        return f"{self.signin}{joint}{self.signin_param}=$pass_access_scheme://$http_host$escaped_request_uri"
