"""`serin explain`: which rule, version and service a request would get, and why."""

import argparse

from serin.cli.offline import look
from serin.compile.canaryroute_runs import runs_of
from serin.native.pattern import Pattern
from serin.native.twin.hashing import hash64
from serin.routing.explain import ExplainRequest, Known, explain


def run(arguments: argparse.Namespace) -> int:
    request = ExplainRequest(arguments.url, arguments.method, tuple(arguments.headers), arguments.client_ip)
    found = look(arguments)
    known = Known(runs_of(found.compiled), hash64)
    explanation = explain(found.plan, request, found.problems, Pattern, known)
    print(explanation.to_json_text() if arguments.json else explanation.to_text())
    return 0
