"""Whatever users write: compile answers, fails on nothing, and never touches a bystander."""

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.compile.manifests import codes, compile_objects, config_map, ingress, secret, service

from serin.compile.annotations.table import ALIASES, ANNOTATIONS, OURS, REMOVED
from serin.compile.beside import is_beside
from serin.compile.settings import KEYS
from serin.routing.beside import Beside
from serin.routing.plan import Policy

text = st.text(max_size=12)
odd = st.sampled_from(
    (
        "",
        " ",
        "true",
        "TRUE\n",
        "-1",
        "9" * 30,
        "/$1",
        "$",
        "${",
        "(",
        "[",
        "a" * 5000,
        "\x00",
        "é",
        "cookie",
        "0.0.0.0/0,::1/1",
        "https://$host:65535/a?b=$request_uri",
        "http://[::1",
        "200 5m,",
        "basic",
        "%s",
        "{}",
        "\\",
    )
)
value = st.one_of(odd, text, st.text(alphabet="/$0123456789abc:.-_ ,", max_size=12))
keys = st.sampled_from([*ANNOTATIONS, *ALIASES, *REMOVED, *(f"serin.dev/{name}" for name in OURS)])
notes = st.dictionaries(keys, value, max_size=6)
path = st.tuples(
    st.one_of(st.sampled_from(("/", "/a", "/a/", "/(", "/[", "/a*", "/a/b")), text.map(lambda t: f"/{t}")),
    st.sampled_from(("Exact", "Prefix", "ImplementationSpecific")),
    st.sampled_from(("v1", "v2:http", "v3:81")),
)
hosts = st.sampled_from(("a.example", "*.example", "www.a.example", ""))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.lists(path, max_size=3), hosts, notes, st.booleans()), max_size=4),
    st.dictionaries(st.one_of(st.sampled_from(sorted(KEYS)), text), value, max_size=4),
    value,
    st.sampled_from(("proxy", "nginx")),
)
def test_any_text_anywhere(
    asked: list[tuple[list[tuple[str, str, str]], str, dict[str, str], bool]],
    data: dict[str, str],
    key: str,
    plane: str,
) -> None:
    objects = [
        ingress(
            f"i{n}",
            *paths,
            host=host,
            notes=found | ({"canary": "true"} if is_canary else {}),
            default="v1" if n % 2 else "",
        )
        for n, (paths, host, found, is_canary) in enumerate(asked)
    ]
    bystander = [ingress("bystander", host="bystander.example"), service("v1")]
    settings_map = config_map()
    settings_map["data"] = data
    compiled = compile_objects(
        *objects, *bystander, secret("users", auth=key), settings_map, configmap=("serin", "config"), plane=plane
    )
    alone = compile_objects(*bystander, settings_map, configmap=("serin", "config"), plane=plane)
    assert "internal-error" not in codes(compiled)
    assert compiled.plan.hosts["bystander.example"] == alone.plan.hosts["bystander.example"]
    for host in compiled.plan.hosts.values():
        for route in host.routes:
            assert (route.split is None) == (not route.versions)
            assert route.split is None or route.split in compiled.plan.splits
            assert all(version.pool in compiled.plan.pools for version in route.versions)
    named = {route.split for host in compiled.plan.hosts.values() for route in host.routes} - {None}
    assert named == {split.id for split in compiled.plan.splits.values() if not is_beside(split)}
    policies = [route.policy for host in compiled.plan.hosts.values() for route in host.routes]
    beside = {found.split for policy in policies for found in _beside(policy)}
    assert beside <= set(compiled.plan.splits)


def _beside(policy: Policy) -> Iterator[Beside]:
    """All who are asked beside a route."""
    errors = policy.errors.by if policy.errors is not None else None
    asked = [policy.fallback, errors, *(part.to for part in (policy.external_auth, policy.mirror) if part is not None)]
    yield from (found for found in asked if found is not None)
