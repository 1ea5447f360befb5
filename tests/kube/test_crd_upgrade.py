"""Upgrading the definition as docs/canaryroute.md says, over one that helm once made."""

import json

from harness import canaryroutes
from harness.canaryroutes import DEFINITION, Object, path, until_served
from harness.kube import Kube, wait_for

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/canaryroutes.serin.dev"


def earlier() -> Object:
    """As an earlier release may have been: fewer fields, narrower bounds, other texts."""
    definition = canaryroutes.definition()
    version = definition["spec"]["versions"][0]
    del version["additionalPrinterColumns"][3]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["description"] = "What is wanted."
    spec["properties"]["versions"]["maxItems"] = 2
    rollout = spec["properties"]["rollout"]["properties"]
    del rollout["falseAlarm"]
    return definition


def test_objects_outlive_it_and_new_fields_are_kept(own_api_server: Kube) -> None:
    kube = own_api_server
    kube.kubectl("create", "--field-manager=helm", "-f", "-", input=json.dumps(earlier()))
    until_served(kube)
    full = canaryroutes.valid()["full"]
    before = kube.request("POST", path("default"), full)
    assert "falseAlarm" not in before["spec"]["rollout"]

    refused = kube.kubectl("apply", "--server-side", "-f", str(DEFINITION), check=False)
    assert "conflict" in refused.stderr
    kube.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(DEFINITION))
    kube.kubectl("wait", "--for=condition=Established", "crd/canaryroutes.serin.dev")

    at = path("default", "shop")
    after = wait_for(kube, at, lambda found: found["spec"]["rollout"].get("falseAlarm") == "5%", "the new default")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["generation"] == 1
    changed = kube.request("PATCH", at, {"spec": {"rollout": {"falseAlarm": "1%"}}})
    assert changed["spec"]["rollout"]["falseAlarm"] == "1%"
