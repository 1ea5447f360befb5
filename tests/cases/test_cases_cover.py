"""That no annotation and no option is without a black-box case over the planes that honour it.

A case over one plane alone counts for that one; a case that is repaired, and so not run, counts for none.
"""

import collections
from collections.abc import Iterator, Mapping

import pytest
from cases.test_cases import REQUIRED, runs_on
from harness.casefile import Case
from harness.planes import NGINX, PROXY, Plane

from serin.compile.annotations.table import ALIASES, ANNOTATIONS, OURS, REMOVED
from serin.compile.settings import KEYS, SUBJECTS
from serin.compile.settings_idle import IDLE

PREFIX = "nginx.ingress.kubernetes.io/"
WITHOUT_CASE = {
    "access-log-path": "a file of the data plane: tests/unit/telemetry, tests/unit/render_nginx",
    "http-access-log-path": "as access-log-path",
    "stream-access-log-path": "as access-log-path",
    "proxy-protocol-header-timeout": "as use-proxy-protocol",
    "service-upstream": "Services of cases have no address: tests/unit/compile/test_settings_options.py",
    "ssl-reject-handshake": "nobody answers: tests/unit/render_nginx/test_nginx_tls.py",
    "use-proxy-protocol": "every connection of the server begins otherwise then: tests/drills/test_streams.py",
}
"""Options that a request and its answer cannot show, and where they are tested."""
STREAMS = {"log-format-stream", *SUBJECTS.get("TCP and UDP", ())}
"""Cases do not speak TCP or UDP: tests/drills/test_streams.py."""


def annotations_of(case: Case) -> set[str]:
    return {name for item in case.spec["ingresses"] for name in item["metadata"].get("annotations") or ()}


def options_of(case: Case) -> set[str]:
    return {key for key, text in (case.spec.get("configmap") or {}).items() if text}


def covered(plane: Plane) -> Iterator[str]:
    for case in REQUIRED:
        if runs_on(case, plane):
            yield from annotations_of(case) | options_of(case)


COVERED: Mapping[str, collections.Counter[str]] = {
    plane.name: collections.Counter(covered(plane)) for plane in (PROXY, NGINX)
}


@pytest.mark.parametrize("plane", ["proxy", "nginx"])
def test_every_annotation_has_a_case(plane: str) -> None:
    """One that is honoured by nobody has one, too: what is done instead is the same in both planes."""
    known = {PREFIX + name: a for name, a in ANNOTATIONS.items()} | {"serin.dev/" + name: a for name, a in OURS.items()}
    wanted = {name for name, annotation in known.items() if plane in annotation.planes or not annotation.planes}
    assert wanted - set(COVERED[plane]) == set()


@pytest.mark.parametrize("plane", ["proxy", "nginx"])
def test_older_and_removed_names_have_a_case(plane: str) -> None:
    assert {PREFIX + name for name in (*ALIASES, *REMOVED)} - set(COVERED[plane]) == set()


@pytest.mark.parametrize("plane", ["proxy", "nginx"])
def test_every_option_has_a_case(plane: str) -> None:
    wanted = {name for name, key in KEYS.items() if plane in key.planes}
    assert wanted - set(COVERED[plane]) - set(WITHOUT_CASE) - STREAMS == set()


def test_exceptions_are_options_without_a_case() -> None:
    assert set(WITHOUT_CASE) <= {*KEYS, *IDLE}
    assert not set(WITHOUT_CASE) & (set(COVERED["proxy"]) | set(COVERED["nginx"]))
