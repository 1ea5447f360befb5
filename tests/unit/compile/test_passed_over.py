"""What is said of Ingresses that are not ours, when somebody asks about their host."""

from typing import Any

import pytest
from unit.compile.manifests import compile_objects, ingress, ingress_class

from serin.compile.passed_over import of_nobody, passed_over

OURS = ingress_class("nginx")
THEIRS = ingress_class("traefik", "traefik.io/ingress-controller")
HOST = "shop.example"


def told(*objects: dict[str, Any], host: str = HOST) -> list[str]:
    memo = compile_objects(*objects, standalone=False).memo
    return [f"{text} [{field.field}]" for text, field in passed_over(memo.snapshot, memo.classes, memo.options, host)]


@pytest.mark.parametrize(
    ("name", "notes", "why"),
    [
        ("ngnix", None, "there is no IngressClass ngnix; ours: nginx [spec.ingressClassName]"),
        (
            "traefik",
            None,
            (
                "IngressClass traefik has the controller traefik.io/ingress-controller, "
                "not serin.dev/ingress-controller; ours: nginx [spec.ingressClassName]"
            ),
        ),
        (
            None,
            None,
            "it has no class, and no IngressClass of ours is the default; ours: nginx [spec.ingressClassName]",
        ),
        (
            None,
            {"kubernetes.io/ingress.class": "traefik"},
            "its class is traefik, ours is nginx [metadata.annotations[kubernetes.io/ingress.class]]",
        ),
    ],
)
def test_the_class_is_why(name: str | None, notes: dict[str, str] | None, why: str) -> None:
    asked = ingress("web", host=HOST, class_name=name, notes=notes)
    assert [line.partition(" is not served: ")[2] for line in told(asked, OURS, THEIRS)] == [why]


def test_ours_and_those_of_other_hosts_are_not_told_of() -> None:
    assert told(ingress("web", host=HOST), OURS) == []
    assert told(ingress("web", host=HOST, class_name="ngnix"), OURS, host="other.example") == []


def test_without_any_class_of_ours_the_controller_is_named() -> None:
    (line,) = told(ingress("web", host=HOST, class_name="nginx"), ingress_class("nginx", "k8s.io/ingress-nginx"))
    assert "has the controller k8s.io/ingress-nginx, not serin.dev/ingress-controller" in line
    assert "ours: none has the controller serin.dev/ingress-controller" in line


def test_a_class_that_nobody_has_is_a_problem_of_the_cluster() -> None:
    objects = (
        ingress("web", class_name="ngnix"),
        ingress("ours"),
        ingress("theirs", class_name="traefik"),
        OURS,
        THEIRS,
    )
    (problem,) = of_nobody(compile_objects(*objects, standalone=False).memo.snapshot)
    assert (problem.code, problem.source.ref.name) == ("class-unknown", "web")
    assert problem.text == "there is no IngressClass ngnix (did you mean nginx?); nobody serves it"


def test_where_classes_cannot_be_read_nothing_is_said_of_them() -> None:
    assert of_nobody(compile_objects(ingress("web", class_name="ngnix"), standalone=False).memo.snapshot) == ()
