"""nginx.conf of plans: the files of a case's hosts, one after the other, compared with nginx.conf and nginx-stock.conf.

The cases are those of plan.txt that have one of these files. Every one goes through `nginx -t` where nginx is there.
"""

import pathlib

import pytest
from golden.test_golden import HERE, compiled
from unit.render_nginx.nginx_text import HAS_LUA, NGINX, nginx_test, settings_in, write_files

from serin.render.nginx.host import render_host
from serin.render.nginx.weights import of_plan
from serin.routing.plan import Plan

MODES = [pytest.param(True, marks=pytest.mark.skipif(not HAS_LUA, reason="no Lua module")), False]
FILES = {True: "nginx.conf", False: "nginx-stock.conf"}
CASES = sorted((path.parent, lua) for lua, name in FILES.items() for path in HERE.glob(f"*/*/{name}"))


def test_there_are_cases() -> None:
    assert len(CASES) > 6


@pytest.mark.parametrize(("case", "lua"), CASES, ids=lambda value: str(getattr(value, "name", value)))
def test_hosts(case: pathlib.Path, lua: bool, request: pytest.FixtureRequest) -> None:
    plan = compiled(case / "in.yaml").plan
    text = "\n".join(_hosts(plan, lua=lua))
    expected = case / FILES[lua]
    if request.config.getoption("--update-golden", default=False):
        expected.write_text(text)
    assert text == expected.read_text()


@pytest.mark.skipif(NGINX is None, reason="nginx is not here")
@pytest.mark.parametrize("lua", MODES)
def test_nginx_takes_every_plan(tmp_path: pathlib.Path, lua: bool) -> None:
    """All cases of plan.txt, not only those with a file here; by the same settings in both log formats."""
    for number, case in enumerate(sorted(path.parent for path in HERE.glob("*/*/in.yaml"))):
        plan = compiled(case / "in.yaml").plan
        prefix = tmp_path / str(number)
        (prefix / "plan" / "tls").mkdir(parents=True)
        for certificate in plan.certificates.values():
            (prefix / "plan" / "tls" / f"{certificate.digest}.pem").write_bytes(certificate.pem)
        log = "json" if number % 2 else "upstreaminfo"
        settings = settings_in(prefix, lua=lua, access_log=log)
        write_files(prefix, list(plan.hosts.values()), settings, of_plan(plan), plan.globals)
        status, said = nginx_test(prefix)
        assert status == 0, (case, said)
        assert "[warn]" not in said, (case, said)


def _hosts(plan: Plan, *, lua: bool) -> list[str]:
    settings = settings_in(lua=lua)
    return [render_host(host, settings, plan.globals, of_plan(plan)) for _, host in sorted(plan.hosts.items())]
