"""Forwarding through nginx: the split is exact, changes count from the next request, failures are as in the proxy."""

from collections import Counter

from behind_nginx import Nginx, garbage, hang_up, listed, once, passed, silent, tunnel, with_status
from conftest import MakeEndpoint, MakeNginx
from harness.shared_memory import Rig, make_pool, make_split

from serin.render.nginx.spec import Spec, SpecVersion
from serin.routing.plan import Algorithm, Split


def spec_of(split: Split, tries: int = 3) -> str:
    names = ("prod-main-80", "prod-canary-80", "prod-third-80")
    return Spec(split.id, tuple(SpecVersion(s.ident, n) for s, n in zip(split.shares, names, strict=False)), tries).text()


def test_a_split_is_exact_and_changes_with_the_next_request(rig: Rig, endpoint: MakeEndpoint, nginx: MakeNginx) -> None:
    main, canary, other = endpoint("main"), endpoint("canary"), endpoint("other")
    pools = make_pool(1, listed([main])), make_pool(2, listed([canary]))
    split = rig.put(make_split(1, [(pools[0], 0), (pools[1], 10)]), *pools)
    server = nginx(passed(spec_of(split)))
    assert Counter(server.names("/", 300)) == {"main": 270, "canary": 30}
    rig.put(make_split(1, [(pools[0], 0), (pools[1], 100)]))
    assert set(server.names("/", 20)) == {"canary"}
    rig.put(make_split(1, [(pools[0], 0), (pools[1], 0)]), make_pool(1, listed([other])))
    assert set(server.names("/", 20)) == {"other"}
