"""Actions on CanaryRoutes are for those who have the right to them, where approving is a duty of its own."""

import asyncio
import copy
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from unit.admission.reviews import body_of, review_of
from unit.admission.test_judge_canaryroutes import canary_route
from unit.admission.test_server import StandIn, Webhook, nobody, until, write_pair

from serin.admission import approval as approval_module
from serin.admission.approval import Approval, Right, asked_right
from serin.admission.review import Asker
from serin.admission.server import AdmissionServer
from serin.rollout.verbs import VERBS

ANNA = {"username": "anna", "uid": "7", "groups": ["team", "system:authenticated"], "extra": {"scope": ["a", "b"]}}


def route(action: str | None = None) -> dict[str, Any]:
    made = copy.deepcopy(canary_route("shop"))
    if action is not None:
        made["metadata"]["annotations"] = {"serin.dev/action": action}
    return made


def right(verb: str) -> Right:
    metadata = route()["metadata"]
    return Right(metadata.get("namespace", ""), metadata["name"], verb)


@pytest.mark.parametrize("verb", VERBS)
def test_a_new_action_needs_the_right_to_its_verb(verb: str) -> None:
    assert asked_right(review_of(route(f"{verb}/token"), route())) == right(verb)
    assert asked_right(review_of(route(f"  {verb} \n"), route("other"))) == right(verb)
    assert asked_right(review_of(route(verb))) == right(verb), "also where the object is new"


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (None, None),
        (None, "promote/1"),
        ("promote/1", "promote/1"),
        (" promote/1 ", "promote/1"),
        ("", None),
        ("jump", None),
        ("PROMOTE", None),
    ],
)
def test_what_carries_nothing_out_needs_none(new: str | None, old: str | None) -> None:
    assert asked_right(review_of(route(new), route(old))) is None


def test_a_token_makes_another_action() -> None:
    assert asked_right(review_of(route("promote/2"), route("promote/1"))) == right("promote")


@pytest.mark.parametrize("metadata", [None, [], {"annotations": []}, {"annotations": {"serin.dev/action": 1}}])
def test_what_cannot_be_read_is_no_action(metadata: Any) -> None:
    assert asked_right(review_of({**route(), "metadata": metadata}, route("promote"))) is None


def test_other_kinds_and_operations_have_none() -> None:
    assert asked_right(review_of(route("promote"), kind={"group": "serin.dev", "kind": "Other"})) is None
    assert asked_right(review_of(None, route("promote"), operation="DELETE")) is None


async def test_the_one_who_asks_is_asked_about() -> None:
    asked: list[tuple[Asker, Right]] = []

    async def yes(who: Asker, what: Right) -> bool:
        asked.append((who, what))
        return True

    assert await Approval(yes).denial(review_of(route("abort"), route(), userInfo=ANNA)) == ""
    assert await Approval(yes).denial(review_of(route(), route(), userInfo=ANNA)) == ""
    anna = Asker("anna", "7", ("team", "system:authenticated"), {"scope": ("a", "b")})
    assert asked == [(anna, right("abort"))]


@pytest.mark.parametrize("info", [None, [], {"username": 1, "groups": "x", "extra": []}, {"groups": [1, "g"]}])
async def test_a_strange_asker_has_no_name(info: Any) -> None:
    async def no(who: Asker, _: Right) -> bool:
        assert who.name == ""
        return False

    assert (await Approval(no).denial(review_of(route("abort"), userInfo=info))).startswith(
        "serin.dev/action: the user"
    )


async def test_without_the_right_it_says_which_one() -> None:
    async def no(_: Asker, __: Right) -> bool:
        return False

    said = await Approval(no).denial(review_of(route("promote"), route(), userInfo=ANNA))
    namespace = right("promote").namespace
    needed = f"that needs the right to update canaryroutes/promote in namespace {namespace}"
    assert said == f"serin.dev/action: anna may not promote: {needed}"


async def test_without_an_answer_it_is_denied(monkeypatch: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def away(_: Asker, __: Right) -> bool:
        raise OSError("away")

    async def silent(_: Asker, __: Right) -> bool:
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(approval_module, "SECONDS", 0.01)
    with caplog.at_level(logging.ERROR):
        for ask in (away, silent):
            assert "cannot be asked now" in await Approval(ask).denial(review_of(route("promote"), userInfo=ANNA))
    assert [record.getMessage() for record in caplog.records] == ["webhook-failed"] * 2


async def test_the_webhook_denies_it(tmp_path: Path) -> None:
    async def bob_alone(who: Asker, _: Right) -> bool:
        return who.name == "bob"

    files = write_pair(tmp_path, "webhook.example")
    admission = AdmissionServer(("127.0.0.1", 0), files, StandIn(), nobody, approval=Approval(bob_alone))
    task = asyncio.create_task(admission.run())
    await until(lambda: admission.port, "the port")
    webhook = Webhook(admission, files)
    denied = await webhook.judged(body_of(route("promote"), route(), userInfo=ANNA))
    assert (denied["allowed"], "anna may not promote" in denied["status"]["message"]) == (False, True)
    for body in (body_of(route("promote"), route(), userInfo={"username": "bob"}), body_of(route(), userInfo=ANNA)):
        assert (await webhook.judged(body))["allowed"]
    assert (webhook.count("denied"), webhook.count("allowed")) == (1, 2)
    assert json.loads(body_of(route()))["request"]["operation"] == "CREATE"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
