"""Ports of TCP and UDP that cannot be had, told in state/refused-ports.json, where the controller reads it.

Which object asked for a port is not known here.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from serin.dataplane.handing import SocketKey
from serin.render.atomic import write_file
from serin.telemetry import log

NAME = "refused-ports.json"
VERSION = 1
FILE_MODE = 0o640
_log = logging.getLogger(__name__)


class RefusedPorts:
    """Written when it changes; what a data plane before this one left is replaced."""

    def __init__(self, state: Path) -> None:
        self._path = state / NAME
        self._written: bytes | None = None

    def put(self, refused: Mapping[SocketKey, str]) -> None:
        """All that cannot be had now: protocol, port, address, and why. A file that cannot be written is told."""
        ports = [
            {"protocol": key[0], "port": key[1], "address": key[2], "error": error}
            for key, error in sorted(refused.items())
        ]
        data = json.dumps({"version": VERSION, "ports": ports}, indent=1).encode() + b"\n"
        if data == self._written or (self._written is None and not ports and not self._path.exists()):
            return
        try:
            write_file(self._path, data, FILE_MODE)
        except OSError as error:
            text = f"{self._path} cannot be written: {error.strerror}"
            log.event(_log, log.STREAM_REFUSED, level=logging.ERROR, protocol="", error=text)
            return
        self._written = data
