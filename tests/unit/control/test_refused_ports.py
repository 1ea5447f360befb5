"""Ports that the data plane cannot have: what it writes is a problem on the ConfigMap that asks for them."""

import json
from pathlib import Path

import pytest

from serin.compile.options import Options
from serin.control.refused_ports import read_refused_ports
from serin.dataplane.refused_ports import NAME, RefusedPorts
from serin.problems import Problem
from serin.refs import Ref, Source

OPTIONS = Options(tcp_services=("ingress", "tcp"), udp_services=("ingress", "udp"))


def read(path: Path, options: Options = OPTIONS) -> tuple[Problem, ...]:
    return read_refused_ports((path / NAME).read_bytes(), options)


def test_each_port_is_told_on_its_map_and_goes_when_it_is_free(tmp_path: Path) -> None:
    ports = RefusedPorts(tmp_path)
    ports.put({})
    assert not (tmp_path / NAME).exists()
    ports.put({("TCP", 5432, "0.0.0.0"): "port 5432 is in use", ("UDP", 53, "::"): "not permitted"})
    tcp, udp = read(tmp_path)
    assert tcp.source == Source(Ref("ConfigMap", "ingress", "tcp"), "data[5432]")
    assert udp.source == Source(Ref("ConfigMap", "ingress", "udp"), "data[53]")
    assert tcp.code == udp.code == "stream-port-conflict"
    assert "port 5432 is in use; nobody answers there" in tcp.text
    assert [problem.source.field for problem in read(tmp_path, Options(udp_services=("a", "b")))] == ["data[53]"]
    ports.put({})
    assert read(tmp_path) == ()


def test_what_a_data_plane_before_left_is_replaced(tmp_path: Path) -> None:
    RefusedPorts(tmp_path).put({("TCP", 5432, "::1"): "in use"})
    RefusedPorts(tmp_path).put({})
    assert read(tmp_path) == ()


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {},
        {"protocol": ["TCP"], "port": 1, "error": ""},
        {"protocol": "SCTP", "port": 1, "error": ""},
        {"protocol": "TCP", "port": True, "error": ""},
        {"protocol": "TCP", "port": 70000, "error": ""},
        {"protocol": "TCP", "port": 1, "error": None},
    ],
)
def test_entries_that_are_none_are_left_out(entry: object) -> None:
    assert read_refused_ports(json.dumps({"version": 1, "ports": [entry]}).encode(), OPTIONS) == ()


@pytest.mark.parametrize("data", [b"", b"[]", b'{"version": 2, "ports": []}', b'{"version": 1}'])
def test_what_is_no_such_file_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"refused-ports\.json"):
        read_refused_ports(data, OPTIONS)
