"""What a compile says of itself: which Ingresses are ours, which Secrets and ConfigMaps it looked at."""

from typing import Any

from unit.compile.manifests import check_pattern, compile_objects, ingress, ingress_class, secret, views

from serin.compile.compiler import Compiled, compile_snapshot
from serin.compile.options import Options
from serin.objects.store import Store
from serin.refs import Ref

AUTH = {"auth-type": "basic", "auth-secret": "users"}


class Walk:
    """Objects that change, compiled again and again with the last result at hand."""

    def __init__(self, options: Options) -> None:
        self.store = Store()
        self.options = options
        self.compiled: Compiled | None = None

    def apply(self, *objects: dict[str, Any]) -> Compiled:
        for view in views(objects):
            self.store.apply(view)
        return self.compile()

    def delete(self, ref: Ref) -> Compiled:
        self.store.delete(ref)
        return self.compile()

    def compile(self) -> Compiled:
        self.compiled = compile_snapshot(self.store.snapshot(), self.options, check_pattern, self.compiled)
        return self.compiled


def test_ours_are_those_of_our_classes_whatever_is_wrong_with_them() -> None:
    other = ingress("other")
    other["spec"]["ingressClassName"] = "another"
    broken = ingress("broken", notes={"backend-protocol": "smoke"})
    compiled = compile_objects(ingress("main"), broken, other, ingress_class("nginx"))
    assert compiled.ingresses == {Ref("Ingress", "shop", "main"), Ref("Ingress", "shop", "broken")}


def test_an_ingress_that_changes_its_class_leaves_and_comes_back() -> None:
    walk = Walk(Options())
    ours = walk.apply(ingress("main"), ingress_class("nginx")).ingresses
    assert ours == {Ref("Ingress", "shop", "main")}
    away = ingress("main")
    away["spec"]["ingressClassName"] = "another"
    assert walk.apply(away).ingresses == frozenset()
    assert walk.apply(ingress("main")).ingresses == ours
    assert walk.delete(Ref("IngressClass", "", "nginx")).ingresses == frozenset()


def test_what_is_looked_at_counts_also_when_it_is_not_there() -> None:
    options = Options(standalone=True, configmap=("serin", "options"), default_ssl_certificate=("serin", "default"))
    walk = Walk(options)
    named = {Ref("ConfigMap", "serin", "options"), Ref("Secret", "serin", "default")}
    assert walk.compile().reads == named
    users = Ref("Secret", "shop", "users")
    assert walk.apply(ingress("main", notes=AUTH)).reads == named | {users}
    assert walk.apply(secret("users", auth="a:{PLAIN}b")).reads == named | {users}
    assert walk.apply(ingress("main")).reads == named
    assert walk.apply(ingress("main", notes=AUTH)).reads == named | {users}
    assert walk.delete(Ref("Ingress", "shop", "main")).reads == named


def test_a_secret_of_two_stays_until_the_second_goes() -> None:
    walk = Walk(Options(standalone=True))
    two = ingress("two", host="two.example", notes=AUTH)
    users = frozenset({Ref("Secret", "shop", "users")})
    assert walk.apply(ingress("main", notes=AUTH), two).reads == users
    assert walk.delete(Ref("Ingress", "shop", "main")).reads == users
    assert walk.delete(Ref("Ingress", "shop", "two")).reads == frozenset()


def test_what_did_not_change_is_the_same_value() -> None:
    walk = Walk(Options(standalone=True))
    before = walk.apply(ingress("main", notes=AUTH))
    after = walk.apply(ingress("main", notes={**AUTH, "proxy-body-size": "1k"}))
    assert after.ingresses is before.ingresses


def test_an_ingress_of_another_controller_that_goes_with_its_class_is_forgotten() -> None:
    walk = Walk(Options())
    theirs = ingress("theirs", class_name="other")
    assert walk.apply(ingress_class("nginx"), ingress_class("other", "x.example/y"), theirs).memo.anothers
    walk.store.delete(Ref("IngressClass", "", "other"))
    assert not walk.delete(Ref("Ingress", "shop", "theirs")).memo.anothers
