"""The command line: arguments in, exit code out. What commands do is in the packages below.

Exit codes: 0 done, 1 the answer is no (lint found errors), 2 the command cannot be carried out as it was given.
"""

import importlib
import os
import sys
from collections.abc import Sequence

from serin.cli.arguments import parse
from serin.errors import SerinError

COMMANDS = {
    "serve": "serin.cli.serve",
    "controller": "serin.cli.controller",
    "data-plane": "serin.cli.data_plane",
    "supervise": "serin.cli.supervise",
    "explain": "serin.cli.explain",
    "lint": "serin.cli.lint",
    "render": "serin.cli.render",
    "echo": "serin.cli.echo",
}
"""The module whose `run` does it. Loaded when asked for: a data plane must not load the compiler."""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    try:
        code: int = importlib.import_module(COMMANDS[arguments.command]).run(arguments)
        sys.stdout.flush()
        return code
    except SerinError as error:
        print(f"serin {arguments.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"serin {arguments.command}: {error}", file=sys.stderr)
        return 2
