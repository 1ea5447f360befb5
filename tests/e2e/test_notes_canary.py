"""The course notes' canaries: header Region, cookie user_from_cd, a weight of 10, and what comes before what."""

from collections.abc import Iterator

import pytest
from harness.e2e.backends import PREFIX, Manifest, ingress
from harness.e2e.notes import Stage, canary
from harness.e2e.replicas import doors, everywhere, often, shares
from harness.e2e.report import Report
from harness.e2e.site import Site

RULES = {
    "pattern": {"by_header": "Region", "by_header_pattern": "cd|sz"},
    "value": {"by_header": "Region", "by_header_value": "cd"},
    "header": {"by_header": "Region"},
    "cookie": {"by_cookie": "user_from_cd"},
    "none": {"weight": "0"},
    "tenth": {"weight": "10"},
    "all": {"weight": "100"},
    "order": {"by_header": "Region", "by_cookie": "user_from_cd", "weight": "100"},
}
CASES = [
    *(
        ("pattern", "Region: cd", "v2"),
        ("pattern", "Region: sz", "v2"),
        ("pattern", "Region: bj", "v1"),
        ("pattern", "", "v1"),
    ),
    *(("value", "Region: cd", "v2"), ("value", "Region: sz", "v1"), ("value", "", "v1")),
    *(("header", "Region: always", "v2"), ("header", "Region: never", "v1"), ("header", "Region: cd", "v1")),
    *(("cookie", "Cookie: user_from_cd=always", "v2"), ("cookie", "Cookie: user_from_cd=never", "v1")),
    *(("cookie", "Cookie: user_from_bj=always", "v1"), ("cookie", "", "v1")),
    *(("none", "", "v1"), ("all", "", "v2"), ("order", "", "v2"), ("order", "Cookie: user_from_cd=never", "v1")),
    ("order", "Region: never|Cookie: user_from_cd=always", "v1"),
    ("order", "Region: always|Cookie: user_from_cd=never", "v2"),
]
REQUESTS = 10
ALWAYS = ("-H", "Region: always")


@pytest.fixture(scope="module")
def shown(site: Site, stage: Stage) -> Iterator[Site]:
    site.install()
    mains = [ingress(name, host(name), "v1") for name in RULES]
    canaries = [canary(f"{name}-canary", host(name), **rule) for name, rule in RULES.items()]
    with stage.showing(*mains, *canaries):
        everywhere(site, f"http://{host('order')}/", "v2")
        yield site


def host(rule: str) -> str:
    return f"{rule}.canary.example.com"


@pytest.fixture
def elsewhere(shown: Site, stage: Stage) -> Iterator[Site]:
    """Canaries of rules that are not simply a host and a number: each with header Region as its rule."""
    annotations = {f"{PREFIX}canary": "true", f"{PREFIX}canary-by-header": "Region"}
    mains = [
        by_port("named", "named.canary.example.com", "v1", "http"),
        by_port("wild", "*.canary.example.net", "v1", 80),
        default("default", "v1"),
    ]
    canaries = [
        by_port("named-canary", "named.canary.example.com", "v2", "http"),
        by_port("wild-canary", "*.canary.example.net", "v2", 80),
        default("default-canary", "v2"),
    ]
    for each in canaries:
        each["metadata"]["annotations"] = annotations
    with stage.showing(*mains, *canaries):
        everywhere(shown, "http://nobody.example.net/", "v2", *ALWAYS)
        yield shown
    everywhere(shown, "http://nobody.example.net/", "404")


def by_port(name: str, host: str, service: str, port: str | int) -> Manifest:
    made = ingress(name, host, service)
    path = made["spec"]["rules"][0]["http"]["paths"][0]
    path["backend"]["service"]["port"] = {"number" if isinstance(port, int) else "name": port}
    return made


def default(name: str, service: str) -> Manifest:
    """With nothing but a default backend."""
    made = ingress(name, "", service)
    made["spec"]["defaultBackend"] = made["spec"].pop("rules")[0]["http"]["paths"][0]["backend"]
    return made


@pytest.mark.parametrize(("rule", "told", "version"), CASES)
def test_a_rule_chooses_the_version(shown: Site, rule: str, told: str, version: str, report: Report) -> None:
    """What a request says chooses the version, every time"""
    options = [part for line in told.split("|") if line for part in ("-H", line)]
    seen = shares(often(shown, f"http://{host(rule)}/", REQUESTS, *options))
    report(f"{RULES[rule]} with {told or 'nothing'}: {dict(seen)}")
    assert seen == {version: REQUESTS}


def test_a_weight_of_10_is_a_tenth(shown: Site, report: Report) -> None:
    """Weight 10: of 100 requests 9 to 11 in each replica, and as exact through the Service"""
    url = f"http://{host('tenth')}/"
    for number, door in enumerate(doors(shown), 1):
        seen = shares(often(shown, url, 100, place=door))
        report(f"replica {number}: {seen['v2']} of 100")
        assert seen["v1"] + seen["v2"] == 100, seen
        assert 9 <= seen["v2"] <= 11
    seen = shares(often(shown, url, 200))
    report(f"Service: {seen['v2']} of 200")
    assert seen["v1"] + seen["v2"] == 200, seen
    # One in each ten of a replica: a stretch of its requests that begins and ends within tens has 1.8 more or less.
    assert 20 - 3 <= seen["v2"] <= 20 + 3


def test_where_a_canary_can_stand(elsewhere: Site, report: Report) -> None:
    """Canaries of a port by name, of a wildcard host, of a default backend"""
    for name in ("named.canary.example.com", "any.canary.example.net", "nobody.example.net"):
        url = f"http://{name}/"
        seen = [shares(often(elsewhere, url, REQUESTS, *options)) for options in ((), ALWAYS)]
        report(f"{name}: {dict(seen[0])} without, {dict(seen[1])} with Region: always")
        assert seen == [{"v1": REQUESTS}, {"v2": REQUESTS}]
