"""What nginx says becomes one line without our paths, and the line of the file that it means."""

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from serin.dataplane.nginx.testing import NginxTest, refusal

PREFIX = "/run/serin/state/nginx"
HOST = f"{PREFIX}/hosts/{'ab' * 16}.conf"
BASE = "pid {0}/test.pid;\nerror_log stderr;\nevents {{}}\nhttp {{ access_log off; {1} }}\n"


def test_a_message_with_its_place() -> None:
    said = (
        f"2026/11/21 12:00:00 [warn] 7#7: conflicting server name in {PREFIX}/test.conf:1\n"
        f'2026/11/21 12:00:00 [emerg] 7#7: pcre2_compile() failed: missing ) in "(" in {HOST}:12\n'
        f"nginx: configuration file {PREFIX}/test.conf test failed\n"
    )
    found = refusal(said, PREFIX, 1)
    assert found.error == 'pcre2_compile() failed: missing ) in "("'
    assert (found.file, found.line) == (HOST, 12)
    assert not found.ok


def test_a_message_of_the_form_before_the_log_is_open() -> None:
    found = refusal(f"nginx: [emerg] unknown directive in {PREFIX}/test.conf:3\n", PREFIX, 1)
    assert found.error == "unknown directive"


@pytest.mark.parametrize(
    "said", [f"nginx: [emerg] cannot open {HOST} ({PREFIX}/x)\n", "nginx: [emerg] " + "x\x1b" * 400]
)
def test_an_error_has_no_paths_no_controls_and_an_end(said: str) -> None:
    error = refusal(said, PREFIX, 1).error
    assert PREFIX not in error
    assert "hosts/" not in error
    assert error.isprintable()
    assert 0 < len(error) <= 300


def test_files_of_the_plan_are_named_as_the_run_directory_has_them() -> None:
    error = refusal(f'nginx: [emerg] load("/run/serin/plan/tls/ab.pem") failed in {HOST}:1\n', PREFIX, 1).error
    assert error == 'load("plan/tls/ab.pem") failed'


def test_an_end_without_a_word_is_a_refusal() -> None:
    assert refusal("", PREFIX, -11).error == "nginx -t was ended by signal 11"
    assert refusal("", PREFIX, 3).error == "nginx -t ended with status 3"


def test_what_may_be_no_fault_of_the_file_is_unsure() -> None:
    assert refusal("", PREFIX, -9).unsure
    said = "2026/11/21 12:00:00 [emerg] 7#7: malloc(4096) failed (12: Cannot allocate memory)\n"
    assert refusal(said, PREFIX, 1).unsure
    said = f'2026/11/21 12:00:00 [emerg] 7#7: open() "{PREFIX}/x" failed (2: No such file or directory) in {HOST}:1\n'
    assert not refusal(said, PREFIX, 1).unsure


def test_a_test_that_hangs_is_a_refusal(tmp_path: Path) -> None:
    fake = tmp_path / "nginx"
    fake.write_text("#!/bin/sh\nexec sleep 600\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "x.conf").touch()
    found = NginxTest(str(fake), tmp_path, timeout=0.2)(tmp_path / "x.conf")
    assert "did not end" in found.error
    assert found.unsure


def test_inherited_sockets_are_not_bound_again(
    tmp_path: Path, nginx_test: Callable[..., NginxTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NGINX", "0;")
    main = tmp_path / "test.conf"
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listen = f"listen {':'.join(map(str, listening.getsockname()))};"
        main.write_text(BASE.format(tmp_path, f"server {{ {listen} }}"))
        assert nginx_test(tmp_path, (listening.fileno(),))(main).ok
        # Without it nginx would bind the address itself, and take connections on it for as long as the test takes.
        assert listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 0
        main.write_text(BASE.format(tmp_path, f"server {{ {listen} bad; }}"))
        assert nginx_test(tmp_path, (listening.fileno(),))(main).error == 'unknown directive "bad"'
        assert os.environ["NGINX"] == "0;"
