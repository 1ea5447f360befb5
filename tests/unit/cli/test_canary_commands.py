"""`serin canary` and `kubectl canary`: what they show, what they leave for a controller, what is said of its answer."""

import asyncio
import contextlib
import json
import pathlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, cast

import pytest
from aiohttp import web

from serin.cli import main
from serin.cli.arguments import build_parser
from serin.cli.canary import main as kubectl_canary
from serin.cli.canary.document import Document
from serin.cli.canary.places import Place
from serin.cli.canary.status import watch
from serin.cli.canary.tables import duration
from serin.cli.canary.verbs import action
from serin.cli.canary.view import Look, lines
from serin.cli.terminal import Paint
from serin.errors import SerinError, UsageError

JSON = dict[str, Any]
RUN = "5f3a9c1e5f3a9c1e"
NOW = 1795300000.0


def canary_route(name: str = "shop", namespace: str = "prod", **more: Any) -> JSON:
    run = {
        "runId": RUN,
        "version": "v2",
        "revision": "1.8.2",
        "baseline": "v1",
        "step": 3,
        "stepText": "3/5",
        "weight": "25%",
        "stepStartedAt": "2026-11-21T20:00:00Z",
        "nextAt": "2026-11-21T20:30:00Z",
        "verdict": "NeedsData",
    }
    checks = [
        {
            "name": "errors",
            "verdict": "Pass",
            "candidate": "0.21%",
            "baseline": "0.19%",
            "requests": 1840,
            "baselineRequests": 5511,
            "limit": "1.5x",
            "evidence": "0.08",
        },
        {"name": "p95", "verdict": "NeedsData", "candidate": "130ms", "needs": 80, "message": "about 80 more requests"},
    ]
    made = {
        "observedGeneration": 7,
        "phase": "Progressing",
        "message": "v2 1.8.2 at 25% (step 3/5)",
        "weights": [
            {"version": "v1", "weight": "75%", "readyEndpoints": 6},
            {"version": "v2", "weight": "25%", "readyEndpoints": 3},
        ],
        "rollout": run,
        "checks": checks,
        "conditions": [{"type": "Promoted", "status": "Unknown", "reason": "StepRunning", "message": "step 3/5"}],
        "history": [{"runId": "a", "version": "v2", "revision": "1.8.1", "outcome": "RolledBack", "reason": "errors"}],
        **more,
    }
    return {
        "apiVersion": "serin.dev/v1alpha1",
        "kind": "CanaryRoute",
        "metadata": {"name": name, "namespace": namespace, "generation": 7},
        "spec": {"rollout": {"version": "v2", "revision": "1.8.2", "falseAlarm": "5%"}},
        "status": made,
    }


def shown(raw: JSON, at: float = NOW, before: Look | None = None) -> str:
    class Plain(Paint):
        def __init__(self) -> None:
            self.on = False

    return "\n".join(lines(Look(Document(raw), at, before), Plain(), "kubectl canary"))


def test_nothing_in_an_object_commands_the_terminal_of_who_looks() -> None:
    raw = canary_route()
    raw["status"]["message"] = "fine\x1b[2J\x1b]0;x\x07\r\nall is well"
    text = shown(raw)
    assert "fine [2J ]0;x   all is well" in text
    assert text.replace("\n", "").isprintable()


# --- a run directory ---


@pytest.fixture
def run_dir(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "plan" / "canary").mkdir(parents=True)
    return tmp_path


def put(run_dir: pathlib.Path, raw: JSON) -> None:
    metadata = raw["metadata"]
    path = run_dir / "plan" / "canary" / f"{metadata['namespace']}.{metadata['name']}.json"
    path.with_suffix(".new").write_text(json.dumps(raw))
    path.with_suffix(".new").rename(path)


