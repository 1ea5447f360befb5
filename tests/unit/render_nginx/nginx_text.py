"""Settings, and nginx.conf read back by crossplane, for the tests of what is rendered."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import crossplane

from serin.render.nginx.host import render_host
from serin.render.nginx.main import HostFile, host_file, render_main
from serin.render.nginx.settings import LuaPaths, NginxSettings
from serin.render.nginx.weights import Weights
from serin.routing.plan import Globals, Host

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
MODULES = Path("/usr/lib/nginx/modules")
LUA_MODULES = tuple(str(MODULES / f"{name}.so") for name in ("ndk_http_module", "ngx_http_lua_module"))
HAS_LUA = all(Path(module).exists() for module in LUA_MODULES)
DIGEST = "0" * 32


def settings_in(prefix: Path | str = "/run/nginx", *, lua: bool = True, **given: Any) -> NginxSettings:
    found: dict[str, Any] = {
        "run_dir": str(prefix),
        "prefix": str(prefix),
        "http": ("127.0.0.1:8080",),
        "https": ("127.0.0.1:8443",),
        "status_socket": f"{prefix}/status.sock",
        "lua": LuaPaths("/usr/share/serin/?.lua;;", "/usr/lib/libserin.so") if lua else None,
        "modules": LUA_MODULES if lua else (),
    }
    return NginxSettings(**(found | given))


def directives(text: str) -> list[dict[str, Any]]:
    """The blocks of a text as crossplane reads it; an AssertionError when it cannot."""
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        file.write(text)
        file.flush()
        read = crossplane.parse(file.name, single=True, check_ctx=False, check_args=False, comments=False)
    assert read["status"] == "ok", read["errors"]
    parsed: list[dict[str, Any]] = read["config"][0]["parsed"]
    return parsed


def skeleton(parsed: list[dict[str, Any]]) -> list[Any]:
    """Names of directives, how many arguments they have, and what is nested in them.

    Lines of a map have no name; a long text in several `set` counts as one.
    """
    found: list[Any] = []
    for directive in parsed:
        name, args = directive["directive"], directive["args"]
        block = directive.get("block")
        if name in ("map", "geo"):
            block = [{"directive": "line", "args": line["args"]} for line in directive["block"]]
        if name == "set" and f"${{{args[0][1:]}}}" in args[1]:
            continue
        found.append((name, len(args), None if block is None else skeleton(block)))
    return found


def walk(parsed: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for directive in parsed:
        yield directive
        yield from walk(directive.get("block", []))


def comments(text: str) -> list[str]:
    return re.findall(r"^\s*#(.*)$", text, re.MULTILINE)


def write_files(
    prefix: Path,
    hosts: list[Host],
    settings: NginxSettings,
    weights: Weights | None = None,
    globals_: Globals | None = None,
) -> Path:
    """nginx.conf with these hosts below `prefix`."""
    (prefix / "hosts").mkdir(parents=True, exist_ok=True)
    files: list[HostFile] = []
    for number, host in enumerate(hosts):
        name = f"hosts/{number:032x}.conf"
        (prefix / name).write_text(render_host(host, settings, globals_ or Globals(), weights))
        files.append(host_file(host, name))
    certified = {name: "default.pem" for file in files for name in file.names if name}
    main = prefix / "nginx.conf"
    main.write_text(render_main(globals_ or Globals(), files, certified, settings, DIGEST))
    return main


def nginx_test(prefix: Path) -> tuple[int, str]:
    """Status and words of `nginx -t`."""
    assert NGINX is not None
    line = [NGINX, "-t", "-p", f"{prefix}/", "-e", "stderr", "-c", str(prefix / "nginx.conf")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stderr
