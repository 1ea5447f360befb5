"""What an Ingress asks for on its routes beside their endpoints; a part of the plan's values (serin.routing.plan)."""

from dataclasses import dataclass, field

from serin.refs import Source
from serin.routing.access import Access, ExternalAuth, Limits
from serin.routing.answers import Bandwidth, Cors, ErrorPages, Swap
from serin.routing.beside import Beside, Mirror
from serin.routing.lines import HeaderLine
from serin.routing.upstream import Upstream


@dataclass(frozen=True, slots=True)
class Closed:
    """Every request is answered with `status`: an access rule could not be honoured, or Serin failed on this object."""

    status: int
    code: str
    source: Source


@dataclass(frozen=True, slots=True)
class AppRoot:
    """302 from `/` to `path`, before anything else. It is the host's: in its first route, EXACT `/`, and no other."""

    path: str
    source: Source


@dataclass(frozen=True, slots=True)
class UrlRedirect:
    """permanent-redirect, temporal-redirect. A `url` starting with `/` is completed by the request's scheme and host.

    With code 300 there is no Location; the URL is the body (as observed).
    """

    code: int
    url: str
    source: Source


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The path sent on; `pattern` is the rule's path as PCRE, `target` may hold $0…$9.

    `absolute`: answer 302 to it instead.
    """

    pattern: str
    target: str
    absolute: bool
    source: Source


@dataclass(frozen=True, slots=True)
class TlsRedirect:
    """Plain requests get `code` and the https address; one trailing slash is dropped unless `keep_slash`.

    `spared`: aliases of the host that are not redirected, because its certificate is not for them.
    """

    code: int
    keep_slash: bool
    source: Source
    spared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BasicAuth:
    """`users` names a user file of the plan by its digest."""

    realm: str
    users: str
    source: Source


@dataclass(frozen=True, slots=True)
class Affinity:
    """Cookie affinity. `path` is the cookie's Path; `expires` and `max_age` in seconds, 0 for a session cookie.

    `persistent`: the cookie names the endpoint itself; else it is hashed, and scaling moves some users.
    """

    name: str
    path: str
    domain: str = ""
    expires: int = 0
    max_age: int = 0
    same_site: str = ""
    conditional_same_site_none: bool = False
    secure: bool | None = None
    persistent: bool = False
    change_on_failure: bool = False
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """All that an Ingress's annotations ask for on its routes; equal for all routes of an Ingress but for paths.

    `max_body` in bytes, 0 for no limit (ingress-nginx: 1 MiB).
    """

    closed: Closed | None = None
    app_root: AppRoot | None = None
    redirect: UrlRedirect | None = None
    rewrite: Rewrite | None = None
    tls_redirect: TlsRedirect | None = None
    auth: BasicAuth | None = None
    affinity: Affinity | None = None
    forwarded_prefix: str = ""
    max_body: int = 1048576
    upstream: Upstream = field(default_factory=Upstream)
    client_match: str = ""
    """PCRE that the subject of the client's certificate must match, else 403 (auth-tls-match-cn)."""
    pass_client_certificate: bool = False
    """The endpoint gets the client's certificate in ssl-client-cert (auth-tls-pass-certificate-to-upstream)."""
    access: Access = field(default_factory=Access)
    limits: Limits | None = None
    external_auth: ExternalAuth | None = None
    cors: Cors | None = None
    answer_headers: tuple[HeaderLine, ...] = ()
    """custom-headers."""
    cookie_domain: Swap | None = None
    cookie_path: Swap | None = None
    location: Swap | None = None
    """proxy-redirect-from, -to."""
    errors: ErrorPages | None = None
    fallback: Beside | None = None
    """Who serves when no version has an endpoint (default-backend); with the headers of ErrorPages, X-Code 503."""
    mirror: Mirror | None = None
    bandwidth: Bandwidth | None = None
    relative_redirects: bool = False
    """Our own Location headers have no scheme and host (relative-redirects)."""
    port_in_redirects: bool = False
    """Redirects for a missing slash carry the port (use-port-in-redirects)."""
    access_log: bool = True
    rewrite_log: bool = False
