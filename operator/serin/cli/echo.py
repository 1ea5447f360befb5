"""`serin echo`: the demo backend."""

import argparse
import os

from serin import echo
from serin.errors import UsageError


def run(arguments: argparse.Namespace) -> int:
    try:
        echo.run(arguments.name, arguments.port, arguments.bind, tls=arguments.tls, errors=arguments.errors)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise UsageError(f"cannot listen on {arguments.bind} port {arguments.port}: {why}") from error
    return 0
