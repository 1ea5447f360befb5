"""Figures of the controller under ingress-nginx's names."""

import datetime as dt
import re

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from serin.admission.last_review import LastReview
from serin.control.ingress_figures import AT_ONCE, IngressFigures, orphans, read_certificate
from serin.objects.store import Snapshot
from serin.refs import Ref
from serin.routing.plan import (
    Certificate,
    Endpoint,
    Host,
    PathKind,
    PathMatch,
    Plan,
    Policy,
    Pool,
    PoolSpec,
    Route,
    RuleId,
    VersionRoute,
)
from serin.telemetry.figure import Figure
from serin.telemetry.metrics import controller_lines
from serin.telemetry.told import Told

ENDS = dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
TOLD = Told("k", "ns", "pod")


def certificate(name: str = "shop.example.com") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    made = made.serial_number(4711).not_valid_before(ENDS - dt.timedelta(days=90)).not_valid_after(ENDS)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def route(host: str, pool: str) -> Route:
    ingress = Ref("Ingress", "prod", "shop")
    version = VersionRoute("v", "web", ingress, "web", "80", pool)
    return Route(PathMatch(PathKind.PREFIX, "/"), RuleId(host, "/", "Prefix"), ingress, "s", (version,), Policy())


def plan(*, digest: str | None = "d", endpoints: tuple[Endpoint, ...] = (Endpoint("10.0.0.1", 80),)) -> Plan:
    host = Host("shop.example.com", (route("shop.example.com", "p"),), certificate=digest)
    certificates = {} if digest is None else {digest: Certificate(digest, certificate())}
    pools = {"p": Pool(PoolSpec("p", "prod", "web", 80), endpoints)}
    return Plan({host.name: host}, {}, pools, certificates, {})


def text(of: Plan | None, *others: Figure) -> str:
    return IngressFigures(TOLD, "election").text(of, Snapshot(1), others, (5, 2))


def test_when_a_certificate_ends() -> None:
    (line,) = re.findall(r"^nginx_ingress_controller_ssl_expire_time_seconds(\{.*\}) (.*)$", text(plan()), re.MULTILINE)
    assert 'host="shop.example.com"' in line[0]
    assert 'namespace="prod"' in line[0]
    assert 'identifier="shop.example.com-4711"' in line[0]
    assert float(line[1]) == ENDS.timestamp()


def test_without_a_certificate_there_is_no_series() -> None:
    assert "ssl_expire_time_seconds{" not in text(plan(digest=None))


def test_certificates_are_read_some_at_a_time() -> None:
    pem = certificate()
    hosts = {f"h{i}": Host(f"h{i}", (), certificate=f"d{i}") for i in range(AT_ONCE + 1)}
    many = Plan(hosts, {}, {}, {f"d{i}": Certificate(f"d{i}", pem) for i in range(AT_ONCE + 1)}, {})
    figures = IngressFigures(TOLD)
    counts = [figures.text(many, Snapshot(1), (), (0, 0)).count("ssl_expire_time_seconds{") for _ in range(2)]
    assert counts == [AT_ONCE, AT_ONCE + 1]


def test_what_is_no_certificate_is_left_out() -> None:
    assert read_certificate(b"no") is None


def test_an_ingress_without_endpoints() -> None:
    empty = plan(endpoints=())
    assert list(orphans(empty, Snapshot(1))) == [("prod", "shop", "no-service")]
    assert 'orphan_ingress{controller_class="k"' in text(empty)
    assert "orphan_ingress{" not in text(plan())


def test_what_the_last_review_cost() -> None:
    found = text(None, *LastReview(12, 0.25, 0.5, 0.75, 4096).figures())
    labels = 'controller_class="k",controller_namespace="ns",controller_pod="pod"'
    wanted = {"tested_ingresses": 12, "render_ingresses": 12, "tested_duration": 0.5, "render_duration": 0.25}
    for name, value in {**wanted, "roundtrip_duration": 0.75, "config_size": 4096}.items():
        assert f"# TYPE nginx_ingress_controller_admission_{name} gauge\n" in found
        assert f"nginx_ingress_controller_admission_{name}{{{labels}}} {value}\n" in found
    assert set(found.splitlines()) <= {*controller_lines(found).splitlines()}, "the data plane shows all of it"


def test_without_a_webhook_there_are_no_figures_of_it() -> None:
    assert "admission" not in text(plan())


def test_leadership_and_checks() -> None:
    found = text(None, Figure("leader", "gauge", "", 1.0))
    labels = 'controller_class="k",controller_namespace="ns",controller_pod="pod"'
    assert f'nginx_ingress_controller_leader_election_status{{{labels},name="election"}} 1\n' in found
    assert f"nginx_ingress_controller_check_success{{{labels}}} 5\n" in found
    assert f"nginx_ingress_controller_check_errors{{{labels}}} 2\n" in found
