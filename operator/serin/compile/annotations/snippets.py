"""Raw nginx configuration. Never supported: one tenant's text must not be able to change another's routes.

A snippet that lets in or keeps out is an access rule and closes the routes; any other one has no effect. For the
directives that snippets mostly hold there is an annotation or a ConfigMap option, and that is what users are told.
"""

import re
from collections.abc import Mapping

from serin.compile.annotations.model import Concern, Scope, unsupported

_ACCESS = re.compile(
    r"""(?:^|[\s;{}"'])(?:allow|deny|return|satisfy|internal|include|auth_\w+|limit_(?:req|conn|except)\w*|secure_link\w*|"""
    r"ssl_verify\w*|ssl_client_certificate|ssl_crl|\w+_by_lua\w*|js_\w+|perl\w*|modsecurity\w*)\b"
)
_WORD = re.compile(r"""(?:^|[\s;{}"'])([a-z0-9_]+)""")
_BUFFERS = "proxy-buffer-size, proxy-buffers-number"
_IN_MAP = "in the ConfigMap"
_TYPED: Mapping[str, str] = {
    "access_log": "enable-access-log",
    "add_header": f"custom-headers, or add-headers {_IN_MAP}",
    "allow": "allowlist-source-range",
    "auth_basic": "auth-type",
    "auth_request": "auth-url",
    "client_body_buffer_size": "client-body-buffer-size",
    "client_max_body_size": "proxy-body-size",
    "deny": "denylist-source-range",
    "error_page": "custom-http-errors with default-backend",
    "fastcgi_param": "fastcgi-params-configmap",
    "grpc_read_timeout": "proxy-read-timeout",
    "grpc_send_timeout": "proxy-send-timeout",
    "gzip": f"use-gzip {_IN_MAP}",
    "gzip_types": f"gzip-types {_IN_MAP}",
    "keepalive_timeout": f"keep-alive {_IN_MAP}",
    "large_client_header_buffers": f"large-client-header-buffers {_IN_MAP}",
    "limit_conn": "limit-connections",
    "limit_rate": "limit-rate",
    "limit_req": "limit-rps",
    "location": "a path of an Ingress",
    "mirror": "mirror-target",
    "more_clear_headers": f"hide-headers {_IN_MAP}",
    "more_set_headers": f"custom-headers, or add-headers {_IN_MAP}",
    "more_set_input_headers": f"proxy-set-headers {_IN_MAP}",
    "proxy_buffer_size": _BUFFERS,
    "proxy_buffering": "proxy-buffering",
    "proxy_buffers": _BUFFERS,
    "proxy_connect_timeout": "proxy-connect-timeout",
    "proxy_cookie_domain": "proxy-cookie-domain",
    "proxy_cookie_path": "proxy-cookie-path",
    "proxy_hide_header": f"hide-headers {_IN_MAP}",
    "proxy_http_version": "proxy-http-version",
    "proxy_intercept_errors": "custom-http-errors",
    "proxy_next_upstream": "proxy-next-upstream",
    "proxy_pass": "a path of an Ingress with this backend",
    "proxy_read_timeout": "proxy-read-timeout",
    "proxy_redirect": "proxy-redirect-from, proxy-redirect-to",
    "proxy_request_buffering": "proxy-request-buffering",
    "proxy_send_timeout": "proxy-send-timeout",
    "proxy_set_header": f"upstream-vhost for Host, proxy-set-headers {_IN_MAP} for others",
    "proxy_ssl_name": "proxy-ssl-name",
    "proxy_ssl_server_name": "proxy-ssl-server-name",
    "proxy_ssl_verify": "proxy-ssl-verify",
    "return": "permanent-redirect or temporal-redirect",
    "rewrite": "rewrite-target or app-root",
    "satisfy": "satisfy",
    "server_name": "server-alias",
    "set_real_ip_from": f"proxy-real-ip-cidr {_IN_MAP}",
    "ssl_ciphers": "ssl-ciphers",
    "ssl_client_certificate": "auth-tls-secret",
    "ssl_verify_client": "auth-tls-verify-client",
}
"""What stands for a directive of nginx."""


def guards(snippet: str) -> bool:
    """Whether the text holds a directive that decides who may come in, or might."""
    return _ACCESS.search(snippet) is not None


def advice(snippet: str) -> str:
    """What to use for the directives that the text holds; for others what there is of that kind."""
    words = dict.fromkeys(found[1] for found in _WORD.finditer(snippet))
    named = [f"{_TYPED[word]} (for {word})" for word in words if word in _TYPED]
    return f"use {'; '.join(named)}" if named else _GENERAL


_R = Concern.ROUTING
_GENERAL = "use the annotation for it: rewrite-target, permanent-redirect, proxy-read-timeout, upstream-vhost, …"

FAMILY = (
    unsupported(
        "configuration-snippet",
        _R,
        Scope.LOCATION,
        "Raw nginx text of a location.",
        instead=_GENERAL,
        guards=guards,
        advice=advice,
    ),
    unsupported(
        "server-snippet",
        _R,
        Scope.INGRESS,
        "Raw nginx text of a host.",
        instead=_GENERAL,
        guards=guards,
        advice=advice,
    ),
    unsupported(
        "stream-snippet",
        _R,
        Scope.INGRESS,
        "Raw nginx text for TCP and UDP.",
        instead="use the TCP and UDP services ConfigMaps",
        guards=guards,
    ),
    unsupported(
        "auth-snippet",
        Concern.ACCESS,
        Scope.LOCATION,
        "Raw nginx text of the question to `auth-url`, which may decide its answer.",
        instead="use auth-proxy-set-headers for headers, auth-method for the method",
    ),
)
