"""The peers of bench/nginx.py, as a careful hand writes them: an nginx.conf and a HAProxy with the same work to do.

The same upstream with kept connections, the same headers to it and to clients (a request's own X-Request-ID, HSTS over
TLS), the same line in the access log, one worker.
"""

from dataclasses import dataclass
from pathlib import Path

from rig import HOST, Rig, children, free_port, have, nginx, wait_http

WEIGHTED = "weighted.example.com"
RULED = "ruled.example.com"

LOG = """log_format upstreaminfo '$remote_addr - $remote_user [$time_local] "$request" '
    '$status $body_bytes_sent "$http_referer" "$http_user_agent" $request_length $request_time [$name] [$other] '
    '$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id';
  """
HEADERS = """proxy_set_header Host $http_host; proxy_set_header X-Request-ID $req_id;
      proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Forwarded-Proto $scheme; proxy_set_header X-Forwarded-Scheme $scheme;
      proxy_set_header X-Scheme $scheme; proxy_set_header X-Original-Forwarded-For $http_x_forwarded_for;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
      proxy_set_header Proxy "";"""
LISTEN_TLS = "ssl http2 reuseport"


@dataclass(frozen=True)
class Peer:
    """Ports, and the process that does the work."""

    http: int
    https: int
    pid: int


def hand_written(rig: Rig, target: int, certificate: Path, log: str) -> Peer:
    """`log`: what follows the path in access_log, such as buffer=64k."""
    port, https = free_port(), free_port()
    servers = "\n".join(
        f"""  server {{
    listen 127.0.0.1:{port}{" reuseport" if first else ""};
    listen 127.0.0.1:{https} {LISTEN_TLS if first else "ssl http2"};
    server_name {host}; keepalive_requests 1000; ssl_certificate {certificate}; ssl_certificate_key {certificate};
    location / {{ set $name "bench-main-80"; set $other ""; proxy_pass http://{to}; {HEADERS} }}
  }}"""
        for first, host, to in ((True, HOST, "main"), (False, WEIGHTED, "$drawn"), (False, RULED, "$ruled"))
    )
    master = nginx(
        rig,
        f"hand-{port}",
        f"""
  {LOG}
  access_log {rig.folder}/hand-{port}.access upstreaminfo {log};
  server_tokens off; tcp_nopush on; keepalive_timeout 75s;
  ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:SSL:10m;
  proxy_http_version 1.1; proxy_buffering off; proxy_next_upstream error timeout;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  map $http_x_request_id $req_id {{ default $http_x_request_id; '' $request_id; }}
  map $https $hsts {{ default ''; on "max-age=31536000; includeSubDomains"; }}
  proxy_hide_header Strict-Transport-Security; add_header Strict-Transport-Security $hsts always;
  split_clients $request_id $drawn {{ 10% canary; * main; }}
  map $http_x_version $ruled {{ "~^v2$" canary; default main; }}
  upstream main {{ server 127.0.0.1:{target}; keepalive 320; keepalive_requests 10000; }}
  upstream canary {{ server 127.0.0.1:{target}; keepalive 320; keepalive_requests 10000; }}
{servers}
""",
    )
    for host in (HOST, WEIGHTED, RULED):
        wait_http(f"http://127.0.0.1:{port}/", host=host)
    return Peer(port, https, children(master.pid)[0])


def haproxy(rig: Rig, target: int, certificate: Path) -> Peer | None:
    """None when there is no HAProxy."""
    program = have("haproxy")
    if program is None:
        return None
    port, https = free_port(), free_port()
    conf = rig.folder / "haproxy.cfg"
    conf.write_text(f"""
global
  nbthread 1
  maxconn 4000
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option forwardfor
  timeout connect 5s
  timeout client 75s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:{port}
  bind 127.0.0.1:{https} ssl crt {certificate} alpn h2,http/1.1
  unique-id-format %[uuid()]
  unique-id-header X-Request-ID
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}
  http-request set-header X-Forwarded-Scheme http unless {{ ssl_fc }}
  http-request set-header X-Scheme http unless {{ ssl_fc }}
  use_backend weighted if {{ req.hdr(Host) -m beg {WEIGHTED} }}
  use_backend canary if {{ req.hdr(Host) -m beg {RULED} }} {{ req.hdr(X-Version) -m str v2 }}
  default_backend main
backend main
  server a 127.0.0.1:{target} maxconn 4096
backend canary
  server a 127.0.0.1:{target} maxconn 4096
backend weighted
  balance random
  server a 127.0.0.1:{target} weight 90
  server b 127.0.0.1:{target} weight 10
""")
    process = rig.start(program, "-f", conf, name="haproxy")
    wait_http(f"http://127.0.0.1:{port}/", host=HOST)
    return Peer(port, https, process.pid)
