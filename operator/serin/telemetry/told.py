"""What the controller tells the data plane of ingress-nginx's metrics: constant labels, and what flags say of them.

One comment line in plan/metrics, so that a data plane that knows neither its pod nor the controller's flags shows the
same labels as the controller. A line that cannot be read counts as absent.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

MARK = "# serin "


@dataclass(frozen=True, slots=True)
class Told:
    """`excluded`: names of request series that are not shown, without `nginx_ingress_controller_`.

    `per_host` (--metrics-per-host): series have the label `host`. `status_classes` (--report-status-classes): `status`
    is 2xx and the like.
    """

    controller_class: str = ""
    controller_namespace: str = ""
    controller_pod: str = ""
    per_host: bool = True
    status_classes: bool = False
    excluded: Sequence[str] = ()

    @property
    def line(self) -> str:
        return MARK + json.dumps(asdict(self)) + "\n"

    @property
    def labels(self) -> dict[str, str]:
        return {
            "controller_class": self.controller_class,
            "controller_namespace": self.controller_namespace,
            "controller_pod": self.controller_pod,
        }


def read_told(text: str) -> Told:
    """The line in the text of plan/metrics, or the defaults."""
    line = next((line for line in text.split("\n", 20)[:20] if line.startswith(MARK)), "")
    try:
        found = json.loads(line.removeprefix(MARK))
        usual = Told()
        given = {f.name: found[f.name] for f in fields(Told)}
        if not all(isinstance(given[name], type(value)) for name, value in asdict(usual).items() if name != "excluded"):
            return usual
        given["excluded"] = tuple(name for name in given["excluded"] if isinstance(name, str))
        return Told(**given)
    except (ValueError, KeyError, TypeError):
        return Told()
