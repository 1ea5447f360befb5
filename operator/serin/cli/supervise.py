"""`serin supervise`: run a command again whenever it ends."""

import argparse

from serin.control.supervise import supervise
from serin.telemetry import log


def run(arguments: argparse.Namespace) -> int:
    log.configure()
    return supervise(arguments.line, arguments.heartbeat, arguments.heartbeat_limit)
