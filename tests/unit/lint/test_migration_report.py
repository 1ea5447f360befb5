"""The report for whoever comes from ingress-nginx: a verdict for each annotation, option and object."""

import json
import pathlib
from typing import Any

import pytest
from harness.casefile import Network, load, write_manifests

from serin.cli import main
from serin.compile.annotations.table import ANNOTATIONS
from serin.lint.codes.model import SURROUNDINGS, canary, config_map, ingress, join

ROOT = pathlib.Path(__file__).parents[3]
CASES = {case.ident: case for case in load(ROOT / "tests" / "cases" / "observed.yaml")}
REPAIRS = [
    line.split()[0]
    for line in (ROOT / "tests" / "cases" / "repairs.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
Report = dict[str, Any]


@pytest.fixture
def report(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def made(text: str, *flags: str) -> Report:
        (tmp_path / "all.yaml").write_text(f"{SURROUNDINGS}{text}")
        main(["lint", "--from", "ingress-nginx", "--format", "json", str(tmp_path), *flags])
        found: Report = json.loads(capsys.readouterr().out)
        return found

    return made


def verdicts(report: Report, name: str) -> tuple[str, str]:
    (line,) = [line for one in report["ingresses"] for line in one["lines"] if line["name"].endswith(f"/{name}")]
    return line["proxy"]["verdict"], line["nginx"]["verdict"]


@pytest.mark.parametrize(
    ("note", "proxy", "nginx"),
    [
        ('proxy-body-size: "8m"', "same", "same"),
        ('limit-rps: "5"', "same", "same"),
        ("affinity: cookie", "different", "different"),
        ("upstream-hash-by: $request_uri", "different", "different"),
        ('proxy-buffering: "on"', "refused", "same"),
        ("backend-protocol: GRPC", "refused", "same"),
        ("configuration-snippet: more_set_headers 'a';", "refused", "refused"),
        ("server-snippet: deny all;", "refused", "refused"),
        ('enable-modsecurity: "true"', "refused", "refused"),
        ('enable-modsecurity: "false"', "same", "same"),
        ('http2-push-preload: "true"', "no effect", "no effect"),
        ('secure-backends: "true"', "no effect", "no effect"),
        ('proxy-body-sice: "8m"', "no effect", "no effect"),
        ('proxy-body-size: ""', "no effect", "no effect"),
        ('proxy-read-timeout: "60s"', "no effect", "no effect"),
        ('proxy-read-timeout: "-1"', "different", "different"),
        ("load-balance: magic", "different", "different"),
        ("limit-rps: some", "refused", "refused"),
        ("temporal-redirect: /elsewhere", "different", "different"),
        ("permanent-redirect: /elsewhere", "same", "same"),
        ("whitelist-source-range: 10.0.0.0/8", "same", "same"),
        ("auth-type: basic", "same", "same"),
        ("auth-type: digest", "refused", "refused"),
        ("cors-allow-origin: https://a.example", "no effect", "no effect"),
    ],
)
def test_each_annotation_has_its_verdict(report: Any, note: str, proxy: str, nginx: str) -> None:
    found = report(ingress(note))
    assert verdicts(found, note.partition(":")[0]) == (proxy, nginx)


def test_what_is_not_the_same_says_what_and_refused_ones_say_what_to_do(report: Any) -> None:
    found = report(ingress("affinity: cookie", 'proxy-buffering: "on"', "limit-rps: some"))
    lines = {line["name"].rpartition("/")[2]: line["proxy"] for line in found["ingresses"][0]["lines"]}
    assert all(line["what"] for line in lines.values())
    assert lines["proxy-buffering"]["do"] == "use --plane nginx"
    assert lines["limit-rps"]["code"] == "annotation-invalid"
    assert "503" in lines["limit-rps"]["what"]


def test_annotations_of_others_are_not_judged(report: Any) -> None:
    found = report(ingress("cert-manager.io/cluster-issuer: le", 'ssl-redirect: "false"'))
    assert [line["name"] for line in found["ingresses"][0]["lines"]] == ["nginx.ingress.kubernetes.io/ssl-redirect"]


def test_an_ingress_is_judged_by_its_worst_line(report: Any) -> None:
    found = report(join(ingress('proxy-buffering: "on"', "affinity: cookie"), ingress(name="b", path="/b")))
    assert [one["verdict"] for one in found["ingresses"]] == [
        {"proxy": "same", "nginx": "same"},
        {"proxy": "refused", "nginx": "different"},
    ]
    assert found["totals"]["proxy"]["ingresses"] == {"same": 1, "different": 0, "refused": 1, "no effect": 0}
    assert found["totals"]["nginx"]["annotations"] == {"same": 1, "different": 1, "refused": 0, "no effect": 0}


def test_annotations_on_a_canary_that_nobody_reads(report: Any) -> None:
    found = report(join(ingress(), canary('canary-weight: "10"', 'proxy-body-size: "8m"')))
    assert verdicts(found, "proxy-body-size") == ("no effect", "no effect")
    assert verdicts(found, "canary-weight") == ("same", "same")


def test_one_plane_alone(report: Any) -> None:
    found = report(ingress('proxy-buffering: "on"'), "--plane", "nginx")
    assert found["planes"] == ["nginx"]
    assert "proxy" not in found["ingresses"][0]["lines"][0]


def test_ingresses_of_other_classes_are_counted_and_not_judged(report: Any) -> None:
    other = ingress('proxy-buffering: "on"', name="b").replace("ingressClassName: nginx", "ingressClassName: other")
    found = report(join(ingress(), other))
    assert [one["name"] for one in found["ingresses"]] == ["web"]
    assert found["otherIngresses"] == [{"namespace": "default", "name": "b"}]


def test_the_class_of_ingress_nginx_is_taken_for_ours(report: Any) -> None:
    named = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: web}\n"
    of_its = f"{named}spec: {{controller: k8s.io/ingress-nginx}}\n"
    found = report(join(of_its, ingress().replace("ingressClassName: nginx", "ingressClassName: web")))
    assert len(found["ingresses"]) == 1
    assert "--controller-class=k8s.io/ingress-nginx" in found["advice"][0]


@pytest.mark.parametrize(
    ("line", "proxy", "nginx"),
    [
        ('proxy-body-size: "8m"', "same", "same"),
        ('use-http2: "true"', "refused", "same"),
        ("keep-alive: soon", "refused", "refused"),
        ('map-hash-bucket-size: "128"', "no effect", "no effect"),
        ("http-snippet: deny all;", "refused", "refused"),
        ('allow-snippet-annotations: "false"', "same", "same"),
        ('enable-modsecurity: "true"', "refused", "refused"),
        ("nonsense: x", "no effect", "no effect"),
    ],
)
def test_each_option_has_its_verdict(report: Any, line: str, proxy: str, nginx: str) -> None:
    found = report(join(ingress(), config_map(line)), "--configmap", "default/options")
    (option,) = found["configMaps"][0]["lines"]
    assert (option["proxy"]["verdict"], option["nginx"]["verdict"]) == (proxy, nginx)


def test_ports_of_tcp(report: Any) -> None:
    text = join(ingress(), config_map('"5432": default/web:80', '"5433": nonsense', name="ports"))
    found = report(text, "--tcp-services-configmap", "default/ports")
    assert [line["proxy"]["verdict"] for line in found["configMaps"][0]["lines"]] == ["same", "same"]
    assert found["configMaps"][0]["lines"][1]["proxy"]["code"] == "stream-invalid"


@pytest.mark.parametrize("ident", REPAIRS)
def test_every_listed_repair_is_seen_in_the_report(
    ident: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_manifests(tmp_path, [CASES[ident]], Network())
    main(["lint", "--from", "ingress-nginx", "--format", "json", str(tmp_path)])
    found = json.loads(capsys.readouterr().out)
    assert {one["verdict"]["proxy"] for one in found["ingresses"]} & {"different", "refused"}


def test_the_three_forms_tell_of_the_same(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = ingress('proxy-body-size: "8m"', "affinity: cookie", "configuration-snippet: '| `x`'", path="/shop/")
    (tmp_path / "a.yaml").write_text(f"{SURROUNDINGS}{text}")
    shown = {}
    for form in ("text", "markdown", "json"):
        assert main(["lint", "--from", "ingress-nginx", "--format", form, str(tmp_path)]) == 1
        shown[form] = capsys.readouterr().out
        for word in ("default/web" if form != "json" else '"web"', "affinity", "proxy-body-size", "slash-redirect"):
            assert word in shown[form]
    rows = [line for line in shown["markdown"].splitlines() if line.startswith("| `")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}


def test_only_what_both_planes_refuse_fails(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(SURROUNDINGS + ingress('proxy-buffering: "on"'))
    assert main(["lint", "--from", "ingress-nginx", str(tmp_path)]) == 0
    assert main(["lint", "--from", "ingress-nginx", "--plane", "proxy", str(tmp_path)]) == 1
    assert "use --plane nginx" in capsys.readouterr().out


def test_differences_are_sentences() -> None:
    told = [annotation.differs for annotation in ANNOTATIONS.values() if annotation.differs]
    assert told
    assert not [text for text in told if text.endswith(".") or text[:1].isupper()]
