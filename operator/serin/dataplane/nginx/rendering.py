"""The templates as the applier calls them, with this data plane's settings."""

from collections.abc import Mapping, Sequence
from typing import cast

from serin.render.nginx.host import render_host
from serin.render.nginx.main import HostFile, host_file, render_main
from serin.render.nginx.settings import NginxSettings
from serin.render.nginx.weights import Weights
from serin.routing.plan import Globals, Host


class Templates:
    """An apply.Renderer."""

    def __init__(self, settings: NginxSettings) -> None:
        self._settings = settings

    def host(self, host: Host, globals_: Globals, weights: Weights | None) -> str:
        return render_host(host, self._settings, globals_, weights)

    def include(self, host: Host, file: str) -> object:
        return host_file(host, file)

    def main(self, globals_: Globals, hosts: Sequence[object], certified: Mapping[str, str], digest: str) -> str:
        return render_main(globals_, cast("Sequence[HostFile]", hosts), certified, self._settings, digest)
