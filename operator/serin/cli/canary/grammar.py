"""The grammar of `serin canary` and `kubectl canary`: the same actions, with and without the first word."""

import argparse
from pathlib import Path

from serin import __version__
from serin.cli import flags, values
from serin.cli.parser import Parser, add_command

TEXT = "how rollouts stand, and what to do with them; also as `kubectl canary`"
EXAMPLES = """
    serin canary list -A                         every CanaryRoute of the cluster
    serin canary status shop -n prod --watch     weights, checks and evidence as they change
    serin canary promote shop -n prod            approve, and end this step if its checks pass
    serin canary abort shop --run-dir DIR        of a `serin serve --run-dir DIR` on this machine
    serin canary simulate canaryroute.yaml --rps 50 --error-rate 0.05
    serin canary migrate web.yaml web-canary.yaml
"""
VERBS = {
    "promote": "approve the running step, and end it if its checks pass",
    "promote-full": "give the version all requests at once",
    "pause": "hold the run where it is; a failing check still takes the version back",
    "resume": "go on after a pause",
    "abort": "take the version back: weight 0, its rules suspended",
    "retry": "begin the run that ended once more, at its first step",
    "revert": "after a promotion: straight back to the version before, without steps",
}


def add_to(commands: "argparse._SubParsersAction[Parser]", examples: str) -> None:
    _actions(add_command(commands, "canary", TEXT, examples))


def kubectl_parser() -> Parser:
    """`kubectl canary`. --run-dir is there, too, though the cluster is what is meant."""
    parser = Parser(
        prog="kubectl canary",
        description="How rollouts of CanaryRoutes stand, and what to do with them.",
        epilog="`kubectl canary ACTION --help` has the flags of each action.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"serin {__version__}")
    _actions(parser)
    return parser


def _actions(parser: Parser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, text: str, example: str) -> Parser:
        return add_command(actions, name, text, f"{parser.prog} {example}")

    shown = action("list", "list CanaryRoutes and how their rollouts stand", "list -n prod")
    _place(shown)
    shown.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces (--run-dir: always)")
    shown.add_argument("--json", action="store_true", help="the objects as JSON")
    _status(action("status", "show one rollout: weights, checks, evidence, what is waited for", "status shop --watch"))
    for verb, text in VERBS.items():
        _verb(action(verb, text, f"{verb} shop -n prod"))
    _simulate(action("simulate", "tell what a rollout would do, without a cluster", _SIMULATE))
    _migrate(action("migrate", "print the CanaryRoute that canary Ingresses amount to", "migrate web.yaml canary.yaml"))


_SIMULATE = "simulate canaryroute.yaml --rps 50 --error-rate 0.05"


def _status(parser: Parser) -> None:
    _name(parser)
    _place(parser)
    parser.add_argument("-w", "--watch", action="store_true", help="go on, and draw anew as it changes")
    parser.add_argument(
        "--every",
        type=values.seconds,
        default=2.0,
        metavar="S",
        help="with --watch: how often is looked (default: 2)",
    )
    parser.add_argument("--json", action="store_true", help="the object as JSON, once")


def _verb(parser: Parser) -> None:
    _name(parser)
    _place(parser)
    parser.add_argument(
        "--timeout",
        type=values.seconds,
        default=30.0,
        metavar="S",
        help="how long the controller's answer is waited for; 0 does not wait (default: 30)",
    )


def _simulate(parser: Parser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a file with a CanaryRoute that has a rollout")
    parser.add_argument("--name", metavar="NAME", help="which CanaryRoute, where the file has several")
    parser.add_argument(
        "--rps", type=values.positive, required=True, metavar="N", help="requests in a second, all versions together"
    )
    parser.add_argument(
        "--error-rate",
        type=values.rate,
        metavar="E",
        help="the new version's share of failing requests, as 0.05 or 5%% (default: that of the version before)",
    )
    parser.add_argument(
        "--baseline-error-rate",
        type=values.rate,
        metavar="B",
        help="that of the version before (default: 0.005, or E where that is smaller)",
    )
    parser.add_argument(
        "--latency-factor",
        type=values.positive,
        default=1.0,
        metavar="F",
        help="how many times longer the new version takes to answer (default: 1)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of the random numbers (default: 1)")
    parser.add_argument("--json", action="store_true", help="as JSON")


def _migrate(parser: Parser) -> None:
    flags.paths(parser, needed=False)
    flags.connection(parser)
    parser.add_argument(
        "-n", "--namespace", type=values.namespace, default="", metavar="NS", help="only of this namespace"
    )
    flags.selection(parser)
    parser.set_defaults(plane="nginx", watch_namespace_selector="")


def _name(parser: Parser) -> None:
    parser.add_argument("name", type=values.name, metavar="NAME", help="the CanaryRoute")


def _place(parser: Parser) -> None:
    flags.connection(parser)
    parser.add_argument(
        "--context", default="", metavar="NAME", help="a context of the kubeconfig (default: its current)"
    )
    parser.add_argument(
        "--run-dir", type=Path, metavar="DIR", help="that of a `serin serve` on this machine, in place of a cluster"
    )
    parser.add_argument(
        "-n",
        "--namespace",
        type=values.namespace,
        default="",
        metavar="NS",
        help="default: that of the kubeconfig's context, else default",
    )
