"""A notice as it is sent: Slack's text, or a CloudEvent in structured JSON (CloudEvents 1.0). Pure."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from serin.objects.canary_status import CanaryStatus
from serin.objects.views import CanaryRoute
from serin.rollout.situation import Told
from serin.routing.identity import digest64

TYPE = "dev.serin.canaryroute."
_MARKS = {"RolledBack": ":rewind:", "Promoted": ":white_check_mark:", "AwaitingApproval": ":raised_hand:"}


@dataclass(frozen=True, slots=True)
class Notice:
    """One transition of a CanaryRoute. `at`: seconds since the epoch; `step` 0: no run."""

    namespace: str
    name: str
    reason: str
    note: str
    warning: bool
    at: float
    run_id: str = ""
    version: str = ""
    revision: str = ""
    step: int = 0
    phase: str = ""
    outcome: str = ""

    @property
    def id(self) -> str:
        """The same whenever the same is told again, so that receivers can leave it out."""
        return digest64((self.namespace, self.name, self.run_id, str(self.step), self.reason, self.note))


def notice(view: CanaryRoute, status: CanaryStatus, told: Told, at: float) -> Notice:
    ref, run = view.meta.ref, status.run
    made = Notice(ref.namespace, ref.name, told.reason, told.note, told.warning, at, phase=status.phase)
    if run is None:
        return made
    of_run = {"run_id": run.run_id, "version": run.version, "revision": run.revision}
    return Notice(**{**asdict(made), **of_run, "step": run.step, "outcome": run.outcome})


def slack(told: Notice) -> bytes:
    mark = _MARKS.get(told.reason, ":warning:" if told.warning else ":information_source:")
    text = f"{mark} *{told.namespace}/{told.name}* {told.reason}: {_escaped(told.note)}"
    return json.dumps({"text": text}).encode()


def cloud_event(told: Notice) -> bytes:
    data = asdict(told)
    del data["at"]
    event = {
        "specversion": "1.0",
        "id": told.id,
        "source": f"/apis/serin.dev/v1alpha1/namespaces/{told.namespace}/canaryroutes/{told.name}",
        "type": TYPE + told.reason,
        "subject": told.name,
        "time": datetime.fromtimestamp(int(told.at), UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(event).encode()


def _escaped(text: str) -> str:
    """What Slack takes for its own marks: a note may hold words of users, and must not mention everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
