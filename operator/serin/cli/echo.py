"""`serin echo`: the demo backend."""

import argparse

from serin import echo
from serin.errors import UsageError


def run(arguments: argparse.Namespace) -> int:
    try:
        echo.run(arguments.name, arguments.port, arguments.bind)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {arguments.bind} port {arguments.port}: {error.strerror or error}"
        ) from error
    return 0
