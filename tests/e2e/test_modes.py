"""The modes of the data plane: each answers alike, and helm upgrade changes from one to the other under load."""

from collections import Counter
from collections.abc import Iterator

import pytest
from harness.e2e.chat import Chat
from harness.e2e.control import readiness
from harness.e2e.report import Report
from harness.e2e.site import Site
from harness.waiting import until
from localkube.release import DEMO_HOST

RATE, REQUESTS = 30.0, 10
VERSIONS = {"cd": "v2", "sz": "v2", "bj": "v1", None: "v1"}
# What a cluster that has this plane is upgraded to, and the modes of before and after.
CHANGES: dict[str, dict[str, object]] = {"proxy": {"dataPlane.plane": "nginx"}, "nginx": {"dataPlane.nginxLua": "off"}}
MODES = {"proxy": ("proxy", "nginx with Lua"), "nginx": ("nginx with Lua", "stock nginx")}


@pytest.fixture(scope="module")
def demo(site: Site) -> Iterator[None]:
    """The course notes' canary, served."""
    site.install()
    site.release.apply_demo()
    site.wait(lambda: site.curl(f"http://{DEMO_HOST}/").status == 200, "an answer")
    yield
    site.release.delete_demo()


def mode(site: Site) -> str:
    """What every replica's data plane says that it is."""
    seen = set()
    for pod in site.pods():
        page = site.curl("http://probe/metrics", place=f"{pod['status']['podIP']}:10254").body
        lua, nginx = "\nserin_nginx_lua 1" in page, "\nserin_nginx_info{" in page
        seen.add(("nginx with Lua" if lua else "stock nginx") if nginx else "proxy")
    return " and ".join(sorted(seen))


def shown_in_force(site: Site) -> str:
    """What a replica's nginx was given for the demo, and has, as its own container tells."""
    command = ["serin", "render", "--run-dir", "/run/serin", "--host", DEMO_HOST]
    where = ["-n", site.release.namespace, "exec", site.pods()[0]["metadata"]["name"], "-c", "data-plane"]

    def shown() -> str:
        text = site.kubectl(*where, "--", *command)
        return text if "as nginx has it" in text else ""

    return until(shown, "nginx to have what is rendered", every=0.5)


def answers_well(site: Site) -> None:
    """The canary by the header Region, and every replica ready."""
    for region, version in VERSIONS.items():
        headers = ("-H", f"Region: {region}") if region else ()
        answers = Counter(site.curl(f"http://{DEMO_HOST}/", *headers).backend for _ in range(REQUESTS))
        assert answers == {version: REQUESTS}, region
    assert [readiness(site, pod) for pod in site.pods()] == ["200 ok"] * 2


def upgrade(site: Site, change: dict[str, object], report: Report) -> str:
    """To another mode under load, no request of which is lost; gives that mode."""
    before = mode(site)
    with site.steady(DEMO_HOST, rate=RATE, headers={"Region": "cd"}) as load:
        site.install(change)
        site.settled()
        load.more(20)
    now = mode(site)
    report(f"{before} to {now}", **load.figures())
    assert not load.lost, (load.figures(), load.answers(), load.lost[:5])
    assert set(load.answers()) == {"200 v2"}
    answers_well(site)
    if now != "proxy":
        assert ("drawn from plan/pools.bin" in shown_in_force(site)) == (now == "nginx with Lua")
    return now


def test_upgrade(site: Site, demo: None, report: Report) -> None:
    """helm upgrade from one mode of the data plane to another and back, under load, while a WebSocket is open"""
    was, other = MODES[site.plane]
    assert mode(site) == was
    assert upgrade(site, CHANGES[site.plane], report) == other
    chat = Chat(site.release.address(), {"Host": DEMO_HOST})
    try:
        site.wait(lambda: chat.heard > 3 or chat.end, "the WebSocket to be open")
        site.kubectl("scale", "deployment/nginx-v1", "--replicas=2")
        site.ready("deployment/nginx-v1", "default")
        heard = chat.heard
        site.wait(
            lambda: chat.heard > heard + 3 or chat.end, "the WebSocket to go on with another endpoint beside its own"
        )
        assert not chat.end
        assert upgrade(site, {}, report) == was
        site.wait(lambda: chat.end, "the WebSocket to end with its replica", seconds=5)
    finally:
        chat.leave()
    report("WebSocket", messages=chat.heard, slowest=f"{chat.longest * 1000:.0f} ms", end=chat.end)