@contextlib.contextmanager
def controller(run_dir: pathlib.Path, raw: JSON, result: str, message: str = "") -> Iterator[list[tuple[str, str]]]:
    """Answers each action in the run directory; gives (name of the file, value) of all."""
    seen: list[tuple[str, str]] = []
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.01):
            for path in sorted((run_dir / "actions").glob("[!.]*")):
                value = path.read_text().strip()
                seen.append((path.name, value))
                path.unlink()
                put(run_dir, _answered(raw, value, result, message))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def _answered(raw: JSON, value: str, result: str, message: str) -> JSON:
    last = {"value": value, "result": result, "message": message}
    return raw | {"status": raw["status"] | {"lastAction": last}}


@pytest.mark.parametrize("verb", ["promote", "promote-full", "pause", "resume", "abort", "retry", "revert"])
def test_a_verb_carries_the_run_and_step_that_was_seen(
    verb: str, run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = canary_route("shop.eu")
    put(run_dir, raw)
    before = int(time.time())
    with controller(run_dir, raw, "Accepted", "step 4/5 begins") as seen:
        assert main(["canary", verb, "shop.eu", "--run-dir", str(run_dir)]) == 0
    ((file, value),) = seen
    assert file.startswith("prod.shop.eu.")
    assert "." not in file.removeprefix("prod.shop.eu.")
    asked, _, token = value.partition("/")
    run, step, seconds = token.split(".")
    assert (asked, run, step) == (verb, RUN, "3")
    assert before <= int(seconds) <= time.time()
    assert capsys.readouterr().out == f"{verb} of prod/shop.eu: accepted: step 4/5 begins\n"


def test_an_ignored_verb_says_why_and_ends_with_one(run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    raw = canary_route()
    put(run_dir, raw)
    with controller(run_dir, raw, "Ignored", "step 3 is already over"):
        assert main(["canary", "promote", "shop", "--run-dir", str(run_dir)]) == 1
    assert "was ignored: step 3 is already over" in capsys.readouterr().err


def test_without_an_answer_that_is_said(run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(run_dir, canary_route())
    assert main(["canary", "abort", "shop", "--run-dir", str(run_dir), "--timeout", "0.1"]) == 1
    assert "no controller answered within 0.1 s" in capsys.readouterr().err
    assert main(["canary", "abort", "shop", "--run-dir", str(run_dir), "--timeout", "0"]) == 0
    assert len(list((run_dir / "actions").iterdir())) == 2


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (canary_route() | {"spec": {"versions": []}, "status": {}}, "has no rollout, so there is nothing to promote"),
        (canary_route() | {"status": {}}, "has begun yet"),
    ],
)
def test_a_verb_without_a_run_is_refused(
    raw: JSON, said: str, run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(run_dir, raw)
    assert main(["canary", "promote", "shop", "--run-dir", str(run_dir)]) == 2
    assert said in capsys.readouterr().err


def test_one_of_another_namespace_is_pointed_to(run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(run_dir, canary_route())
    assert main(["canary", "status", "shop", "-n", "test", "--run-dir", str(run_dir)]) == 2
    assert "no CanaryRoute shop in namespace test; there is one in prod: -n prod" in capsys.readouterr().err
    put(run_dir, canary_route(namespace="test"))
    assert main(["canary", "status", "shop", "--run-dir", str(run_dir)]) == 2
    assert "in several namespaces (prod, test)" in capsys.readouterr().err
    assert main(["canary", "status", "none", "--run-dir", str(run_dir)]) == 2
    assert "there is no CanaryRoute none\n" in capsys.readouterr().err


def test_a_folder_that_is_no_run_directory_is_refused(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["canary", "list", "--run-dir", str(tmp_path)]) == 2
    assert "expected the run directory of a `serin serve`" in capsys.readouterr().err


def test_the_list_has_a_line_for_each(run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(run_dir, canary_route())
    put(run_dir, canary_route("idle", "test") | {"spec": {}, "status": {"phase": "Idle"}})
    assert main(["canary", "list", "--run-dir", str(run_dir)]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["NAMESPACE", "NAME", "PHASE", "VERSION", "REVISION", "STEP", "WEIGHT", "VERDICT"],
        ["prod", "shop", "Progressing", "v2", "1.8.2", "3/5", "25%", "NeedsData"],
        ["test", "idle", "Idle", "-", "-", "-", "-", "-"],
    ]
    assert main(["canary", "list", "--run-dir", str(run_dir), "-n", "test", "--json"]) == 0
    assert [item["metadata"]["name"] for item in json.loads(capsys.readouterr().out)] == ["idle"]


@pytest.mark.parametrize("phase", ["Idle", "Invalid"])
def test_a_run_that_is_not_in_force_has_the_share_in_force(
    run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str], phase: str
) -> None:
    """status.rollout keeps the weight that the run goes on with."""
    raw = canary_route(phase=phase, weights=[{"version": "v1", "weight": "100%"}, {"version": "v2", "weight": "0%"}])
    put(run_dir, raw)
    assert main(["canary", "list", "--run-dir", str(run_dir)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == [
        "prod",
        "shop",
        phase,
        "v2",
        "1.8.2",
        "3/5",
        "0%",
        "NeedsData",
    ]
    assert "step 3/5 at 0%" in shown(raw)


def test_files_that_are_not_documents_are_passed_over(
    run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run_dir / "plan" / "canary" / "a.b.json").write_text("{")
    (run_dir / "plan" / "canary" / "a.c.json").write_text("[1]")
    assert main(["canary", "list", "--run-dir", str(run_dir)]) == 0
    assert "no CanaryRoutes" in capsys.readouterr().err


# --- the view ---


def test_the_view_has_weights_checks_evidence_and_time() -> None:
    raw = canary_route(nothing=1)
    text = shown(raw, at=1795292000.0)  # 20:13:20
    assert "prod/shop   Progressing   v2 1.8.2   step 3/5 at 25%" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["v1", "baseline", "75%", "6", "5511", "6.9/s", "0.19%", "-"] in rows
    assert ["v2", "candidate", "25%", "3", "1840", "2.3/s", "0.21%", "130ms"] in rows
    assert ["errors", "Pass", "0.21%", "0.19%", "1.5x", "1840", "/", "5511", "0.08", "of", "20", "-"] in rows
    assert ["p95", "NeedsData", "130ms", "-", "-", "-", "-", "about", "80", "more"] in rows
    assert "    about 80 more requests" in text
    assert "step 3/5 for 13m20s; next step in 16m40s at the earliest" in text
    assert ["Promoted", "Unknown", "StepRunning", "step", "3/5"] in rows
    assert "RolledBack   v2 1.8.1   errors" in text


def test_a_rate_is_that_of_now_where_there_are_two_looks() -> None:
    before, now = canary_route(), canary_route()
    now["status"]["checks"][0] |= {"requests": 1850, "baselineRequests": 5551}
    text = shown(now, NOW, Look(Document(before), NOW - 2))
    assert "5.0/s" in text
    assert "20.0/s" in text


async def test_watching_goes_on_over_failures_and_ends_with_the_object(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Counts that stand still between two writes of the status are no rate of 0."""
    first, second = canary_route(), canary_route()
    second["status"]["checks"][0] |= {"requests": 1900, "baselineRequests": 5591}
    told: list[JSON | Exception] = [first, SerinError("no answer"), second, second, UsageError("it is gone")]
    clock = iter([NOW, NOW + 10, NOW + 12])

    class There:
        async def found(self, namespace: str, name: str) -> Document:
            one = told.pop(0)
            if isinstance(one, Exception):
                raise one
            return Document(one)

    given = build_parser().parse_args(["canary", "status", "shop", "--watch", "--every", "0"])
    with pytest.raises(UsageError, match="it is gone"):
        await watch(cast("Place", There()), given, lambda: next(clock))
    shown = capsys.readouterr().out.split("prod/shop   ")[1:]
    assert len(shown) == 3, "the same is not printed again where it cannot be drawn over"
    assert "no answer" in shown[1]
    assert ["6.0/s" in text and "8.0/s" in text for text in shown] == [False, False, True]


def test_an_approval_and_a_pause_are_said_with_what_to_do() -> None:
    raw = canary_route(phase="AwaitingApproval")
    raw["status"]["rollout"] |= {"awaitingSince": "2026-11-21T20:10:00Z", "paused": True}
    text = shown(raw)
    assert "waits for an approval: kubectl canary promote shop -n prod" in text
    assert "paused (kubectl canary resume shop goes on); a failing check still takes the version back" in text


def test_an_ended_run_is_told_with_its_outcome() -> None:
    raw = canary_route(phase="RolledBack", lastAction={"value": "abort", "result": "Accepted"})
    raw["status"]["rollout"] |= {"outcome": "RolledBack", "weight": "0%", "startedAt": "2026-11-21T20:00:00Z"}
    text = shown(raw, at=1795292000.0)
    assert f"run {RUN} ended: RolledBack; it began 13m20s ago" in text
    assert "last action abort Accepted" in text


def test_an_object_that_nobody_looked_at_yet_is_said_to_be_so() -> None:
    assert "has not said anything of it yet" in shown(canary_route() | {"status": {}})
    newer = canary_route()
    newer["metadata"]["generation"] = 8
    assert "this is of generation 7; the object is at 8" in shown(newer)


@pytest.mark.parametrize(
    "status", [{"checks": "x", "weights": {}, "rollout": []}, {"checks": [1], "rollout": {"nextAt": 5, "step": "x"}}]
)
def test_a_status_that_is_not_as_it_should_be_is_shown_as_far_as_it_goes(status: JSON) -> None:
    raw = canary_route() | {"status": {"phase": "Progressing", **status}}
    assert "Progressing" in shown(raw)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-3, "0s"), (59.4, "59s"), (60, "1m"), (250, "4m10s"), (7500, "2h05m"), (3600, "1h"), (266400, "3d2h")],
)
def test_durations_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_token_is_made_of_what_is_seen() -> None:
    raw, value = canary_route(), f"abort/{RUN}.3.1795292000"
    assert action(Document(raw), "abort", 1795292000.9) == value
    assert action(Document(_answered(raw, value, "Ignored", "")), "abort", 1795292000.9) == f"abort/{RUN}.3.1795292001"


# --- a cluster ---


class Cluster:
    """An API server that knows CanaryRoutes by get, list and merge patch, and answers actions as a controller would."""

    def __init__(self, *objects: JSON) -> None:
        self.objects = {(raw["metadata"]["namespace"], raw["metadata"]["name"]): raw for raw in objects}
        self.refuses: dict[str, int] = {}
        self.answer: Callable[[JSON, str], JSON] | None = None
        self.kubeconfig = pathlib.Path()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        code = self.refuses.get(request.method, 0)
        parts = request.path.split("/")
        key = (parts[5], parts[7]) if len(parts) > 7 else ("", "")
        if not code and key[0] and key not in self.objects:
            code = 404
        if code:
            told = {"kind": "Status", "code": code, "reason": "Forbidden", "message": "user cannot do that"}
            return web.json_response(told, status=code)
        if not key[0]:
            wanted = parts[5] if len(parts) > 5 else ""
            items = [raw for (namespace, _), raw in self.objects.items() if wanted in ("", namespace)]
            return web.json_response({"kind": "CanaryRouteList", "metadata": {}, "items": items})
        if request.method == "PATCH":
            assert request.content_type == "application/merge-patch+json"
            self._patch(key, await request.json())
        return web.json_response(self.objects[key])

    def _patch(self, key: tuple[str, str], body: JSON) -> None:
        assert body.keys() == {"metadata"}
        assert body["metadata"].keys() == {"annotations"}
        value = body["metadata"]["annotations"]["serin.dev/action"]
        assert self.answer is not None
        self.objects[key] = self.answer(self.objects[key], value)


@contextlib.asynccontextmanager
async def cluster(tmp_path: pathlib.Path, *objects: JSON) -> AsyncIterator[Cluster]:
    made = Cluster(*objects)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.kubeconfig = tmp_path / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "a", "cluster": {"server": f"http://127.0.0.1:{runner.addresses[0][1]}"}}],
        "contexts": [
            {"name": name, "context": {"cluster": "a", "namespace": namespace}}
            for name, namespace in (("a", "prod"), ("b", "test"))
        ],
        "current-context": "a",
    }
    made.kubeconfig.write_text(json.dumps(config))
    try:
        yield made
    finally:
        await runner.cleanup()


async def ask(there: Cluster, *line: str, program: Callable[[list[str]], int] = kubectl_canary) -> int:
    return await asyncio.to_thread(program, [*line, "--kubeconfig", str(there.kubeconfig)])


async def test_a_verb_is_an_annotation_and_nothing_else(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with cluster(tmp_path, canary_route()) as there:
        there.answer = lambda raw, value: _answered(raw, value, "Accepted", "")
        assert await ask(there, "promote", "shop") == 0
        assert capsys.readouterr().out == "promote of prod/shop: accepted\n"
        there.answer = lambda raw, value: _answered(raw, value, "Ignored", "nothing runs")
        assert await ask(there, "pause", "shop", "-n", "prod") == 1
        assert "ignored: nothing runs" in capsys.readouterr().err
        there.answer = lambda raw, value: raw
        assert await ask(there, "pause", "shop", "--timeout", "0.1") == 1
        assert "no controller answered" in capsys.readouterr().err


async def test_list_and_status_of_a_cluster(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with cluster(tmp_path, canary_route(), canary_route("cart", "test")) as there:
        assert await ask(there, "list") == 0
        assert len(capsys.readouterr().out.splitlines()) == 2
        assert await ask(there, "list", "-A") == 0
        assert len(capsys.readouterr().out.splitlines()) == 3
        assert await ask(there, "status", "shop") == 0
        assert "prod/shop   Progressing" in capsys.readouterr().out
        assert await ask(there, "status", "shop", "--json") == 0
        assert json.loads(capsys.readouterr().out) == canary_route()
        assert await ask(there, "canary", "status", "cart", program=main) == 2
        assert "no CanaryRoute cart in namespace prod; there is one in test: -n test" in capsys.readouterr().err
        assert await ask(there, "status", "cart", "--context", "b") == 0
        assert "test/cart   Progressing" in capsys.readouterr().out
        assert await ask(there, "status", "cart", "--context", "c") == 2
        assert "has no context 'c', which --context asks for" in capsys.readouterr().err


async def test_what_is_refused_is_said_in_words(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with cluster(tmp_path, canary_route()) as there:
        there.refuses = {"PATCH": 403}
        assert await ask(there, "abort", "shop") == 2
        said = capsys.readouterr().err
        assert (
            said == "kubectl canary: no permission to patch CanaryRoute shop in namespace prod: user cannot do that\n"
        )
        there.refuses = {"GET": 403}
        assert await ask(there, "list") == 2
        assert "no permission to list CanaryRoutes in namespace prod" in capsys.readouterr().err
        there.refuses = {"GET": 404}
        assert await ask(there, "status", "shop") == 2
        assert "this cluster does not know CanaryRoutes; install their definition" in capsys.readouterr().err


def test_a_place_is_one(run_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["canary", "list", "--run-dir", str(run_dir), "--kubeconfig", "x"]) == 2
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (["canary"], "ACTION"),
        (["canary", "promote"], "NAME"),
        (["canary", "status", "shop", "--wtch"], "did you mean --watch?"),
        (["canary", "simulate", "x", "--rps", "0", "--error-rate", "1"], "a number above 0"),
        (["canary", "simulate", "x", "--rps", "1", "--error-rate", "5"], "a share from 0 to 1"),
    ],
)
def test_a_wrong_line_is_refused(line: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(line)
    assert ended.value.code == 2
    assert word in capsys.readouterr().err
