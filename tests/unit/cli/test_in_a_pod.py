"""Commands that look, in a controller's container: its cluster and its flags, unless the line says otherwise."""

import pathlib

import pytest

from serin.cli import main, pod
from serin.cli.arguments import parse

FLAGS = (
    *("--plane=none", "--other-plane=nginx", "--run-dir=/run/serin", "--ingress-class=internal"),
    *("--configmap=edge/options", "--disable-catch-all", "--election-id=x"),
)
RUNNING = ("python3", "/usr/local/bin/serin", "supervise", "--", "serin", "controller", *FLAGS)


@pytest.fixture
def inside(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    first, token = tmp_path / "cmdline", tmp_path / "token"
    first.write_bytes(b"".join(word.encode() + b"\0" for word in RUNNING))
    token.write_text("t")
    monkeypatch.setattr(pod, "FIRST_PROCESS", first)
    monkeypatch.setattr(pod, "TOKEN", token)
    return tmp_path


@pytest.mark.parametrize("line", [["explain", "--url", "http://a/"], ["lint"]])
def test_the_controllers_flags_hold(inside: pathlib.Path, line: list[str]) -> None:
    found = parse(line)
    assert found.in_pod
    assert (found.plane, found.ingress_class, found.configmap) == ("nginx", "internal", ("edge", "options"))
    assert found.disable_catch_all


def test_flags_of_the_line_hold_before_them(inside: pathlib.Path) -> None:
    assert parse(["lint", "--ingress-class", "public"]).ingress_class == "public"


@pytest.mark.parametrize(
    "line",
    [
        ["lint", "."],
        ["lint", "--kubeconfig", "k"],
        ["lint", "--explain", "class-unknown"],
        ["lint", "--from", "ingress-nginx"],
        ["render", "--run-dir", "/run/serin"],
        ["echo", "--port", "0"],
    ],
)
def test_whoever_says_what_to_look_at_gets_that(inside: pathlib.Path, line: list[str]) -> None:
    found = parse(line)
    assert not hasattr(found, "in_pod")
    assert getattr(found, "ingress_class", "nginx") == "nginx"


@pytest.mark.parametrize("gone", ["token", "cmdline"])
def test_elsewhere_something_has_to_be_named(
    inside: pathlib.Path, gone: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The data plane's container has no token, and no controller runs in it."""
    (inside / gone).unlink()
    assert main(["lint"]) == 2
    assert "expected files or folders as PATH" in capsys.readouterr().err
