"""What the ConfigMap says about who may come in, for all Ingresses. Keys: settings_access."""

from dataclasses import dataclass, field

from serin.compile.annotations import cache_times
from serin.compile.annotations.urls import Url
from serin.routing.access import Access, CacheTime
from serin.routing.wide import Blocks


@dataclass(frozen=True, slots=True)
class GlobalAuth:
    """global-auth-url and its family, as written. `unreadable`: the first key that cannot be read, or empty."""

    url: Url | None = None
    method: str = ""
    signin: str = ""
    signin_param: str = "rd"
    response_headers: tuple[str, ...] = ()
    request_redirect: str = ""
    always_set_cookie: bool = False
    cache_key: str = ""
    cache_times: tuple[CacheTime, ...] = cache_times.DEFAULT
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Guards:
    """`lists`: for Ingresses without lists of their own. `blocks`: patterns are not looked at yet."""

    lists: Access = field(default_factory=Access)
    blocks: Blocks = field(default_factory=Blocks)
    limit_req_status: int = 503
    limit_conn_status: int = 503
    auth: GlobalAuth = field(default_factory=GlobalAuth)
