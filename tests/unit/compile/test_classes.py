"""Which Ingresses are ours."""

from typing import Any

import pytest
from unit.compile.manifests import codes, compile_objects, ingress, ingress_class

ANNOTATION = "kubernetes.io/ingress.class"


def served(
    class_name: str | None, *classes: dict[str, Any], notes: dict[str, str] | None = None, **options: Any
) -> bool:
    """On a cluster unless `standalone` says otherwise."""
    compiled = compile_objects(
        ingress("main", class_name=class_name, notes=notes), *classes, **{"standalone": False} | options
    )
    return bool(compiled.plan.hosts)


OURS = ingress_class("nginx")
THEIRS = ingress_class("nginx", "k8s.io/ingress-nginx")


@pytest.mark.parametrize(
    ("name", "classes", "options", "ours"),
    [
        ("nginx", [OURS], {}, True),
        ("nginx", [], {}, False),
        ("nginx", [THEIRS], {}, False),
        ("nginx", [THEIRS], {"ingress_class_by_name": True}, True),
        ("nginx", [THEIRS], {"controller_class": "k8s.io/ingress-nginx"}, True),
        ("other", [ingress_class("other")], {}, True),
        ("other", [ingress_class("other", "x.example/y")], {"ingress_class_by_name": True}, False),
        ("nginx", [], {"ingress_class_by_name": True}, False),
        ("nginx", [], {"standalone": True}, True),
        ("nginx", [THEIRS], {"standalone": True}, True),
        ("other", [], {"standalone": True}, False),
        ("mine", [], {"standalone": True, "ingress_class": "mine"}, True),
    ],
)
def test_by_class_name(name: str, classes: list[dict[str, Any]], options: dict[str, Any], ours: bool) -> None:
    assert served(name, *classes, **options) == ours


@pytest.mark.parametrize(("word", "ours"), [("nginx", True), ("traefik", False), ("", False)])
def test_by_annotation(word: str, ours: bool) -> None:
    assert served(None, notes={ANNOTATION: word}) == ours


def test_the_class_name_goes_before_the_annotation() -> None:
    assert not served("other", notes={ANNOTATION: "nginx"})
    assert served("nginx", OURS, notes={ANNOTATION: "other"})


def test_without_class() -> None:
    assert not served(None)
    assert not served(None, OURS)
    assert served(None, watch_ingress_without_class=True)
    assert served(None, ingress_class("nginx", default=True))
    assert not served(None, ingress_class("other", "x.example/y", default=True))
    assert not served(None, notes={ANNOTATION: "other"}, watch_ingress_without_class=True)


def test_files_alone_tell_of_ingresses_that_nobody_serves() -> None:
    assert codes(compile_objects(ingress("main", class_name="absent"))) == ["class-unknown"]
    assert codes(compile_objects(ingress("main", class_name=None))) == ["class-missing"]
    theirs = ingress_class("absent", "x.example/y")
    assert codes(compile_objects(ingress("main", class_name="absent"), theirs)) == []


def test_on_a_cluster_others_ingresses_are_not_our_business() -> None:
    assert codes(compile_objects(ingress("main", class_name="absent", notes={"canary": "x"}), standalone=False)) == []
