"""The course notes' TLS: a certificate of one's own, http led to https, a certificate renewed."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import authorities
from harness.e2e.backends import Manifest, ingress
from harness.e2e.notes import Stage
from harness.e2e.replicas import HTTPS, doors, everywhere
from harness.e2e.report import Report
from harness.e2e.site import Site

HOST, WITHOUT = "tls.example.com", "nosecret.example.com"
OLD, NEW = "notes of this year", "notes of next year"


def secret(authority: str) -> Manifest:
    certificate, key = authorities.certificate_for(authority, HOST)
    data = {name: base64.b64encode(pem).decode() for name, pem in (("tls.crt", certificate), ("tls.key", key))}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "tls"},
        "type": "kubernetes.io/tls",
        "data": data,
    }


def with_tls(name: str, host: str, secret_name: str) -> Manifest:
    return ingress(name, host, "tea", tls=[{"hosts": [host], "secretName": secret_name}])


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """curl's option that trusts one authority alone."""
    folder = tmp_path_factory.mktemp("authorities")
    made = {}
    for name in (OLD, NEW):
        path = Path(folder) / f"{name}.pem"
        path.write_bytes(authorities.authority(name))
        made[name] = ("--cacert", str(path))
    return made


@pytest.fixture(scope="module")
def shown(site: Site, stage: Stage) -> Iterator[Site]:
    site.install()
    with stage.showing(secret(OLD), with_tls("tls", HOST, "tls"), with_tls("nosecret", WITHOUT, "absent")):
        for host in (HOST, WITHOUT):
            everywhere(site, f"https://{host}/", "tea", "-k")
        yield site


def test_a_certificate_of_ones_own(shown: Site, trusted: dict[str, tuple[str, str]], report: Report) -> None:
    """TLS with a certificate that curl verifies"""
    answer = shown.curl(f"https://{HOST}/a?b=1", *trusted[OLD])
    assert (answer.backend, answer.echo["uri"]) == ("tea", "/a?b=1")
    assert dict(answer.echo["headers"])["X-Forwarded-Proto"] == "https"
    refused = shown.curl(f"https://{HOST}/", *trusted[NEW])
    assert refused.status == 0
    assert "certificate" in refused.error
    report("curl --cacert verifies it, and refuses it with another authority")


def test_http_is_led_to_https(shown: Site, report: Report) -> None:
    """http answers 308 to https"""
    answer = shown.curl(f"http://{HOST}/a?b=1")
    assert (answer.status, answer.headers["location"]) == (308, f"https://{HOST}/a?b=1")
    report(f"308 {answer.headers['location']}")


def test_without_its_secret_the_default_certificate(
    shown: Site, trusted: dict[str, tuple[str, str]], report: Report
) -> None:
    """Secret missing: the default certificate, and the route works"""
    assert shown.curl(f"https://{WITHOUT}/", *trusted[OLD]).status == 0
    assert shown.curl(f"https://{WITHOUT}/", "-k").backend == "tea"
    report("curl -k gets the backend, curl --cacert refuses")


def test_a_certificate_is_renewed(
    shown: Site, stage: Stage, trusted: dict[str, tuple[str, str]], report: Report
) -> None:
    """A renewed certificate is shown without a restart"""
    before = containers(shown)
    shown.apply(secret(NEW), namespace=stage.namespace)
    everywhere(shown, f"https://{HOST}/", "tea", *trusted[NEW])
    for door in doors(shown, HTTPS):
        assert shown.curl(f"https://{HOST}/", *trusted[OLD], place=door).status == 0
    assert containers(shown) == before
    report("in both replicas, containers as before")


def containers(site: Site) -> set[str]:
    """Ids of Serin's containers: another one is a restart."""
    return {each["containerID"] for pod in site.pods() for each in pod["status"]["containerStatuses"]}
