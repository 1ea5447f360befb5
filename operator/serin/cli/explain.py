"""`serin explain`: which rule, version and service a request would get, and why."""

import argparse

from serin.cli.offline import look
from serin.native.pattern import Pattern
from serin.routing.explain import ExplainRequest, explain


def run(arguments: argparse.Namespace) -> int:
    request = ExplainRequest(arguments.url, arguments.method, tuple(arguments.headers), arguments.client_ip)
    found = look(arguments)
    explanation = explain(found.plan, request, found.problems, Pattern)
    print(explanation.to_json_text() if arguments.json else explanation.to_text())
    return 0
