"""`serin explain`: which rule, version and service a request would get, and why."""

import argparse
from collections.abc import Iterator
from dataclasses import replace

from serin.cli.offline import look
from serin.compile.canaryroute_runs import runs_of
from serin.compile.compiler import Compiled
from serin.compile.near import Near
from serin.compile.passed_over import passed_over
from serin.native.pattern import Pattern
from serin.native.twin.hashing import hash64
from serin.routing.explain import ExplainRequest, Known, explain
from serin.routing.explanation import Note


def run(arguments: argparse.Namespace) -> int:
    request = ExplainRequest(arguments.url, arguments.method, tuple(arguments.headers), arguments.client_ip)
    found = look(arguments)
    known = Known(runs_of(found.compiled), hash64)
    explanation = explain(found.plan, request, found.problems, Pattern, known)
    asked = request.asked().host
    if explanation.ingress is None or explanation.host != asked:
        explanation = replace(explanation, lost=(*explanation.lost, *_others(found.compiled, asked)))
    print(explanation.to_json_text() if arguments.json else explanation.to_text())
    return 0


def _others(compiled: Compiled, host: str) -> Iterator[Note]:
    """What else names the host, or one that is nearly called so, where nothing that is served is for that very name."""
    memo = compiled.memo
    others = tuple(passed_over(memo.snapshot, memo.classes, memo.options, host))
    near = "" if others or host in compiled.plan.hosts else Near(compiled.plan.hosts).find(host)
    yield from (Note(text, field) for text, field in others)
    if near:
        yield Note(f"there is a rule for {near}, which is nearly the same")
