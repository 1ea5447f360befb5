"""The command line's grammar: what it takes, what it refuses, and how."""

import pathlib
import shlex
import socket

import pytest

from serin import echo
from serin.cli import main
from serin.cli.arguments import EXAMPLES, build_parser
from serin.cli.data_plane import settings
from serin.cli.plane import child_command
from serin.cli.selection import options
from serin.compile.options import Options


def test_serve_defaults_mean_the_compilers_defaults() -> None:
    """A flag's default and the option's default are written twice; they must not drift apart."""
    assert options(build_parser().parse_args(["serve", "x"]), standalone=True) == Options(standalone=True)


def test_every_flag_about_objects_reaches_the_compiler() -> None:
    line = (
        "serve x --ingress-class c --controller-class k --ingress-class-by-name --watch-ingress-without-class "
        "--annotations-prefix p --configmap a/b --default-backend-service c/d --default-ssl-certificate e/f "
        "--https-redirect-port 8443 --disable-catch-all --disable-svc-external-name=true"
    )
    assert options(build_parser().parse_args(shlex.split(line)), standalone=True) == Options(
        ingress_class="c",
        controller_class="k",
        ingress_class_by_name=True,
        watch_ingress_without_class=True,
        annotations_prefix="p",
        standalone=True,
        configmap=("a", "b"),
        default_backend_service=("c", "d"),
        default_ssl_certificate=("e", "f"),
        disable_catch_all=True,
        disable_svc_external_name=True,
        https_redirect_port=8443,
    )


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("", "COMMAND"),
        ("fly", "invalid choice"),
        ("serve", "PATH"),
        ("serve x --http-port 70000", "a port from 0 to 65535, got '70000'"),
        ("serve x --http-port -1", "port"),
        ("serve x --workers 0", "a number from 1 to 256"),
        ("serve x --workers two", "got 'two'"),
        ("serve x --configmap options", "NAMESPACE/NAME, got 'options'"),
        ("serve x --configmap a/b/c", "NAMESPACE/NAME"),
        ("serve x --access-log xml", "invalid choice: 'xml'"),
        ("serve x --plane apache", "invalid choice: 'apache'"),
        ("serve x --shutdown-grace nan", "seconds from 0 to 86400"),
        ("serve x --ingress nginx", "unrecognized arguments"),
        ("data-plane", "--run-dir"),
        ("explain x", "--url"),
        ("serve x --http-prt 1", "serin serve: unrecognized arguments: --http-prt 1; did you mean --http-port?"),
        ("lint x --jsn=1", "did you mean --json?"),
        ("explain x --url http://a -H broken", "'Name: value', got 'broken'"),
        ("explain x --url http://a -H 'two words: x'", "'Name: value', got 'two words: x'"),
        ("explain x --url http://a -X 'G ET'", "a method like GET, got 'G ET'"),
        ("explain x --url http://a --client-ip here", "an IP address, got 'here'"),
        ("echo --name a", "--port"),
    ],
)
def test_a_wrong_line_is_refused_with_code_two_and_says_what_was_expected(
    line: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(line))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 2, "what is wrong, and where help is"


@pytest.mark.parametrize("command", EXAMPLES)
def test_help_has_examples_that_the_command_itself_takes(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert "examples:" in capsys.readouterr().out
    lines = [line.strip().partition("   ")[0].removeprefix("sudo ") for line in EXAMPLES[command].splitlines()]
    shown = [line for line in lines if line.startswith("serin ")]
    assert shown
    for line in shown:
        assert build_parser().parse_args(shlex.split(line)[1:]).command == command


@pytest.mark.parametrize("command", ["serve", "lint", "explain"])
def test_a_path_that_is_not_there_is_one_clear_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--url", "http://a/"] if command == "explain" else []
    assert main([command, "nowhere.yaml", *more]) == 2
    assert capsys.readouterr().err == f"serin {command}: nowhere.yaml: no such file or folder\n"


@pytest.mark.parametrize("flags", ["--http-port 1234 --https-port 1234", "--http-port 10254", "--healthz-port 8443"])
def test_two_ports_of_one_number_are_refused(flags: str, tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(tmp_path), *flags.split()]) == 2
    assert "expected a port for each" in capsys.readouterr().err


def test_what_echo_is_told_reaches_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[echo.Backend] = []
    monkeypatch.setattr(echo, "serve_many", made.extend)
    assert main(["echo", "--name", "v", "--port", "8443", "--bind", "127.0.0.2", "--tls", "--errors", "5%"]) == 0
    assert made == [echo.Backend("v", "127.0.0.2", 8443, tls=True, errors=0.05)]


def test_a_port_that_echo_cannot_have_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["echo", "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert said == f"serin echo: cannot listen on 127.0.0.1 port {port}: Address already in use\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("serve {} --nginx-lua off", "--nginx-lua off is about nginx; expected --plane nginx beside it"),
        ("data-plane --run-dir {} --nginx-lua off", "--nginx-lua off is about nginx"),
        ("controller --run-dir {} --other-plane nginx", "expected --plane none beside it, or --plane nginx alone"),
        ("controller --run-dir {} --plane none --nginx-lua off", "with --plane none that is `serin data-plane`"),
    ],
)
def test_flags_of_nginx_without_nginx_are_refused(
    line: str, said: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(line.format(tmp_path / "run"))) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "plane"),
    [
        ("serve x", "proxy"),
        ("serve x --plane nginx", "nginx"),
        ("controller --plane nginx", "nginx"),
        ("controller --plane none", "proxy"),
        ("controller --plane none --other-plane nginx", "nginx"),
        ("lint x --plane nginx", "nginx"),
        ("explain x --url http://a/ --plane nginx", "nginx"),
    ],
)
def test_the_compiler_knows_which_plane_serves(line: str, plane: str) -> None:
    assert options(build_parser().parse_args(shlex.split(line)), standalone=False).plane == plane


def test_a_child_gets_the_flags_of_its_plane(tmp_path: pathlib.Path) -> None:
    given = build_parser().parse_args(shlex.split("serve x --plane nginx --nginx-lua off --workers 2"))
    command = child_command(given, tmp_path, standalone=True)
    told = settings(build_parser().parse_args(command[command.index("data-plane") :]))
    assert (told.plane, told.nginx_lua, told.workers) == ("nginx", "off", 2)
