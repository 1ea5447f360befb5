"""`serin canary …` and `kubectl canary …`: how rollouts stand, and the verbs that people give them.

A CanaryRoute is read as its JSON says, from the API server or from a run directory; what is asked of a rollout is an
annotation, or a file in the run directory, and never a status. Nothing is decided here: the controller does that.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence

from serin.cli.canary.grammar import add_to, kubectl_parser

__all__ = ["add_to", "main", "run"]

ACTIONS = {
    "list": "serin.cli.canary.listing",
    "status": "serin.cli.canary.status",
    "simulate": "serin.cli.canary.simulate",
    "migrate": "serin.cli.canary.migrate",
}
"""The module whose `run` does it; verbs are all in serin.cli.canary.verbs."""


def run(arguments: argparse.Namespace) -> int:
    """0 done; 1 the answer is no; 2 it cannot be carried out as it was given; 3 a part could not be carried over."""
    module = importlib.import_module(ACTIONS.get(arguments.action, "serin.cli.canary.verbs"))
    return int(module.run(arguments))


def main(line: Sequence[str] | None = None) -> int:
    """`kubectl canary`: the program kubectl-canary, which kubectl finds on the PATH; also `python -m`."""
    from serin.cli import ending

    arguments: argparse.Namespace
    arguments, unknown = kubectl_parser().parse_known_args(sys.argv[1:] if line is None else line)
    if unknown:
        arguments.parser.refuse(unknown)
    return ending("kubectl canary", lambda: run(arguments))
