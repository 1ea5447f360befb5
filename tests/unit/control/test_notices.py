"""Notices of rollouts: who is told what, by which words, and what becomes of those that cannot be delivered."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from serin.control.notices.message import Notice, cloud_event, slack
from serin.control.notices.sending import PAUSES, WAITING, Notices
from serin.control.notices.sinks import USUAL, SinksError, read_sinks
from serin.control.outside.allowed import Allowed
from serin.control.outside.calling import Call, NotReachedError, Said
from serin.objects.canary_status import CanaryStatus, RunStatus
from serin.objects.views import CanaryRoute, Meta
from serin.refs import Ref
from serin.rollout.situation import Advance, Told

VIEW = CanaryRoute(Meta(Ref("CanaryRoute", "prod", "shop")))
STATUS = CanaryStatus(
    phase="RolledBack", run=RunStatus("0123456789abcdef", "v2", "1.8.2", step=3, outcome="RolledBack")
)
BACK = Told("RolledBack", "check errors failed: <4.4 %>", warning=True)
NOTICE = Notice("prod", "shop", "RolledBack", "a & <b>", True, 1_800_000_000.0, "0123456789abcdef", "v2", "1.8.2", 3)
CHAT = "- {name: chat, url: 'https://hooks.example.com/x', format: slack}\n"
EVENTS = (
    "- {name: events, url: 'http://events.shop.svc:8080/', format: cloudevents, token: t0ken, reasons: [Promoted]}\n"
)


class Receiver:
    """Answers as told, in order; then 200."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers = list(answers)
        self.calls: list[Call] = []
        self.allowed: list[Allowed] = []

    async def __call__(self, asked: Call, allowed: Allowed) -> Said:
        self.calls.append(asked)
        self.allowed.append(allowed)
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return Said(answer, b"", whole=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sinks.yaml"
    path.write_text(CHAT)
    return path


def results(notices: Notices) -> dict[str, float]:
    return {figure.labels[0][1]: figure.value for figure in notices.figures()}


async def told(notices: Notices, *events: Told, until: Callable[[], bool]) -> None:
    work = asyncio.create_task(notices.run())
    notices(VIEW, Advance(STATUS, events, write=True))
    try:
        async with asyncio.timeout(45):
            while not until():
                await asyncio.sleep(0)
    finally:
        work.cancel()


def made(file: Path, receiver: Receiver) -> tuple[Notices, list[float]]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return Notices(file, lambda: 1_800_000_000.0, receiver, sleep), slept


async def test_a_sink_gets_what_it_asked_for(file: Path) -> None:
    file.write_text(CHAT + EVENTS)
    receiver = Receiver()
    notices, _ = made(file, receiver)
    await told(notices, Told("StepStarted", "a"), BACK, Told("Promoted", "b"), until=lambda: len(receiver.calls) == 3)
    by_url: dict[str, list[dict[str, str]]] = {}
    for asked in receiver.calls:
        by_url.setdefault(asked.url, []).append(json.loads(asked.body or b""))
    chat, events = by_url["https://hooks.example.com/x"], by_url["http://events.shop.svc:8080/"]
    assert [text["text"].split(" ")[2] for text in chat] == ["RolledBack:", "Promoted:"]
    assert [event["type"] for event in events] == ["dev.serin.canaryroute.Promoted"]
    of_events = next(asked for asked in receiver.calls if "events" in asked.url)
    assert (of_events.authorization, of_events.content) == ("Bearer t0ken", "application/cloudevents+json")
    assert results(notices) == {"sent": 3.0, "left": 0.0}
    assert not receiver.allowed[0].refuses_name("hooks.example.com")
    assert receiver.allowed[0].refuses_address("hooks.example.com", "127.0.0.1")


async def test_what_cannot_be_delivered_is_tried_again_then_left(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver(500, NotReachedError("no route"), 429, 503)
    notices, slept = made(file, receiver)
    with caplog.at_level(logging.WARNING):
        await told(notices, BACK, until=lambda: results(notices)["left"] == 1)
    assert slept == list(PAUSES)
    assert len(receiver.calls) == len(PAUSES) + 1
    assert [record.serin_fields["why"] for record in caplog.records] == ["it answered 503"]  # type: ignore[attr-defined]


async def test_a_refusal_is_not_repeated(file: Path) -> None:
    receiver = Receiver(404)
    notices, slept = made(file, receiver)
    await told(notices, BACK, until=lambda: results(notices)["left"] == 1)
    assert (len(receiver.calls), slept) == (1, [])


async def test_a_failure_that_passes_is_no_loss_and_order_stays(file: Path) -> None:
    receiver = Receiver(500)
    notices, _ = made(file, receiver)
    await told(notices, BACK, Told("Promoted", "later"), until=lambda: results(notices)["sent"] == 2)
    texts = [json.loads(asked.body or b"")["text"] for asked in receiver.calls]
    assert ["RolledBack" in text for text in texts] == [True, True, False]


async def test_a_file_that_cannot_be_used_is_told_once_and_taken_when_mended(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text("- {name: chat}")
    receiver = Receiver()
    notices, _ = made(file, receiver)
    with caplog.at_level(logging.ERROR):
        await told(notices, BACK, BACK, until=lambda: bool(caplog.records))
    assert len(caplog.records) == 1
    assert not receiver.calls
    file.write_text(CHAT)
    await told(notices, BACK, until=lambda: bool(receiver.calls))


async def test_too_many_are_left(file: Path) -> None:
    notices, _ = made(file, Receiver())
    notices(VIEW, Advance(STATUS, (BACK,) * (WAITING + 5), write=True))
    assert results(notices)["left"] == 5


def test_slack_cannot_be_made_to_mention() -> None:
    text = json.loads(slack(NOTICE))["text"]
    assert text == ":rewind: *prod/shop* RolledBack: a &amp; &lt;b&gt;"


def test_a_cloud_event_is_whole_and_has_one_id() -> None:
    event = json.loads(cloud_event(NOTICE))
    assert event["specversion"] == "1.0"
    assert event["source"] == "/apis/serin.dev/v1alpha1/namespaces/prod/canaryroutes/shop"
    assert event["time"] == "2027-01-15T08:00:00Z"
    assert (event["data"]["step"], event["data"]["note"]) == (3, "a & <b>")
    assert event["id"] == json.loads(cloud_event(NOTICE))["id"] != ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "expected a list"),
        ("- 1", "expected name, url and format"),
        ("- {name: a, url: 'http://h/', format: slack, to: x}", "there is no field to"),
        ("- {name: A, url: 'http://h/', format: slack}", "[0].name"),
        ("- {name: a, url: 'http://h/', format: mail}", "expected slack or cloudevents"),
        ("- {name: a, url: 'ftp://h/', format: slack}", "[0].url"),
        ("- {name: a, url: 'http://u:p@h/', format: slack}", "[0].url"),
        ("- {name: a, url: 'http://h/', format: slack, reasons: [Done]}", "there is no reason 'Done'"),
        ("- {name: a, url: 'http://h/', format: slack, namespaces: prod}", "[0].namespaces"),
        ('- {name: a, url: "http://h/", format: slack, token: "a\\nb"}', "[0].token"),
        (CHAT + CHAT, "a name of its own"),
        ("- [", "expected YAML"),
        ("".join(CHAT.replace("chat", f"c{n}") for n in range(33)), "at most 32"),
    ],
)
def test_a_mistake_in_the_file_is_named_without_its_secrets(text: str, expected: str) -> None:
    with pytest.raises(SinksError) as caught:
        read_sinks(text.encode())
    assert expected in str(caught.value)
    assert "http" not in str(caught.value).replace("http:// or https://", "")


def test_defaults() -> None:
    (sink,) = read_sinks(CHAT.encode())
    assert sink.reasons == USUAL
    assert sink.wants("any", "Promoted")
    assert not sink.wants("any", "StepStarted")
    assert "hooks" not in repr(sink)
    assert read_sinks(b"") == ()
