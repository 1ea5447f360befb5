"""The command line's grammar: what it takes, what it refuses, and how."""

import shlex

import pytest

from serin.cli import main
from serin.cli.arguments import EXAMPLES, build_parser
from serin.cli.selection import options
from serin.compile.options import Options


def test_serve_defaults_mean_the_compilers_defaults() -> None:
    """A flag's default and the option's default are written twice; they must not drift apart."""
    assert options(build_parser().parse_args(["serve", "x"])) == Options(standalone=True)


def test_every_flag_about_objects_reaches_the_compiler() -> None:
    line = (
        "serve x --ingress-class c --controller-class k --ingress-class-by-name --watch-ingress-without-class "
        "--annotations-prefix p --configmap a/b --default-backend-service c/d --default-ssl-certificate e/f "
        "--https-redirect-port 8443"
    )
    assert options(build_parser().parse_args(shlex.split(line))) == Options(
        ingress_class="c",
        controller_class="k",
        ingress_class_by_name=True,
        watch_ingress_without_class=True,
        annotations_prefix="p",
        standalone=True,
        configmap=("a", "b"),
        default_backend_service=("c", "d"),
        default_ssl_certificate=("e", "f"),
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
        ("explain x --url http://a -H broken", "'Name: value', got 'broken'"),
        ("echo --name a", "--port"),
    ],
)
def test_a_wrong_line_is_refused_with_code_two_and_says_what_was_expected(
    line: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(line))
    assert ended.value.code == 2
    assert word in capsys.readouterr().err


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


def test_the_nginx_plane_is_refused_for_now(tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(tmp_path), "--plane", "nginx"]) == 2
    assert "--plane nginx: not in this version" in capsys.readouterr().err
