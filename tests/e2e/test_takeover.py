"""docs/migration.md, carried out word for word under load: Serin beside the controller before it, then in its place.

No ingress-nginx can be had here; Serin plays it, with its class, its controller's name and a webhook that must answer.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.e2e import backends
from harness.e2e.report import Report
from harness.e2e.site import Site
from harness.e2e.steady import Steady
from localkube import build, image
from localkube.release import Release

PAGE = image.ROOT / "docs" / "migration.md"
NAMESPACE = FORMER = "ingress-nginx"
HOST = "takeover.example.com"
GOOD = "200 web"
BESIDE, TRAFFIC, TAKEOVER = "Beside it", "The traffic", "The take-over"
VALUES = {
    "fullnameOverride": FORMER,
    "controller.ingressClassResource.controllerValue": "k8s.io/ingress-nginx",
    "controller.admissionWebhooks.failurePolicy": "Fail",
    "controller.preStopSeconds": 2,
}


def blocks(title: str) -> list[str]:
    """The indented blocks of the page's section."""
    (section,) = [part for part in PAGE.read_text().split("\n## ") if part.startswith(title)]
    found = re.findall(r"(?:^    .*\n)+", section, re.MULTILINE)
    return [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in found]


class Shell:
    """Carries out a block as somebody who copies it: in one folder, with the page's names for chart and values."""

    def __init__(self, site: Site, folder: Path) -> None:
        self._folder = folder
        programs = build.programs(build.NODES, print)["kubectl"].parent
        self._environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "KUBECONFIG": str(site.release.cluster.plane.kubeconfig),
            "CHART": "charts/serin",
            **{f"HELM_{name}_HOME": str(folder / "helm" / name) for name in ("CACHE", "CONFIG", "DATA")},
        }
        (folder / "charts").symlink_to(image.ROOT / "charts")
        self._values(site.plane)

    def _values(self, plane: str) -> None:
        """The page's serin.yaml, with the image and the plane of here."""
        told: dict[str, Any] = yaml.safe_load(blocks(BESIDE)[0])
        registry, _, rest = image.NAME.rpartition("/")
        name, _, tag = rest.partition(":")
        told["controller"]["image"] = {"registry": registry, "image": name, "tag": tag, "pullPolicy": "Never"}
        told["controller"]["preStopSeconds"] = 2
        told["dataPlane"] = {"plane": plane}
        (self._folder / "serin.yaml").write_text(yaml.safe_dump(told))

    def __call__(self, block: str) -> str:
        assert block.startswith(("kubectl ", "helm ")), block
        done = subprocess.run(
            ["bash", "-euc", block],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        return done.stdout


class Scene:
    """ingress-nginx serves, and somebody has the page in front of them."""

    def __init__(self, site: Site, shell: Shell, namespace: str) -> None:
        self.site = site
        self.shell = shell
        self.namespace = namespace

    @property
    def address(self) -> str:
        """What clients know: the Service of ingress-nginx."""
        found = self.site.get(f"/api/v1/namespaces/{NAMESPACE}/services/{FORMER}-controller")
        return str(found["spec"]["clusterIP"])

    def shown(self) -> str:
        """The column ADDRESS of the Ingress."""
        path = f"/apis/networking.k8s.io/v1/namespaces/{self.namespace}/ingresses/web"
        told = self.site.get(path)["status"]["loadBalancer"].get("ingress", [])
        return ",".join(each["ip"] for each in told)

    def endpoints(self) -> set[str]:
        """Release names of the pods behind the address."""
        path = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"
        listed = self.site.get(f"{path}?labelSelector=kubernetes.io/service-name={FORMER}-controller")["items"]
        ready = [e for each in listed for e in each["endpoints"] or [] if e["conditions"].get("ready")]
        pods = self.site.get(f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
        releases = {pod["metadata"]["name"]: pod["metadata"]["labels"]["app.kubernetes.io/instance"] for pod in pods}
        return {releases.get(each["targetRef"]["name"], "") for each in ready}

    def wait_for(self, releases: set[str]) -> None:
        self.site.wait(lambda: self.endpoints() == releases, f"pods of {releases} behind the address")

    def webhooks(self) -> set[str]:
        path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
        return {each["metadata"]["name"] for each in self.site.get(path)["items"]}


def removed(site: Site, release: Release) -> None:
    if release.name in release.helm("list", "--all", "--short", "-n", release.namespace).split():
        release.uninstall()


@pytest.fixture(scope="module")
def scene(site: Site, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    site.uninstall()
    former = site.release.beside(FORMER, NAMESPACE)
    former.install(print, {**VALUES, "dataPlane.plane": site.plane})
    try:
        made = [*backends.backend("web", replicas=2), backends.ingress("web", HOST, "web")]
        site.apply(*made, namespace=namespace)
        site.ready("deployment/web", namespace)
        scene = Scene(site, Shell(site, tmp_path_factory.mktemp("page")), namespace)
        site.wait(
            lambda: site.curl(f"http://{HOST}/", place=f"{scene.address}:80").status == 200, "the former to serve"
        )
        site.wait(lambda: scene.shown() == scene.address, "the former to write the address")
        yield scene
    finally:
        removed(site, site.release.beside("serin", NAMESPACE))
        removed(site, former)
        site.kubectl("delete", "ingressclass", "nginx", "--ignore-not-found")
        site.kubectl("delete", "namespace", NAMESPACE)  # awaited: what another plane makes is of the same name


def unharmed(load: Steady) -> None:
    """Every request so far got the backend's answer: a 404 for want of a class is lost, too."""
    assert load.lost == [], load.lost[:5]
    assert set(load.answers()) == {GOOD}


def test_beside_and_in_its_place(scene: Scene, report: Report) -> None:
    """Serin beside ingress-nginx, then in its place: every command of docs/migration.md under load"""
    site, shell, address = scene.site, scene.shell, scene.address
    with site.steady(HOST, place=f"{address}:80", seconds=240) as load:
        install, look = blocks(BESIDE)[1:]
        shell(install)
        serin = site.get(f"/api/v1/namespaces/{NAMESPACE}/services/serin-controller")["spec"]["clusterIP"]
        site.wait(lambda: site.curl(f"http://{HOST}/", place=f"{serin}:80").status == 200, "Serin to serve beside")
        assert "0 errors, 0 warnings" in shell("".join(look.splitlines(keepends=True)[2:]))
        assert scene.shown() == address  # not Serin's
        assert scene.endpoints() == {FORMER}
        unharmed(load)

        both, alone, back = blocks(TRAFFIC)
        for patch, wanted in ((both, {FORMER, "serin"}), (alone, {"serin"}), (back, {FORMER}), (alone, {"serin"})):
            shell(patch)
            scene.wait_for(wanted)
            load.more(20)
        unharmed(load)
        report("the Service's selector four times", **load.figures())

        let_go, take_up, end = blocks(TAKEOVER)
        assert scene.webhooks() == {f"{FORMER}-admission.{NAMESPACE}"}
        shell(let_go)
        assert scene.webhooks() == set()
        load.more(20)
        assert scene.shown() == address
        unharmed(load)
        shell(take_up)
        assert scene.webhooks() == {f"serin-admission.{NAMESPACE}"}
        load.more(20)
        unharmed(load)
        shell(end)
        load.more(40)
        assert scene.shown() == address
        unharmed(load)
        report("class, address and webhook taken over", **load.figures())


def test_afterwards_serin_is_the_one_that_writes(scene: Scene, report: Report) -> None:
    """After the take-over: new Ingresses get the address, wrong ones are refused, old objects are gone"""
    site = scene.site
    site.apply(backends.ingress("late", f"late.{HOST}", "web"), namespace=scene.namespace)
    path = f"/apis/networking.k8s.io/v1/namespaces/{scene.namespace}/ingresses/late"

    def shown() -> object:
        return site.get(path)["status"]["loadBalancer"].get("ingress")

    site.wait(lambda: shown() == [{"ip": scene.address}], "the address of a new Ingress")
    assert site.curl(f"http://late.{HOST}/", place=f"{scene.address}:80").backend == "web"
    owner = site.get("/apis/networking.k8s.io/v1/ingressclasses/nginx")["metadata"]["annotations"]
    assert owner["meta.helm.sh/release-name"] == "serin"
    leases = site.get(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases")["items"]
    assert {each["metadata"]["name"] for each in leases} == {"serin-leader"}
    deployments = site.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments")["items"]
    assert {each["metadata"]["name"] for each in deployments} == {"serin-controller"}
    report("left in the namespace: Serin alone, and the Service of before")
