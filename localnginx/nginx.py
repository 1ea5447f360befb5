"""nginx with Lua: $SERIN_NGINX, this system's, or Debian's packages unpacked into the cache.

Whether one will do is not guessed from versions: it is asked to test a configuration that uses what Serin's data plane
needs of Lua, FFI and resty.core.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from localnginx.debian import Say, cache_folder, unpacked
from localnginx.errors import LocalNginxError
from localnginx.tree import SYSTEM, Tree, said

PACKAGES = (
    "nginx",
    "nginx-core",
    "libnginx-mod-http-ndk",
    "libnginx-mod-http-lua",
    "libnginx-mod-stream",
    "lua-resty-core",
    "lua-resty-lrucache",
)
VARIABLE = "SERIN_NGINX"
_STREAM = "ngx_stream_module.so"
_MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")
_MODULE_FOLDERS = ("usr/lib/nginx/modules", "usr/lib64/nginx/modules", "usr/share/nginx/modules")
_LUA_FOLDERS = ("usr/share/lua/5.1", "usr/local/share/lua/5.1")
_PREFIX = "nginx"


def find() -> Path | None:
    """The root of the first tree whose nginx runs Lua."""
    return next((tree.root for tree in _candidates() if not lacks(tree)), None)


def install(say: Say) -> Path:
    """What `find` finds, else a tree unpacked into the cache; LocalNginxError with every reason when that fails."""
    if (found := find()) is not None:
        return found
    reasons = [f"{tree.root}: {lacks(tree)}" for tree in _candidates()]
    try:
        tree = Tree(unpacked(_PREFIX, PACKAGES, say))
    except LocalNginxError as error:
        raise LocalNginxError("; ".join([*reasons, f"Debian's packages cannot be unpacked: {error}"])) from error
    tree.wrap("nginx")
    if lack := lacks(tree):
        raise LocalNginxError("; ".join([*reasons, f"{tree.root}: {lack}"]))
    return tree.root


def _candidates() -> Iterator[Tree]:
    """$SERIN_NGINX alone where it is set: what somebody chose is not silently replaced."""
    if chosen := os.environ.get(VARIABLE):
        yield Tree(Path(chosen).absolute())
        return
    yield Tree(SYSTEM)
    for root in sorted(cache_folder().glob(f"{_PREFIX}-*"), key=lambda path: path.stat().st_mtime, reverse=True):
        yield Tree(root)


def lacks(tree: Tree) -> str:
    """What keeps this tree's nginx from running Lua, one clause; empty when nothing does."""
    program = tree.program("nginx")
    if program is None:
        return "no nginx"
    modules = _modules(tree)
    if modules is None:
        return "nginx without the Lua module (libnginx-mod-http-lua)"
    lua = next(
        (tree.root / folder for folder in _LUA_FOLDERS if (tree.root / folder / "resty/core.lua").exists()), None
    )
    if lua is None:
        return "nginx without lua-resty-core"
    if not _has_stream(tree, program):
        return "nginx without the stream module (libnginx-mod-stream)"
    with tempfile.TemporaryDirectory(prefix="localnginx-") as folder:
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(_configuration(modules, lua, Path(folder)))
        code, told = said(program, "-t", "-q", "-e", Path(folder) / "error.log", "-p", folder, "-c", configuration)
        log = Path(folder) / "error.log"
        told += log.read_text(errors="replace") if log.exists() else ""
    return f"nginx refuses a small Lua configuration: {told.strip()[-300:]}" if code else ""


def _modules(tree: Tree) -> list[Path] | None:
    for folder in _MODULE_FOLDERS:
        paths = [tree.root / folder / name for name in _MODULES]
        if all(path.exists() for path in paths):
            return paths
    return None


def _has_stream(tree: Tree, program: Path) -> bool:
    """Built in, or to be loaded."""
    if any((tree.root / folder / _STREAM).exists() for folder in _MODULE_FOLDERS):
        return True
    return re.search(r"--with-stream(?![_=\w])", said(program, "-V")[1]) is not None


def _configuration(modules: list[Path], lua: Path, folder: Path) -> str:
    loaded = "\n".join(f"load_module {path};" for path in modules)
    temporary = "\n".join(
        f"  {name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    return f"""{loaded}
pid {folder}/nginx.pid;
events {{}}
http {{
{temporary}
  access_log off;
  lua_package_path "{lua}/?.lua;;";
  init_by_lua_block {{ require("ffi"); require("resty.core"); require("ngx.balancer") }}
  upstream u {{ server 0.0.0.1; balancer_by_lua_block {{}} keepalive 1; }}
  server {{ listen unix:{folder}/s; location / {{ proxy_pass http://u; }} location /g {{ grpc_pass grpc://u; }} }}
}}
"""
