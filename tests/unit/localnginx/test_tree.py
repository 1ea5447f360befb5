"""Which nginx will do, and programs of an unpacked tree that find their libraries."""

import pathlib

import pytest
from localnginx import debian, nginx, peers
from localnginx.errors import LocalNginxError
from localnginx.tree import Tree, said


def program(path: pathlib.Path, text: str) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_program_is_given_the_folders_of_its_libraries_once(tmp_path: pathlib.Path) -> None:
    program(tmp_path / "usr/bin/asks", '#!/bin/sh\necho "$LD_LIBRARY_PATH|$1"\n')
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    (tmp_path / "usr/lib/x86_64-linux-gnu/libx.so.1").touch()
    tree = Tree(tmp_path)
    tree.wrap("asks")
    tree.wrap("asks")
    code, told = said(tmp_path / "usr/bin/asks", "a b")
    folders, _, argument = told.strip().partition("|")
    assert (code, folders.split(":")[0], argument) == (0, str(tmp_path / "usr/lib/x86_64-linux-gnu"), "a b")
    assert not (tmp_path / "usr/bin/asks.real.real").exists()


def test_tree_without_libraries_is_left_alone(tmp_path: pathlib.Path) -> None:
    text = "#!/bin/sh\n"
    found = program(tmp_path / "usr/sbin/nginx", text)
    Tree(tmp_path).wrap("nginx")
    assert found.read_text() == text


def test_what_a_tree_lacks_is_said(tmp_path: pathlib.Path) -> None:
    tree = Tree(tmp_path)
    assert nginx.lacks(tree) == "no nginx"
    program(tmp_path / "usr/sbin/nginx", "#!/bin/sh\necho broken >&2\nexit 1\n")
    assert "Lua module" in nginx.lacks(tree)
    for name in ("ndk_http_module.so", "ngx_http_lua_module.so"):
        program(tmp_path / "usr/lib/nginx/modules" / name, "")
    assert "lua-resty-core" in nginx.lacks(tree)
    program(tmp_path / "usr/share/lua/5.1/resty/core.lua", "")
    assert "stream module" in nginx.lacks(tree)
    program(tmp_path / "usr/lib/nginx/modules/ngx_stream_module.so", "")
    assert nginx.lacks(tree).endswith("refuses a small Lua configuration: broken")


def test_chosen_tree_is_not_replaced_by_another(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(nginx.VARIABLE, str(tmp_path))
    assert nginx.find() is None


def test_every_reason_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(nginx.VARIABLE, str(tmp_path / "nowhere"))
    monkeypatch.setenv("SERIN_NGINX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LocalNginxError, match=r"nowhere: no nginx; .*no apt-get"):
        nginx.install(lambda _: None)
    with pytest.raises(LocalNginxError, match="nothing-of-this-name is not installed"):
        peers.program("nothing-of-this-name", lambda _: None)


def test_packages_are_unpacked_by_apts_answers(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an apt and a dpkg of our own: named by files, missing libraries added, done once."""
    calls, sums = tmp_path / "calls", "SHA256:0"
    folder = tmp_path / "bin"
    program(
        folder / "apt-get",
        f"""#!/bin/sh
echo "$@" >>{calls}
case "$*" in
*install*) printf "'http://x/l.deb' libz9_1_all.deb 5 {sums}\\n'http://x/c.deb' tool-common_1_all.deb 5 {sums}\\n" ;;
*--print-uris*) shift; printf "'http://x/t.deb' tool_1%%3a2_all.deb 5 {sums}\\n" ;;
*download*) touch tool_2_all.deb libz9_1_all.deb ;;
esac
""",
    )
    program(folder / "dpkg-deb", '#!/bin/sh\n/bin/mkdir -p "$3/usr/bin" && /bin/touch "$3/usr/bin/${2##*/}"\n')
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("SERIN_NGINX_CACHE", str(tmp_path / "cache"))
    root = debian.unpacked("tool", ["tool"], lambda _: None)
    assert {path.name for path in (root / "usr/bin").iterdir()} == {"tool_2_all.deb", "libz9_1_all.deb"}
    assert (root / "versions.txt").read_text() == "tool_1%3a2_all.deb\n"
    assert "download tool libz9" in calls.read_text(), (
        "libraries that are missing, and nothing else of the dependencies"
    )
    before = calls.read_text().count("\n")
    assert debian.unpacked("tool", ["tool"], lambda _: None) == root
    assert calls.read_text().count("\n") == before + 2, "asked what there is, loaded nothing"
    assert [path.name for path in (tmp_path / "cache").glob("tool-*")] == [root.name]
