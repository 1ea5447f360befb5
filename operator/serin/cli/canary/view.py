"""How one rollout stands, as text: made of the object alone, so that it says what the controller wrote.

Counts in the status are those of the running step since its warm-up, written every now and then; a rate is had from two
of them, or from how long they have been counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from serin.cli.canary.document import Document, Part, read_percent
from serin.cli.canary.tables import duration, table
from serin.cli.terminal import Paint

STYLES = {
    "Pass": "good",
    "Promoted": "good",
    "Fail": "error",
    "RolledBack": "error",
    "Invalid": "error",
    "NeedsData": "warning",
    "Paused": "warning",
    "AwaitingApproval": "warning",
}


@dataclass(frozen=True, slots=True)
class Look:
    """A document, when it was read (seconds since the epoch), and the last one with another status, if it was seen.

    `since`: when this status was seen first; 0: now.
    """

    document: Document
    at: float
    before: "Look | None" = None
    since: float = 0.0

    @property
    def first_at(self) -> float:
        return self.since or self.at


def lines(look: Look, paint: Paint, prog: str) -> Iterator[str]:
    document = look.document
    status = document.status
    yield from _head(document, paint)
    if not status:
        yield ""
        yield "The controller has not said anything of it yet."
        return
    yield ""
    yield from _versions(look, paint)
    if status.parts("checks"):
        yield ""
        yield from _checks(document, paint)
    if document.run:
        yield ""
        yield from _run(look, prog)
    yield from _conditions(document, paint)
    yield from _past(document, paint)


def _head(document: Document, paint: Paint) -> Iterator[str]:
    status, run = document.status, document.run
    phase = status.text("phase") or "-"
    title = f"{document.namespace}/{document.name}"
    parts = [paint("bold", title), paint(STYLES.get(phase, "bold"), phase)]
    if run:
        parts.append(" ".join(text for text in (run.text("version"), run.text("revision")) if text))
        ended = run.text("outcome")
        parts.append(ended or f"step {run.text('stepText')} at {document.weight or '0%'}")
    yield "   ".join(parts)
    if status.text("message"):
        yield status.text("message")
    seen = status.number("observedGeneration")
    if seen and document.generation > seen:
        text = f"this is of generation {seen}; the object is at {document.generation}, which is not looked at yet"
        yield paint("warning", text)


# --- versions ---


def _versions(look: Look, paint: Paint) -> Iterator[str]:
    document, run = look.document, look.document.run
    rows = [("VERSION", "ROLE", "WEIGHT", "READY", "REQUESTS", "RATE", "ERRORS", "LATENCY")]
    for item in document.status.parts("weights"):
        name = item.text("version")
        role = {run.text("version"): "candidate", run.text("baseline"): "baseline"}.get(name, "")
        rows.append(
            (
                name,
                role or "-",
                item.text("weight") or "-",
                item.text("readyEndpoints") or "0",
                *_measured(look, role),
            )
        )
    head, *others = table(rows)
    yield paint("dim", head)
    yield from others


def _measured(look: Look, role: str) -> tuple[str, str, str, str]:
    """Requests, rate, errors and latency of a version that takes part in the run, as far as checks tell them."""
    if not role or look.document.run.text("outcome"):
        return "-", "-", "-", "-"
    counted = max(look.document.status.parts("checks"), key=lambda check: check.number(_COUNTS[role]), default=Part({}))
    count = counted.number(_COUNTS[role])
    kinds = _kinds(look.document)
    found = {kinds.get(check.text("name"), ""): check.text(role) for check in look.document.status.parts("checks")}
    return (
        str(count) if counted else "-",
        _rate(look, role, count),
        found.get("Errors") or "-",
        found.get("Latency") or "-",
    )


_COUNTS = {"candidate": "requests", "baseline": "baselineRequests"}


def _kinds(document: Document) -> dict[str, str]:
    """The type of each check: of spec; else told by what it measured."""
    said = {c.text("name"): c.text("type") for c in document.spec.part("rollout").parts("checks")}
    for check in document.status.parts("checks"):
        value = check.text("candidate") or check.text("baseline")
        said.setdefault(check.text("name"), "Errors" if value.endswith("%") else "Latency" if value[-1:] == "s" else "")
    return said


def _rate(look: Look, role: str, count: int) -> str:
    """Requests in a second, between two looks at the same step where there are two."""
    before = look.before
    if before is not None and _same_step(look, before):
        earlier = max((c.number(_COUNTS[role]) for c in before.document.status.parts("checks")), default=0)
        if count > earlier and look.first_at > before.first_at:
            return f"{(count - earlier) / (look.first_at - before.first_at):.1f}/s"
    run = look.document.run
    since = run.time("judgedSince") or run.time("stepStartedAt")
    return f"{count / (look.at - since):.1f}/s" if since is not None and look.at > since and count else "-"


def _same_step(one: Look, other: Look) -> bool:
    names = ("runId", "step", "weight", "judgedSince")
    return all(one.document.run.text(name) == other.document.run.text(name) for name in names)


# --- checks ---


def _checks(document: Document, paint: Paint) -> Iterator[str]:
    checks = document.status.parts("checks")
    head, *others = table([_CHECK_HEAD, *(_check_row(document, check) for check in checks)])
    yield paint("dim", head)
    for check, line in zip(checks, others, strict=True):
        verdict = check.text("verdict")
        yield line.replace(f"   {verdict} ", f"   {paint(STYLES.get(verdict, 'dim'), verdict)} ", 1)
        if check.text("message") and verdict != "Pass":
            yield f"    {check.text('message')}"
        if check.text("query"):
            yield paint("dim", f"    {check.text('query')}")


_CHECK_HEAD = ("CHECK", "VERDICT", "CANDIDATE", "BASELINE", "LIMIT", "REQUESTS", "EVIDENCE", "NEEDS")


def _check_row(document: Document, check: Part) -> tuple[str, ...]:
    requests, baseline = check.number("requests"), check.number("baselineRequests")
    counted = f"{requests} / {baseline}" if baseline else str(requests) if requests else "-"
    needs = check.number("needs")
    texts = (check.text("candidate"), check.text("baseline"), check.text("limit"), counted)
    return (
        check.text("name"),
        check.text("verdict") or "None",
        *(text or "-" for text in texts),
        _evidence(document, check),
        f"about {needs} more" if needs else "-",
    )


def _evidence(document: Document, check: Part) -> str:
    """How far it has come on its way to 1 / falseAlarm, at which the check fails."""
    if not check.text("evidence"):
        failures = check.number("failures")
        return f"{failures} failed" if failures else "-"
    alarm = read_percent(document.spec.part("rollout").text("falseAlarm", "5%"))
    return f"{check.text('evidence')} of {1 / alarm:.3g}" if alarm else check.text("evidence")


# --- the run ---


def _run(look: Look, prog: str) -> Iterator[str]:
    document, run = look.document, look.document.run
    if run.text("outcome"):
        started = _ago(run.time("startedAt"), look.at)
        yield f"run {run.text('runId')} ended: {run.text('outcome')}" + (f"; it began {started}" if started else "")
        return
    began = run.time("stepStartedAt")
    text = f"step {run.text('stepText')}" + (f" for {duration(look.at - began)}" if began is not None else "")
    next_at = run.time("nextAt")
    if next_at is not None:
        left = next_at - look.at
        text += f"; next step in {duration(left)} at the earliest" if left > 0 else "; its time is over"
    yield text
    if run.text("awaitingSince"):
        yield f"waits for an approval: {prog} promote {document.name} -n {document.namespace}"
    if run.flag("paused") or document.spec.flag("paused"):
        by = "spec.paused" if document.spec.flag("paused") else f"{prog} resume {document.name} goes on"
        yield f"paused ({by}); a failing check still takes the version back"


def _conditions(document: Document, paint: Paint) -> Iterator[str]:
    found = document.status.parts("conditions")
    if found:
        yield ""
        yield paint("dim", "CONDITIONS")
        rows = [(c.text("type"), c.text("status"), c.text("reason"), c.text("message")) for c in found]
        yield from table(rows)


def _past(document: Document, paint: Paint) -> Iterator[str]:
    action = document.status.part("lastAction")
    history = document.status.parts("history")
    if history:
        yield ""
        yield paint("dim", "HISTORY")
        rows = [
            (
                run.text("finishedAt") or "-",
                run.text("outcome"),
                " ".join(text for text in (run.text("version"), run.text("revision")) if text),
                run.text("reason"),
            )
            for run in history
        ]
        yield from table(rows)
    if action:
        yield ""
        why = f": {action.text('message')}" if action.text("message") else ""
        yield f"last action {action.text('value')} {action.text('result')}{why}"


def _ago(then: float | None, now: float) -> str:
    return "" if then is None else f"{duration(now - then)} ago"
