"""The stream part of nginx.conf: what stands in it for ports, endpoints and names."""

from dataclasses import replace
from typing import Literal

from serin.refs import Ref, Source
from serin.render.nginx.listening import listens
from serin.render.nginx.main import host_file, render_main
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.streams import Endpoints
from serin.routing.beside import Beside
from serin.routing.plan import Endpoint, Globals, Host, PathKind, PathMatch, Policy, Pool, PoolSpec, Route, RuleId
from serin.routing.wide import Forwarding, Logs, Passing, Stream

SETTINGS = NginxSettings(
    "/run",
    "/run/state/nginx",
    ("127.0.0.1:8080",),
    ("127.0.0.1:8443",),
    "/run/state/nginx/status.sock",
    addresses=("127.0.0.1", "::1"),
    stream=True,
    stream_module="/m/ngx_stream_module.so",
    half_close=True,
)
TO = Beside("0" * 16, "1" * 16, "2" * 16, "shop-db-80")
POOL = Pool(PoolSpec("2" * 16, "shop", "db", 80), (Endpoint("10.0.0.1", 5432), Endpoint("fd00::1", 5432)))
TCP = Globals(streams=(Stream("TCP", 5432, TO),))


def host(name: str, passed: Beside | None = None) -> Host:
    source = Source(Ref("Ingress", "shop", "a"))
    match, rule = PathMatch(PathKind.PREFIX, "/"), RuleId(name, "/", "Prefix")
    return Host(name, (Route(match, rule, source.ref, None, (), Policy()),), passthrough=passed)


def part(globals_: Globals, *hosts: Host, endpoints: Endpoints | None = None, **settings: object) -> str:
    """What stands behind `stream {`, without blanks; empty where there is none."""
    files = [host_file(each, f"hosts/{number:032x}.conf") for number, each in enumerate(hosts)]
    given = replace(SETTINGS, **settings)  # type: ignore[arg-type]
    text = render_main(globals_, files, {}, given, "d", endpoints or Endpoints({POOL.spec.id: POOL}))
    return " ".join(text.partition("\nstream {")[2].split())


def test_a_port_has_the_endpoints_of_its_pool() -> None:
    text = part(TCP)
    assert "server 10.0.0.1:5432; server [fd00::1]:5432; }" in text
    assert "listen 127.0.0.1:5432; listen [::1]:5432; proxy_pass serin_stream_" in text
    assert "proxy_half_close on;" in text
    assert "ssl_preread" not in text
    assert "hash $remote_addr" not in text


def test_nothing_to_be_passed_on_is_no_stream_part() -> None:
    assert part(Globals()) == ""
    assert part(TCP, stream=False) == ""
    assert "load_module" not in render_main(Globals(), [], {}, SETTINGS, "d")


def test_who_has_no_endpoints_has_a_server_that_is_down() -> None:
    text = part(TCP, endpoints=Endpoints({}))
    assert "server 0.0.0.1:1 down;" in text


def test_a_port_that_cannot_be_had_is_left_out_on_its_address() -> None:
    one = Endpoints({POOL.spec.id: POOL}, frozenset({("TCP", 5432, "::1")}))
    assert "listen 127.0.0.1:5432; proxy_pass" in part(TCP, endpoints=one)
    both = frozenset({("TCP", 5432, "::1"), ("TCP", 5432, "127.0.0.1")})
    assert part(TCP, endpoints=Endpoints({}, both)) == ""


def test_client_affinity_and_lines_and_datagrams() -> None:
    sticky = Endpoints({POOL.spec.id: replace(POOL, client_affinity=10800)})
    assert "hash $remote_addr consistent;" in part(TCP, endpoints=sticky)
    lines = Globals(streams=(Stream("TCP", 25, TO, decode=True, encode=True), Stream("UDP", 53, TO)))
    text = part(lines)
    assert "listen 127.0.0.1:25 proxy_protocol;" in text
    assert "set_real_ip_from 0.0.0.0/0; set_real_ip_from ::/0; proxy_protocol_timeout 5s; proxy_protocol on;" in text
    assert "listen [::1]:53 udp; proxy_responses 1;" in text


