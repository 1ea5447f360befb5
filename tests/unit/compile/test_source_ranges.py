"""Address lists and limits: what is read, in which form it is in the plan, and what a bad value does."""

from collections.abc import Mapping
from typing import Any

import pytest
from unit.compile.manifests import codes, compile_objects, config_map, ingress, problem, route

from serin.compile.annotations.networks import NETWORKS, NOBODY, canonical, usable
from serin.compile.compiler import Compiled
from serin.routing.access import Access
from serin.routing.answers import Bandwidth

NAME = ("serin", "config")


def with_notes(settings: Mapping[str, str] | None = None, /, **notes: Any) -> Compiled:
    """Keywords with `_` for `-`; `settings` are the ConfigMap's."""
    written = {key.replace("_", "-"): value for key, value in notes.items()}
    made = config_map(**{key.replace("-", "_"): value for key, value in (settings or {}).items()})
    return compile_objects(ingress("main", notes=written), made, configmap=NAME)


def access(settings: Mapping[str, str] | None = None, /, **notes: Any) -> Access:
    return route(with_notes(settings, **notes)).policy.access


# --- networks ---


@pytest.mark.parametrize(
    ("written", "network"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("192.0.2.1", "192.0.2.1/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
        ("2001:DB8:0::1", "2001:db8::1/128"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::ffff:10.1.2.3", "10.1.2.3/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::fffe:0:0/95", "::fffe:0:0/95"),
        ("10.0.0.0/33", None),
        ("10.0.0.0/255.0.0.0", None),
        ("10.0.0.0/-1", None),
        ("10.0.0", None),
        ("010.0.0.1", None),
        ("fe80::1%eth0", None),
        ("10.0.0.1 ", None),
        ("", None),
        ("example.com", None),
        ("all", None),
        ("167772160", None),
        ("255.255.255.255", None),
        ("::ffff:255.255.255.255", None),
        ("255.255.255.254/31", "255.255.255.254/31"),
        ("255.255.255.255/31", "255.255.255.254/31"),
    ],
)
def test_networks_have_one_form(written: str, network: str | None) -> None:
    assert canonical(written) == network


def test_a_list_is_read_as_a_whole_or_not_at_all() -> None:
    assert NETWORKS.read("10.0.0.0/8, 192.0.2.1 ,10.9.9.9/8") == ("10.0.0.0/8", "192.0.2.1/32")
    for bad in ("10.0.0.0/8,garbage", "10.0.0.0/8,", ",", " ", "10.0.0.0/8 192.0.2.1", "10.0.0.0/8;192.0.2.1"):
        assert NETWORKS.read(bad) is None


def test_what_is_usable_of_a_list() -> None:
    assert usable("10.0.0.0/8,\n garbage,,192.0.2.1\n") == (("10.0.0.0/8", "192.0.2.1/32"), ("'garbage'",))


# --- lists ---


@pytest.mark.parametrize("name", ["allowlist_source_range", "whitelist_source_range"])
def test_only_these_may_come_in(name: str) -> None:
    found = access({}, **{name: "10.0.0.0/8,192.0.2.1"})
    assert (found.allow, found.deny, found.any_of) == (("10.0.0.0/8", "192.0.2.1/32"), (), False)
    assert found.source is not None
    assert found.source.field.endswith(f"{name.replace('_', '-')}]")


def test_these_may_not_come_in() -> None:
    found = access(denylist_source_range="10.0.0.0/8,::1")
    assert (found.allow, found.deny) == ((), ("10.0.0.0/8", "::1/128"))


@pytest.mark.parametrize("name", ["allowlist_source_range", "whitelist_source_range", "denylist_source_range"])
@pytest.mark.parametrize("value", ["10.0.0.0/8,garbage", "10.0.0.0/40", " ", ",", "10.0.0.0/8\n", "*"])
def test_a_list_that_cannot_be_read_closes(name: str, value: str) -> None:
    compiled = with_notes({}, **{name: value})
    closed = route(compiled).policy.closed
    assert closed is not None
    assert (closed.status, closed.code) == (503, "annotation-invalid")
    assert "503" in problem(compiled, "annotation-invalid").text


def test_satisfy() -> None:
    assert access(satisfy="any", allowlist_source_range="10.0.0.0/8").any_of
    assert not access(satisfy="all", allowlist_source_range="10.0.0.0/8").any_of
    assert access(satisfy="all") == Access()


def test_satisfy_counts_for_lists_of_the_config_map_and_for_ways_to_sign_in() -> None:
    found = access({"whitelist-source-range": "10.0.0.0/8"}, satisfy="any")
    assert (found.allow, found.any_of) == (("10.0.0.0/8",), True)
    assert found.source is not None
    assert found.source.field.endswith("satisfy]")
    assert access(satisfy="any").any_of


@pytest.mark.parametrize("word", ["some", "ANY", "any all"])
def test_a_bad_satisfy_asks_for_all(word: str) -> None:
    compiled = with_notes(satisfy=word, allowlist_source_range="10.0.0.0/8")
    assert not route(compiled).policy.access.any_of
    assert "annotation-invalid" in codes(compiled)


def test_lists_of_the_config_map_are_for_those_without_one() -> None:
    lists = {"whitelist-source-range": "192.0.2.0/24", "denylist-source-range": "192.0.2.9"}
    assert (access(lists).allow, access(lists).deny) == (("192.0.2.0/24",), ("192.0.2.9/32",))
    own = access(lists, allowlist_source_range="10.0.0.0/8")
    assert (own.allow, own.deny) == (("10.0.0.0/8",), ("192.0.2.9/32",))
    assert own.source is not None
    assert own.source.ref.kind == "Ingress"
    assert access(lists).source is not None


def test_of_a_list_of_the_config_map_the_good_entries_stay_in_force() -> None:
    compiled = with_notes({"whitelist-source-range": "10.0.0.0/8,garbage,\n192.0.2.1"})
    assert route(compiled).policy.access.allow == ("10.0.0.0/8", "192.0.2.1/32")
    found = problem(compiled, "config-invalid")
    assert "'garbage'" in found.text
    assert found.source.ref.kind == "ConfigMap"


def test_a_list_of_the_config_map_without_a_good_entry_lets_nobody_in() -> None:
    assert access({"whitelist-source-range": "garbage"}).allow == NOBODY
    assert access({"denylist-source-range": "garbage"}).deny == ()


def test_paths_that_no_rule_takes_are_kept_for_the_same_clients() -> None:
    rule = ingress("main", ("/app", "Prefix", "v1"), notes={"allowlist-source-range": "10.0.0.0/8"})
    compiled = compile_objects(rule)
    assert [r.policy.access.allow for r in compiled.plan.hosts["shop.example.com"].routes] == [("10.0.0.0/8",)] * 2


# --- limits ---


def test_limits() -> None:
    found = route(with_notes(limit_rps="2", limit_rpm="30", limit_connections="4", limit_burst_multiplier="3")).policy
    assert found.limits is not None
    limits = found.limits
    assert (limits.rps, limits.rpm, limits.connections, limits.burst, limits.spared) == (2, 30, 4, 3, ())
    assert len(limits.zone) == 16
    assert limits.source is not None
    assert limits.source.field.endswith("limit-rps]")


@pytest.mark.parametrize("name", ["limit-rps", "limit-rpm", "limit-connections"])
def test_each_limit_counts_alone(name: str) -> None:
    limits = route(with_notes({}, **{name: "7"})).policy.limits
    assert limits is not None
    assert sorted((limits.rps, limits.rpm, limits.connections)) == [0, 0, 7]
    assert limits.source is not None
    assert limits.source.field.endswith(f"{name}]")


@pytest.mark.parametrize(("name", "most"), [("limit-rps", 1_000_000), ("limit-connections", 65535)])
def test_the_highest_limit(name: str, most: int) -> None:
    assert route(with_notes({}, **{name: str(most)})).policy.limits is not None
    assert route(with_notes({}, **{name: str(most + 1)})).policy.closed is not None


def test_each_ingress_counts_by_itself_on_all_its_paths() -> None:
    paths = (("/a", "Prefix", "v1"), ("/b", "Prefix", "v1"))
    notes = {"limit-rps": "2"}
    compiled = compile_objects(ingress("one", *paths, notes=notes), ingress("two", host="b.example", notes=notes))
    zones = [{r.policy.limits.zone for r in host.routes if r.policy.limits} for host in compiled.plan.hosts.values()]
    assert [len(found) for found in zones] == [1, 1]
    assert zones[0] != zones[1]


@pytest.mark.parametrize("name", ["limit_rps", "limit_rpm", "limit_connections"])
@pytest.mark.parametrize("value", ["many", "-1", "1.5", "10r/s", " 5", "99999999999"])
def test_a_limit_that_cannot_be_read_closes(name: str, value: str) -> None:
    assert route(with_notes({}, **{name: value})).policy.closed is not None


@pytest.mark.parametrize("name", ["limit_rps", "limit_rpm", "limit_connections"])
def test_zero_is_no_limit(name: str) -> None:
    assert route(with_notes({}, **{name: "0"})).policy.limits is None


@pytest.mark.parametrize("name", ["limit_allowlist", "limit_whitelist"])
def test_clients_without_limits(name: str) -> None:
    found = route(with_notes(limit_rps="1", **{name: "10.0.0.0/8"})).policy.limits
    assert found is not None
    assert found.spared == ("10.0.0.0/8",)


@pytest.mark.parametrize(
    ("notes", "burst"), [({"limit_allowlist": "10.0.0.0/8,x"}, 5), ({"limit_burst_multiplier": "0"}, 5)]
)
def test_parts_that_cannot_be_read_leave_the_limit_in_force(notes: dict[str, str], burst: int) -> None:
    compiled = with_notes(limit_rps="1", **notes)
    found = route(compiled).policy.limits
    assert found is not None
    assert (found.spared, found.burst) == ((), burst)
    assert "annotation-invalid" in codes(compiled)


def test_parts_without_a_limit_are_told() -> None:
    assert codes(with_notes(limit_burst_multiplier="3", limit_allowlist="10.0.0.1")).count("limit-missing") == 2


def test_bandwidth() -> None:
    assert route(with_notes(limit_rate="100", limit_rate_after="10")).policy.bandwidth == Bandwidth(102400, 10240)
    assert route(with_notes(limit_rate_after="10")).policy.bandwidth is None
    assert route(with_notes({"limit-rate": "5"})).policy.bandwidth == Bandwidth(5120)
    assert route(with_notes({"limit-rate": "5"}, limit_rate="0")).policy.bandwidth is None
    assert route(with_notes({"limit-rate-after": "5"}, limit_rate="1")).policy.bandwidth == Bandwidth(1024, 5120)


def test_a_bad_bandwidth_counts_as_absent() -> None:
    compiled = with_notes(limit_rate="1m")
    assert (route(compiled).policy.bandwidth, route(compiled).policy.closed) == (None, None)
    assert "annotation-invalid" in codes(compiled)


def test_statuses_beyond_a_limit() -> None:
    made = with_notes({"limit-req-status-code": "429", "limit-conn-status-code": "430"}).plan.globals
    assert (made.limit_req_status, made.limit_conn_status) == (429, 430)
    bad = with_notes({"limit-req-status-code": "200", "limit-conn-status-code": "busy"})
    assert (bad.plan.globals.limit_req_status, bad.plan.globals.limit_conn_status) == (503, 503)
    assert codes(bad).count("config-invalid") == 2
