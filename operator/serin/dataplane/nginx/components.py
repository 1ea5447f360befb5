"""Finds nginx and its Lua modules on this machine, and says what to install where something is missing.

Lua mode needs all of it: ndk, the Lua module, resty.core of the version that the module asks for, and our own library.
So it is tried, once, by nginx itself, over a configuration of a few lines that never touches the disk.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from serin.dataplane.nginx.assets import library, lua_folder, preload
from serin.errors import SerinError, UsageError

VARIABLE = "SERIN_NGINX"
"""Names the root of an unpacked tree (usr/sbin/nginx, usr/lib/nginx/modules, usr/share/lua/5.1) to be taken instead."""
INSTALL = (
    "install nginx (Debian, Ubuntu: nginx-core libnginx-mod-http-lua lua-resty-core libnginx-mod-stream), "
    f"or name the root of an unpacked tree in {VARIABLE}"
)
FIXED = ((1, 30, 4), (1, 31, 3))
"""Stable and mainline versions from which on faults are fixed that paths and patterns of users reach."""
_STREAM = "ngx_stream_module.so"
_STREAM_NEEDS = ("--with-stream_ssl_preread_module", "--with-stream_realip_module")
_HALF_CLOSE = (1, 21, 4)
_MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")
_MODULE_FOLDERS = ("usr/lib/nginx/modules", "usr/lib64/nginx/modules", "usr/share/nginx/modules", "etc/nginx/modules")
_LUA_FOLDERS = ("usr/share/lua/5.1", "usr/local/share/lua/5.1", "usr/local/openresty/lualib", "usr/share/luajit-2.1")
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib")
_PROBE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Components:
    """`modules` to load and `package_path` for Lua are empty in stock mode, `why_stock` in Lua mode.

    `environment`: what nginx needs beside the usual, to find its libraries.
    """

    binary: str
    version: tuple[int, ...]
    modules: tuple[str, ...] = ()
    lua: bool = False
    package_path: str = ""
    why_stock: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    stream: bool = False
    """Whether nginx has the stream module; `stream_module`: what is to be loaded for it, empty where it is built in."""
    stream_module: str = ""

    @property
    def half_close(self) -> bool:
        """Whether its stream module passes on that one side has sent all."""
        return self.version >= _HALF_CLOSE

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))

    @property
    def advised(self) -> bool:
        """Whether the number alone says that known faults are fixed; distributions fix older ones under old numbers."""
        stable, mainline = FIXED
        return self.version >= (mainline if self.version[:2] == mainline[:2] else stable)


def find(lua: str = "auto") -> Components:
    """nginx as it is to be run. UsageError, saying what to install, when there is none.

    `lua`: `auto` takes it where all of it is there, `off` never does.
    """
    named = os.environ.get(VARIABLE, "")
    root = Path(named or "/")
    environment = _library_path(root) if root != Path("/") else ()
    binary = _binary(root, named)
    told = _told(binary, environment)
    version = _version(told, binary)
    stream, stream_module = _stream(root, told)
    stock = Components(binary, version, environment=environment, stream=stream, stream_module=stream_module)
    if lua == "off":
        return _stock(stock, "it was asked for (--nginx-lua off)")
    try:
        modules = _modules(root, told)
        package_path = f"{lua_folder()}/?.lua;{_lua_path(root)}"
        library_path = library()
        environment = (*environment, ("LD_PRELOAD", str(preload())))
    except SerinError as error:
        return _stock(stock, str(error))
    found = Components(
        binary, version, modules, True, package_path, "", environment, stream=stream, stream_module=stream_module
    )
    refused = _try(found, library_path)
    return _stock(stock, f"nginx refused its Lua modules: {refused}") if refused else found


def minimal_environment(components: Components) -> dict[str, str]:
    """What nginx is started with: nothing of ours that it does not need, so that no worker holds it."""
    kept = {name: os.environ[name] for name in ("PATH", "TZ", "OPENSSL_CONF") if name in os.environ}
    return {**kept, **dict(components.environment)}


def _stock(components: Components, why: str) -> Components:
    return replace(components, why_stock=why)


def _binary(root: Path, named: str) -> str:
    places = [
        root / "usr/sbin/nginx",
        root / "usr/local/nginx/sbin/nginx",
        root / "usr/local/openresty/nginx/sbin/nginx",
    ]
    on_path = [] if named and root != Path("/") else [Path(found)] if (found := shutil.which("nginx")) else []
    for place in (*on_path, *places):
        if os.access(place, os.X_OK) and place.is_file():
            return str(place)
    where = f"{named}/usr/sbin/nginx" if named else "PATH or /usr/sbin"
    raise UsageError(f"--plane nginx: there is no nginx in {where}; {INSTALL}")


def _library_path(root: Path) -> tuple[tuple[str, str], ...]:
    folders = [str(root / folder) for folder in _LIBRARIES if (root / folder).is_dir()]
    folders += [given] if (given := os.environ.get("LD_LIBRARY_PATH", "")) else []
    return (("LD_LIBRARY_PATH", ":".join(folders)),) if folders else ()


def _told(binary: str, environment: tuple[tuple[str, str], ...]) -> str:
    """What `nginx -V` says: its version and how it was built."""
    try:
        done = subprocess.run(  # noqa: S603  the program is nginx
            [binary, "-V"],
            env={**os.environ, **dict(environment)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"--plane nginx: {binary} cannot be run: {error}; {INSTALL}") from error
    told = done.stderr.decode("utf-8", "replace")
    if done.returncode:
        raise UsageError(f"--plane nginx: {binary} does not run: {told.strip()[:300]}; {INSTALL}")
    return told


def _version(told: str, binary: str) -> tuple[int, ...]:
    found = re.search(r"^nginx version: \S+/(\d+)\.(\d+)\.(\d+)", told, re.MULTILINE)
    if found is None:
        raise UsageError(f"--plane nginx: {binary} does not tell its version; {INSTALL}")
    return tuple(int(part) for part in found.groups())


def _modules(root: Path, told: str) -> tuple[str, ...]:
    if re.search(r"--add-module=\S*(?:ngx_lua|lua-nginx-module)", told):
        return ()
    for folder in _module_folders(root, told):
        if all((folder / name).is_file() for name in _MODULES):
            return tuple(str(folder / name) for name in _MODULES)
    raise SerinError(f"nginx has no Lua module ({_MODULES[1]}; Debian, Ubuntu: libnginx-mod-http-lua)")


def _module_folders(root: Path, told: str) -> list[Path]:
    own = re.search(r"--modules-path=(\S+)", told)
    folders = [root / folder for folder in _MODULE_FOLDERS]
    if own is not None and root == Path("/"):
        folders.insert(0, Path(own[1].strip("'")))
    return folders


def _stream(root: Path, told: str) -> tuple[bool, str]:
    """Whether the stream module with all that is needed of it is there, and its path where it has to be loaded."""
    if not all(option in told for option in _STREAM_NEEDS):
        return False, ""
    if re.search(r"--with-stream(?![_=\w])", told):
        return True, ""
    for folder in _module_folders(root, told):
        if (folder / _STREAM).is_file():
            return True, str(folder / _STREAM)
    return False, ""


def _lua_path(root: Path) -> str:
    for folder in (root / name for name in _LUA_FOLDERS):
        if (folder / "resty/core.lua").is_file():
            return f"{folder}/?.lua"
    raise SerinError("there is no resty.core for nginx's Lua module (Debian, Ubuntu: lua-resty-core)")


def _try(components: Components, library_path: Path) -> str:
    """Load all of it in `nginx -t`; empty, or what nginx says against it."""
    owner = "user root;\n" if os.geteuid() == 0 else ""
    loads = "".join(f"load_module {_quoted(module)};\n" for module in components.modules)
    # Folders that nginx would make are ones that are there.
    folders = "".join(f"{name}_temp_path /;\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    text = (
        f"{loads}{owner}pid /dev/null;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{folders}"
        f"lua_package_path {_quoted(components.package_path)};\n"
        "init_by_lua_block { require('resty.core'); "
        f"require('serin').configure{{run_dir = '/', library = {_quoted(str(library_path))}}} }}\n}}\n"
    )
    fd = os.memfd_create("nginx.conf")
    try:
        os.write(fd, text.encode())
        done = subprocess.run(  # noqa: S603  the program is nginx
            [components.binary, "-t", "-q", "-e", "stderr", "-p", "/", "-c", f"/proc/self/fd/{fd}"],
            env=minimal_environment(components),
            pass_fds=(fd,),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        os.close(fd)
    said = done.stderr.decode("utf-8", "replace").strip()
    return (said or f"exit status {done.returncode}")[:300] if done.returncode else ""


def _quoted(text: str) -> str:
    """For paths of this machine, in nginx.conf and in Lua alike."""
    if not re.fullmatch(r"[\w./?;+@:~ -]*", text):
        raise SerinError(f"path with characters that nginx.conf cannot be trusted with: {text!r}")
    return f'"{text}"'