def test_names_whose_tls_is_passed_on() -> None:
    passing = Globals(passthrough=True)
    hosts = (host("passed.example", TO), host("*.wild.example", TO), host("own.wild.example"), host("other.example"))
    text = part(passing, *hosts)
    assert '"passed.example" unix:/run/state/nginx/passed.sock;' in text
    assert '"own.wild.example" unix:/run/state/nginx/tls.sock;' in text
    assert '"passed.example" serin_stream_' in text
    assert "other.example" not in text
    assert "listen 127.0.0.1:8443; ssl_preread on;" in text
    assert listens(SETTINGS, passing).https == ("unix:/run/state/nginx/tls.sock",)
    assert listens(SETTINGS, passing).https_lines


def test_lines_of_a_load_balancer_come_before_the_name() -> None:
    forwarding = Forwarding(proxy_protocol=True, proxies=("10.0.0.0/8",))
    text = part(Globals(passthrough=True, forwarding=forwarding), host("passed.example", TO))
    assert "listen 127.0.0.1:8443 proxy_protocol; set_real_ip_from 10.0.0.0/8;" in text
    without = listens(SETTINGS, Globals(forwarding=forwarding))
    assert (without.https, without.http_lines, without.https_lines) == (("127.0.0.1:8443",), True, True)
    no_module = listens(replace(SETTINGS, stream=False), Globals(passthrough=True))
    assert (no_module.https, no_module.https_lines) == (("127.0.0.1:8443",), False)


def test_the_log_has_the_address_of_who_is_refused_before_real_ip_is_asked() -> None:
    def log(globals_: Globals, access_log: Literal["upstreaminfo", "json"] = "upstreaminfo") -> str:
        text = render_main(globals_, [], {}, replace(SETTINGS, access_log=access_log), "d")
        return text[text.index("log_format serin") :].partition(";")[0]

    formats: tuple[Literal["upstreaminfo", "json"], ...] = ("upstreaminfo", "json")
    for access_log in formats:
        assert "$remote_addr" in log(Globals(), access_log)
        passing = log(Globals(passthrough=True), access_log)
        assert ("$serin_client" in passing, "$remote_addr" in passing) == (True, False)
    own = log(Globals(passthrough=True, logs=Logs(format="$remote_addr $the_real_ip $status")))
    assert "${serin_client}" in own
    assert "remote_addr" not in own
    whole = render_main(Globals(passthrough=True), [], {}, SETTINGS, "d")
    assert 'map $remote_addr $serin_client { "unix:" $proxy_protocol_addr; default' in " ".join(whole.split())


def test_options_stand_in_place_of_the_usual_values() -> None:
    rules = Passing(timeout=30, responses=0, next_upstream=False, tries=7, tries_timeout=0)
    udp = Stream("UDP", 53, TO)
    told = Forwarding(line_timeout=9)
    text = part(
        Globals(streams=(*TCP.streams, udp, Stream("TCP", 25, TO, decode=True)), passing=rules, forwarding=told)
    )
    for line in (
        "proxy_timeout 30s;",
        "proxy_responses 0;",
        "proxy_next_upstream off;",
        "proxy_next_upstream_tries 7;",
        "proxy_next_upstream_timeout 0s;",
        "proxy_protocol_timeout 9s;",
    ):
        assert line in text


def test_the_access_log_is_ingress_nginx_s_unless_options_say_otherwise() -> None:
    text = part(TCP)
    assert "log_format serin_stream" in text
    assert "access_log /dev/stdout serin_stream" in text.replace('"', "")
    assert "$proxy_upstream_name" not in text
    own = Logs(stream_format="$proxy_upstream_name of $remote_addr", stream_path="/var/log/tcp.log", path="/elsewhere")
    text = part(Globals(streams=TCP.streams, logs=own))
    assert "TCP:5432 tcp-shop-db-80;" in text
    assert "/var/log/tcp.log serin_stream" in text.replace('"', "")
    assert "access_log off; upstream" in part(Globals(streams=TCP.streams, logs=Logs(stream_off=True)))
    assert "access_log off; upstream" in part(TCP, access_log="off")
    assert "log_format serin_stream escape=json" in part(TCP, access_log="json")
