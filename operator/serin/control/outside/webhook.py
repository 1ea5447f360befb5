"""A check that somebody's own service answers: 2xx passes, 204 and 425 mean too early, all else fails. Pure."""

import json

from serin.control.outside.calling import Call, Said
from serin.control.outside.credentials import Credentials
from serin.control.outside.run import AskedRun
from serin.objects.views import CanaryCheck
from serin.rollout.facts import OutsideResult

MOST_BYTES = 1024
"""Of the answer: its first line is shown to people."""
TOO_EARLY = (204, 425)
_SHOWN = 200


def call_of(check: CanaryCheck, run: AskedRun, credentials: Credentials) -> Call:
    told = {
        "namespace": run.namespace,
        "name": run.name,
        "runId": run.run_id,
        "version": run.version,
        "service": run.service,
        "revision": run.revision,
        "baseline": run.baseline,
        "step": run.step,
        "weight": run.weight,
        "check": check.name,
    }
    return Call(
        method="POST",
        url=check.url,
        timeout=check.timeout,
        most=MOST_BYTES,
        body=json.dumps(told).encode(),
        authorization=credentials.authorization,
        authority=credentials.authority,
    )


def read(said: Said, at: float) -> OutsideResult:
    first = said.body.decode(errors="replace").strip().partition("\n")[0][:_SHOWN]
    line = "".join(c if c.isprintable() else " " for c in first).strip()
    value = str(said.status)
    if said.status in TOO_EARLY:
        return OutsideResult("NeedsData", value, f"the webhook answers {value}: not enough data yet", at)
    if 200 <= said.status < 300:
        return OutsideResult("Pass", value, line, at)
    if 300 <= said.status < 400:
        return OutsideResult("Fail", value, f"the webhook answers {value}: redirects are not followed", at)
    return OutsideResult("Fail", value, f"the webhook answers {value}" + (f": {line}" if line else ""), at)
