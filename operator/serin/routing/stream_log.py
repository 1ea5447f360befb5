"""What a line of the access log of TCP and UDP is made of, in nginx's words: alike in both data planes."""

from serin.routing.wide import Logs

DEFAULT = "[$remote_addr] [$time_local] $protocol $status $bytes_sent $bytes_received $session_time"
"""ingress-nginx's log-format-stream."""
JSON = (
    '{"time":"$time_iso8601","remote_addr":"$remote_addr","protocol":"$protocol","status":$status,'
    '"bytes_sent":$bytes_sent,"bytes_received":$bytes_received,"session_time":$session_time,'
    '"upstream":"$proxy_upstream_name","upstream_addr":"$upstream_addr"}'
)
"""Where the data plane logs JSON (--access-log-format=json)."""


def stream_format(logs: Logs, *, json: bool) -> tuple[str, bool]:
    """The format in force, and whether values are written as in JSON. `json`: the data plane's flag says so."""
    if logs.stream_format:
        return logs.stream_format, logs.escape_json
    return (JSON, True) if json else (DEFAULT, False)


def upstream_name(protocol: str, name: str) -> str:
    """$proxy_upstream_name of a port: ingress-nginx's `tcp-NAMESPACE-SERVICE-PORT`."""
    return f"{protocol.lower()}-{name}"
