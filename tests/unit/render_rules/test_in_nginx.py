"""The same blocks in a real nginx: it takes them, and gives the values that reading them gives."""

import http.client
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness.nginx_maps import Request, Variables, reached
from harness.rule_cases import INGRESS, requests, route_of, version
from harness.waiting import until
from hypothesis import HealthCheck, given, settings

from serin.dataplane.nginx.components import Components, find
from serin.errors import SerinError
from serin.render.nginx.blocks import Block
from serin.render.nginx.environment import environment
from serin.render.nginx.rules import RouteRules, route_rules
from serin.render.nginx.stock import StockRoute, route_stock
from serin.render.nginx.weights import Weights
from serin.routing.conditions import FieldMatch, Match, MatchKind, MatchRule
from serin.routing.plan import (
    Affinity,
    CookieRule,
    Endpoint,
    HashBy,
    HeaderRule,
    Policy,
    Pool,
    PoolSpec,
    Route,
    Share,
    Split,
    VersionRoute,
)

REGEX = MatchKind.REGULAR_EXPRESSION


def _rules(*matches: Match) -> tuple[MatchRule, ...]:
    return tuple(MatchRule(1, (match,)) for match in matches)


def _by_header(*rules: HeaderRule) -> Route:
    return route_of(version(0), *(version(i, rule) for i, rule in enumerate(rules, 1)))


ROUTES = (
    route_of(version(0), version(1, HeaderRule("X-Canary"), CookieRule("canary"))),
    route_of(version(0), version(1, HeaderRule("X-Canary", value='a"b\\$'), CookieRule("a.b"))),
    route_of(version(0), version(1, HeaderRule("x_other", pattern="^Do[A-Z][a-z]+y$"), CookieRule("~x:y"))),
    _by_header(HeaderRule("X-Canary", pattern="(?i)beta"), HeaderRule("X-Canary", value="é")),
    _by_header(HeaderRule("X-Canary", pattern="a*"), HeaderRule("X-Canary", pattern="(a|a)*b")),
    _by_header(HeaderRule("X-Canary", pattern="(", broken=True), HeaderRule("X-Other")),
    route_of(version(0), version(1, None, CookieRule("with space"))),
    replace(
        route_of(version(0), version(1, HeaderRule("X-Canary"))),
        policy=Policy(affinity=Affinity("canary", "/", max_age=60)),
    ),
    route_of(
        version(0),
        version(1),
        rules=_rules(
            Match(headers=(FieldMatch("X-Canary", REGEX, "v[0-9]+"),)),
            Match(cookies=(FieldMatch("v", value="v1"),), method="GET"),
            Match(query=(FieldMatch("v", value="1"),)),
            Match(query=(FieldMatch("w", value="a b"),), headers=(FieldMatch("x-other", MatchKind.PRESENT),)),
            Match(clients=("10.0.0.0/8", "fd00::/8")),
        ),
    ),
    route_of(
        version(0),
        VersionRoute("1" * 16, "v", INGRESS, "web", "80", "p1", hash_by=HashBy(("$request_uri", "-$", "$http_y"))),
    ),
)
MARK = "serin_dollar"
DRAWN = 3
"""The route of three versions whose weights are looked at."""


def _numbered(route: Route, number: int) -> Route:
    return replace(route, split=f"{number:016x}")


def _weights(route: Route) -> Weights:
    pools = {v.pool: Pool(PoolSpec(v.pool, "shop", "web", 80), (Endpoint("192.0.2.1", 80),)) for v in route.versions}
    found = tuple(Share(v.ident, v.pool, 10) for v in route.versions)
    assert route.split is not None
    return Weights({route.split: Split(route.split, route.rule, found)}, pools)


class Nginx:
    """One process without a master, behind a Unix socket; a location for each text."""

    def __init__(self, parts: Components, http: str, texts: list[str]) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="srn"))
        places = "".join(f'location = /{n} {{ return 200 "[{text}]"; }}\n' for n, text in enumerate(texts))
        (self.folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {self.folder}/pid; error_log {self.folder}/error.log;\n"
            "events { worker_connections 64; }\nhttp {\naccess_log off; map_hash_bucket_size 256;\n"
            "variables_hash_max_size 4096; keepalive_requests 100000;\n"
            + "".join(f"{name}_temp_path {self.folder}/{name};\n" for name in _TEMPS)
            + f'geo ${MARK} {{ default "$"; }}\nmap "" $pass_port {{ default "80"; }}\n'
            'map "" $serin_never { default ""; }\n'
            "set_real_ip_from unix:; real_ip_header X-Client;\n"
            f"{http}\nserver {{ listen unix:{self.folder}/s;\n{places}}}\n}}\n"
        )
        command = [parts.binary, "-p", str(self.folder), "-c", "nginx.conf", "-e", "error.log"]
        environment = {**os.environ, **dict(parts.environment)}
        tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False, env=environment)
        assert tested.returncode == 0, tested.stderr
        self.process = subprocess.Popen(command, env=environment)
        connection = until(lambda: http_over(self.folder / "s"), "nginx listens")
        assert connection is not None
        self.connection = connection

    def ask(self, number: int, request: Request) -> bytes:
        """The text of a location, as bytes."""
        query = request.target.partition(b"?")
        self.connection.putrequest(request.method, f"/{number}" + (query[1] + query[2]).decode(), skip_host=True)
        self.connection.putheader("Host", "a")
        self.connection.putheader("X-Client", request.client)
        for name, value in request.headers:
            self.connection.putheader(name, value)
        for cookie in request.cookies:
            self.connection.putheader("Cookie", cookie)
        self.connection.endheaders()
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        return body[1:-1]

    def close(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder)


