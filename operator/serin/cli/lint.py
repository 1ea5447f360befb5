"""`serin lint`: what is wrong with manifests."""

import argparse
import json
import sys

from serin.cli import problems
from serin.cli.offline import look
from serin.cli.terminal import Paint
from serin.problems import Severity


def run(arguments: argparse.Namespace) -> int:
    """1 if anything that was asked for does not happen."""
    found = look(arguments).problems
    if arguments.json:
        print(json.dumps([problems.as_json(problem) for problem in found], indent=2))
    else:
        for line in problems.lines(found, Paint(sys.stdout)):
            print(line)
        print(problems.summary(found))
    return int(any(problem.severity is Severity.ERROR for problem in found))
