"""What must hold whatever annotations say, over a batch of Ingresses by chance (harness.fuzz_manifests)."""

import contextlib
import json
import pathlib
import random
import tempfile
from collections.abc import Iterator

from harness.fuzz_manifests import CONFIG, FAR, NAMESPACE, NEAR, bystanders, ingresses, options, surroundings
from harness.manifests import Manifest
from harness.nginx_way import Way, compile_manifests, way

from serin.compile.compiler import Compiled
from serin.compile.options import Options
from serin.dataplane.nginx.components import Components


class Batch:
    """Ingresses of one namespace with what they refer to, beside two bystanders, compiled for a plane."""

    def __init__(self, dice: random.Random, count: int, plane: str = "nginx") -> None:
        self._quiet = [*bystanders(), options(dice)]
        self._wild = [*ingresses(dice, count), *surroundings(dice)]
        self._options = Options(
            standalone=dice.random() < 0.5,
            plane=plane,
            configmap=CONFIG,
            default_backend_service=dice.choice([None, (NAMESPACE, "other"), (NAMESPACE, "gone")]),
            ssl_passthrough=dice.random() < 0.5,
        )

    @property
    def told(self) -> str:
        return json.dumps({"options": str(self._options), "config": self._quiet[-1]["data"]}, ensure_ascii=True)

    def compiled(self) -> Compiled:
        """Checked: nothing of ours failed, and the bystanders have what they would have alone."""
        made = compile_manifests(self._wild + self._quiet, self._options)
        faults = [
            f"{problem}\n{self._annotations(str(problem))}" for problem in made.problems if _is_fault(problem.code)
        ]
        assert not faults, "\n".join(faults)
        alone = self.alone()
        assert made.plan.globals == alone.plan.globals
        for host in (NEAR, FAR):
            assert made.plan.hosts[host] == alone.plan.hosts[host]
        return made

    def alone(self) -> Compiled:
        """The bystanders under the same ConfigMap."""
        services = [one for one in self._wild if one["kind"] in ("Service", "EndpointSlice", "ConfigMap")]
        return compile_manifests(self._quiet + services, self._options)

    def put_in_force(self, made: Compiled, nginx: Components, *, lua: bool) -> None:
        """nginx takes all of it as it is, and the bystanders' files are those that they would have alone."""
        with _way(nginx, lua=lua) as here:
            applied = here.apply(made.plan)
            refused = [
                f"{one.ref} {one.host}: {one.error}\n{self._annotations(one.ref.name)}" for one in applied.quarantined
            ]
            assert not refused, "\n".join([*refused[:5], self.told])
            alone = self.alone().plan
            for host in (NEAR, FAR):
                assert here.host_file(host) == here.rendered(alone, host)

    def _annotations(self, named: str) -> str:
        """Those of the Ingress that a text names."""
        return "\n".join(json.dumps(one) for one in self._named(named))

    def _named(self, text: str) -> Iterator[Manifest]:
        words = set(text.replace("/", " ").replace(":", " ").split())
        yield from (one for one in self._wild if one["kind"] == "Ingress" and one["metadata"]["name"] in words)


def _is_fault(code: str) -> bool:
    return code == "internal-error"


@contextlib.contextmanager
def _way(nginx: Components, *, lua: bool) -> Iterator[Way]:
    with tempfile.TemporaryDirectory() as folder, way(pathlib.Path(folder), nginx, lua=lua) as made:
        yield made
