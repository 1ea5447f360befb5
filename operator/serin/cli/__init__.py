"""The command line: arguments in, exit code out. What commands do is in the packages below.

Exit codes: 0 done, 1 the answer is no (lint found errors), 2 the command cannot be carried out as it was given, 3 only
a part could be done (canary migrate).
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence

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
    "canary": "serin.cli.canary",
    "echo": "serin.cli.echo",
}
"""The module whose `run` does it. Loaded when asked for: a data plane must not load the compiler."""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    module = COMMANDS[arguments.command]
    return ending(f"serin {arguments.command}", lambda: importlib.import_module(module).run(arguments))


def ending(program: str, work: Callable[[], int]) -> int:
    """The exit code of `work`, however it ends; what goes wrong is one line."""
    try:
        code = work()
        sys.stdout.flush()
        return code
    except SerinError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
