"""Formats of access logs: text and nginx's variables. One of which a variable does not exist is refused."""

import re

from serin.routing.variables import is_variable_part, split_variables

_TEXT = re.compile(r"[\x20-\x7e]{1,8192}")

VARIABLES = frozenset(
    (
        *("args", "arguments", "best_http_host", "binary_remote_addr", "body_bytes_sent", "bytes_sent", "connection"),
        *("connection_requests", "connection_time", "content_length", "content_type", "date_gmt", "date_local"),
        *("document_uri", "host", "hostname", "http2", "https", "ingress_name", "is_args", "location_path", "msec"),
        *("namespace", "nginx_version", "pass_access_scheme", "pass_port", "pass_server_port", "pid", "pipe"),
        *("protocol", "proxy_add_x_forwarded_for", "proxy_alternative_upstream_name", "proxy_host", "proxy_port"),
        *("proxy_protocol_addr", "proxy_protocol_port", "proxy_upstream_name", "query_string", "realip_remote_addr"),
        *("realip_remote_port", "remote_addr", "remote_port", "remote_user", "req_id", "request", "request_completion"),
        *("request_id", "request_length", "request_method", "request_time", "request_uri", "scheme", "sent_bytes"),
        *("server_addr", "server_name", "server_port", "server_protocol", "service_name", "service_port"),
        *("ssl_cipher", "ssl_client_fingerprint", "ssl_client_i_dn", "ssl_client_s_dn", "ssl_client_serial"),
        *("ssl_client_verify", "ssl_protocol", "ssl_server_name", "ssl_session_id", "ssl_session_reused", "status"),
        *("the_real_ip", "time_iso8601", "time_local", "upstream_addr", "upstream_bytes_received"),
        *("upstream_bytes_sent", "upstream_cache_status", "upstream_connect_time", "upstream_header_time"),
        *("upstream_response_length", "upstream_response_time", "upstream_status", "uri"),
    )
)
"""Of nginx and of ingress-nginx. Beside them: those of one header, cookie or parameter."""
FAMILIES = ("arg_", "cookie_", "http_", "sent_http_", "upstream_http_", "upstream_cookie_")
STREAM_VARIABLES = frozenset(
    (
        *("binary_remote_addr", "bytes_received", "bytes_sent", "connection", "hostname", "msec", "nginx_version"),
        *("pid", "protocol", "proxy_protocol_addr", "proxy_protocol_port", "proxy_upstream_name", "remote_addr"),
        *("remote_port", "server_addr", "server_port", "session_time", "ssl_preread_server_name", "status"),
        *("time_iso8601", "time_local", "upstream_addr", "upstream_bytes_received", "upstream_bytes_sent"),
        *("upstream_connect_time", "upstream_first_byte_time", "upstream_session_time"),
    )
)


def log_format(text: str, *, of_stream: bool = False) -> str | None:
    """The format as it is written, or None. A `$` that begins no name is none of a variable, which nginx refuses."""
    if _TEXT.fullmatch(text) is None:
        return None
    for part in split_variables(text):
        if part == "$" or (is_variable_part(part) and not _exists(part[1:], of_stream=of_stream)):
            return None
    return text


def _exists(name: str, *, of_stream: bool) -> bool:
    if of_stream:
        return name in STREAM_VARIABLES
    return name in VARIABLES or any(name.startswith(family) and name != family for family in FAMILIES)