_TEMPS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def http_over(path: Path) -> http.client.HTTPConnection | None:
    """None: nobody listens yet."""
    connection = http.client.HTTPConnection("a")
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.sock.connect(str(path))
    except OSError:
        connection.close()
        return None
    return connection


def written(blocks: tuple[Block, ...]) -> str:
    return str(environment().get_template("maps.j2").module.blocks(blocks))  # type: ignore[attr-defined]


LUA: list[RouteRules] = [route_rules(_numbered(route, n), lua=True) for n, route in enumerate(ROUTES, 1)]
STOCK: list[tuple[Route, StockRoute]] = [
    (route, route_stock(route, _weights(route))) for route in (_numbered(r, n) for n, r in enumerate(ROUTES, 101))
]


def _said(rules: RouteRules) -> list[str]:
    """Variables that a location has to say."""
    rows = {c.variable for row in rules.spec.rows for c in row.conditions if hasattr(c, "variable")}
    return [name for name in (rules.spec.letters, *rules.spec.keys, *sorted(rows)) if name]


SAID = [(rules.blocks, name) for rules in LUA for name in _said(rules)]
TARGETS = [(made.blocks, made.target) for _, made in STOCK]


@pytest.fixture(scope="module")
def nginx() -> Iterator[Nginx]:
    try:
        parts = find("off")
    except SerinError as e:
        pytest.skip(str(e))
    upstreams = environment().get_template("stock.j2").module.upstreams  # type: ignore[attr-defined]
    http = "\n".join(
        [
            *(written(rules.blocks) for rules in LUA),
            *(written(m.blocks) + str(upstreams(m.upstreams)) for _, m in STOCK),
        ]
    )
    texts = [f"${{{name}}}" for _, name in SAID]
    texts += [str(environment().filters["text"](target))[1:-1] for _, target in TARGETS]
    made = Nginx(parts, http, texts)
    yield made
    made.close()


def clean(request: Request) -> Request:
    """As it arrives: without blanks around a value; nginx answers 400 to the method `get`."""
    method = "POST" if request.method == "POST" else "GET"
    headers = [(name, value) for name, value in request.headers if value]
    return Request(
        headers, [c.strip(b" ") for c in request.cookies if c.strip(b" ")], request.target, method, request.client
    )


def at(request: Request, number: int) -> Request:
    return replace(request, target=request.target.replace(b"/p", b"/%d" % number, 1))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request_=requests)
def test_nginx_gives_the_values_that_reading_gives(nginx: Nginx, request_: Request) -> None:
    request = clean(request_)
    for number, (blocks, name) in enumerate(SAID):
        asked = at(request, number)
        found = nginx.ask(number, asked)
        assert found in {Variables(blocks, asked, joins=joins).value(name) for joins in (False, True)}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request_=requests)
def test_nginx_goes_where_reading_goes(nginx: Nginx, request_: Request) -> None:
    request = clean(request_)
    names = [name for name, _ in request.headers]
    if len(set(names)) < len(names):
        return
    for number, (blocks, target) in enumerate(TARGETS, len(SAID)):
        asked = at(request, number)
        found = nginx.ask(number, asked).decode()
        assert found in (reached(blocks, target, asked) or {""})


def test_nginx_draws_what_the_weights_say(nginx: Nginx) -> None:
    """Shares of 2,000; six standard deviations of a half are 134."""
    number = len(SAID) + DRAWN
    blocks, target = TARGETS[DRAWN]
    shares = reached(blocks, target, Request())
    drawn = [nginx.ask(number, Request(target=b"/%d" % number)).decode() for _ in range(2000)]
    assert len(shares) == 3
    for name, hundredths in shares.items():
        assert abs(drawn.count(name) - hundredths / 5) < 134
