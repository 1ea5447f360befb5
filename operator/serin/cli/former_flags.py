"""Flags of ingress-nginx's controller, judged by `serin controller`'s own grammar, and what they mean for a report."""

import argparse
import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serin.cli.arguments import build_parser
from serin.cli.unused_flags import REASONS
from serin.lint.migration.model import SAME, Judged, Line, Subject, Verdict
from serin.objects.fields import shorten

FORMER_CLASS = "k8s.io/ingress-nginx"
"""spec.controller of ingress-nginx's IngressClass, where no flag says otherwise."""
_DIFFERS: Mapping[str, str] = {
    "--election-id": "the Lease is Serin's own: with the same name both would wait for each other; leave it out",
    "--shutdown-grace-period": "how long requests in flight may take (there: a wait before the end begins)",
    "--publish-service": "name Serin's Service, not that of ingress-nginx, or status shows the former address",
}
_LOST = frozenset(
    (
        *("--enable-ssl-chain-completion", "--enable-topology-aware-routing"),
        *(flag for flag in REASONS if flag.startswith("--maxmind-")),
    )
)
"""Flags that ask for something that is not done."""
_CHANGED = frozenset(
    (
        *("--bucket-factor", "--length-buckets", "--max-buckets", "--size-buckets", "--time-buckets"),
        *("--health-check-path", "--healthz-host", "--metrics-per-undefined-host", "--profiling", "--v", "-v"),
    )
)
"""Flags whose subject is done another way that shows."""
_SECRETS = ("--maxmind-license-key",)


@dataclass(frozen=True, slots=True)
class Former:
    """`given`: what the flags say, where they can be read; `options`: those that decide which objects count."""

    subject: Subject
    given: argparse.Namespace


def judge_flags(words: Sequence[str], planes: Sequence[str]) -> Former:
    """Each flag by itself, so that one that cannot be read hides no other."""
    lines, readable = [], []
    for word in words:
        flag, _, value = word.partition("=")
        judged = _judge(word, flag)
        if judged.verdict is not Verdict.REFUSED:
            readable.append(word)
        shown = "…" if flag in _SECRETS else shorten(value)
        lines.append(Line(flag, shown, dict.fromkeys(planes, judged)))
    given, _ = _parse(readable)
    assert given is not None
    return Former(Subject(None, lines=tuple(lines)), given)


def advice(given: argparse.Namespace) -> tuple[str, ...]:
    """How `serin controller` is started in the other one's place."""
    takes = "Serin takes over the IngressClass of ingress-nginx as it is"
    both = "both at a time would serve the same Ingresses and write the same status"
    found = [f"--controller-class={given.controller_class}: {takes}; {both}"]
    if given.ingress_class != "nginx":
        found.append(f"--ingress-class={given.ingress_class}")
    return tuple(found)


def _judge(word: str, flag: str) -> Judged:
    flag = flag if flag.startswith("--") or len(flag) == 2 else f"-{flag}"
    given, error = _parse([word])
    if given is None:
        return Judged(Verdict.REFUSED, error, "correct it, or leave it out: the controller does not start with it")
    if flag in REASONS:
        off = word.partition("=")[2].lower() in ("false", "f", "0")
        verdict = Verdict.REFUSED if flag in _LOST else Verdict.DIFFERENT if flag in _CHANGED else Verdict.NONE
        return Judged(Verdict.NONE if off else verdict, REASONS[flag])
    if flag in _DIFFERS:
        return Judged(Verdict.DIFFERENT, _DIFFERS[flag])
    return SAME


def _parse(words: Sequence[str]) -> tuple[argparse.Namespace | None, str]:
    """What `serin controller` reads; None and the reason where it would not start. Defaults are ingress-nginx's."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            given, unknown = build_parser().parse_known_args(
                ["controller", f"--controller-class={FORMER_CLASS}", *words]
            )
            if unknown:
                given.parser.refuse(unknown)
    except SystemExit as stop:
        if stop.code == 0:
            return _parse([])
        return None, said.getvalue().partition("\n")[0].removeprefix("serin controller: ")
    return given, ""
