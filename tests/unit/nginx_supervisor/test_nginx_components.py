"""What is found of nginx on a machine, and what is said where something is missing. The nginx here is a script."""

from collections.abc import Callable
from pathlib import Path

import pytest

from serin.dataplane.nginx import components
from serin.errors import UsageError

SCRIPT = """#!/bin/sh
case "$*" in
-V) echo "nginx version: nginx/{version}" >&2; echo "configure arguments: {arguments}" >&2;;
*) echo "$LD_LIBRARY_PATH" > {root}/libraries; while read -r line; do echo "$line"; done < {conf} > {root}/tried
   if [ -e {root}/refuse ]; then echo "nginx: [emerg] not this one" >&2; exit 1; fi;;
esac
"""
MakeTree = Callable[..., Path]


@pytest.fixture
def make_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeTree:
    def make(version: str = "1.30.4", arguments: str = "--with-compat", *, lua: bool = True, core: bool = True) -> Path:
        program = tmp_path / "usr/sbin/nginx"
        program.parent.mkdir(parents=True)
        # The last argument is the file to be tried.
        text = SCRIPT.format(version=version, arguments=arguments, root=tmp_path, conf='"$8"')
        program.write_text(text)
        program.chmod(0o755)
        if lua:
            modules = tmp_path / "usr/lib/nginx/modules"
            modules.mkdir(parents=True)
            for name in ("ndk_http_module.so", "ngx_http_lua_module.so"):
                (modules / name).touch()
        if core:
            (tmp_path / "usr/share/lua/5.1/resty").mkdir(parents=True)
            (tmp_path / "usr/share/lua/5.1/resty/core.lua").touch()
        monkeypatch.setenv("SERIN_NGINX", str(tmp_path))
        return tmp_path

    return make


def test_all_is_there(make_tree: MakeTree) -> None:
    root = make_tree()
    found = components.find("auto")
    assert found.lua
    assert found.why_stock == ""
    assert found.binary == f"{root}/usr/sbin/nginx"
    assert found.version == (1, 30, 4)
    assert [Path(module).name for module in found.modules] == ["ndk_http_module.so", "ngx_http_lua_module.so"]
    assert f"{root}/usr/share/lua/5.1/?.lua" in found.package_path
    tried = (root / "tried").read_text()
    assert f'load_module "{root}/usr/lib/nginx/modules/ngx_http_lua_module.so";' in tried
    assert "resty.core" in tried
    assert (root / "libraries").read_text().startswith(f"{root}/usr/lib")


def test_off_is_stock_mode(make_tree: MakeTree) -> None:
    make_tree()
    found = components.find("off")
    assert not found.lua
    assert found.modules == ()
    assert "--nginx-lua off" in found.why_stock


@pytest.mark.parametrize(
    ("missing", "why"), [({"lua": False}, "libnginx-mod-http-lua"), ({"core": False}, "lua-resty-core")]
)
def test_a_part_is_missing(make_tree: MakeTree, missing: dict[str, bool], why: str) -> None:
    make_tree(**missing)
    found = components.find("auto")
    assert not found.lua
    assert why in found.why_stock


def test_nginx_refuses_its_modules(make_tree: MakeTree) -> None:
    (make_tree() / "refuse").touch()
    found = components.find("auto")
    assert not found.lua
    assert "nginx: [emerg] not this one" in found.why_stock


def test_a_lua_module_that_is_built_in(make_tree: MakeTree) -> None:
    make_tree(arguments="--add-module=../ngx_lua-0.10.26", lua=False)
    found = components.find("auto")
    assert found.lua
    assert found.modules == ()


def test_no_nginx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERIN_NGINX", str(tmp_path))
    with pytest.raises(UsageError, match=r"there is no nginx in .*install nginx \(Debian, Ubuntu: nginx-core"):
        components.find("auto")


def test_a_program_that_is_no_nginx(make_tree: MakeTree) -> None:
    program = make_tree() / "usr/sbin/nginx"
    program.write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(UsageError, match="does not run"):
        components.find("off")
    program.write_text("#!/bin/sh\necho hello >&2\n")
    with pytest.raises(UsageError, match="does not tell its version"):
        components.find("off")


@pytest.mark.parametrize(
    ("version", "advised"),
    [
        ((1, 22, 1), False),
        ((1, 30, 3), False),
        ((1, 30, 4), True),
        ((1, 31, 2), False),
        ((1, 31, 3), True),
        ((1, 32, 0), True),
        ((2, 0, 0), True),
    ],
)
def test_versions_with_known_faults(version: tuple[int, ...], advised: bool) -> None:
    assert components.Components("nginx", version).advised is advised


def test_no_secret_of_ours_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    monkeypatch.setenv("TZ", "UTC")
    given = components.minimal_environment(components.Components("nginx", (1, 30, 4), environment=(("A", "b"),)))
    assert given["TZ"] == "UTC"
    assert given["A"] == "b"
    assert "TOKEN" not in given
