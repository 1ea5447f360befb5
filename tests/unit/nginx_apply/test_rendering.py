"""What the data plane says of hosts while it renders them."""

from pathlib import Path

import pytest

from serin.dataplane.nginx.rendering import Templates
from serin.refs import Ref
from serin.render.nginx.settings import LuaPaths, NginxSettings
from serin.routing.beside import Beside
from serin.routing.plan import Globals, Host, PathKind, PathMatch, Policy, Route, RuleId
from serin.routing.wide import Logs, Stream

GLOBALS = Globals()


def host(*patterns: str) -> Host:
    ingress = Ref("Ingress", "default", "shop")
    return Host(
        "shop.example",
        tuple(
            Route(
                PathMatch(PathKind.REGEX, pattern),
                RuleId("shop.example", pattern, "Prefix"),
                ingress,
                None,
                (),
                Policy(),
            )
            for pattern in patterns
        ),
    )


def templates(folder: Path, lua: LuaPaths | None) -> Templates:
    prefix = folder / "state" / "nginx"
    return Templates(
        NginxSettings(str(folder), str(prefix), ("127.0.0.1:1",), (), str(prefix / "status.sock"), lua=lua)
    )


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [r.__dict__["serin_fields"]["text"] for r in caplog.records if r.getMessage() == "nginx-closed"]
    caplog.clear()
    return [str(text).partition(":")[0] for text in found]


def test_a_route_that_is_not_there_without_lua_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    stock = templates(tmp_path, None)
    stock.host(host("/(a+)+b", "/fine"), GLOBALS, None)
    assert told(caplog) == ["Ingress default/shop /(a+)+b"]
    stock.host(host("/(a+)+b"), GLOBALS, None)
    assert told(caplog) == []
    stock.host(host("/(a+)+b", "/(c+)+d"), GLOBALS, None)
    assert told(caplog) == ["Ingress default/shop /(c+)+d"]
    stock.host(host("/fine"), GLOBALS, None)
    stock.host(host("/(a+)+b"), GLOBALS, None)
    assert told(caplog) == ["Ingress default/shop /(a+)+b"]


def test_with_lua_every_pattern_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    templates(tmp_path, LuaPaths("?.lua", "libserin.so")).host(host("/(a+)+b"), GLOBALS, None)
    assert told(caplog) == []


def test_logs_that_cannot_be_written_are_where_they_would_be_otherwise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    to = Beside("0" * 16, "1" * 16, "2" * 16, "shop-db-80")
    made = Templates(
        NginxSettings("/run", "/p", ("127.0.0.1:1",), (), "/p/s.sock", addresses=("127.0.0.1",), stream=True)
    )

    def logs(path: str, stream_path: str) -> list[str]:
        given = Globals(streams=(Stream("TCP", 5432, to),), logs=Logs(path=path, stream_path=stream_path))
        text = made.main(given, (), {}, "d").replace('"', "")
        return [line.split()[1] for line in text.splitlines() if line.strip().endswith("buffer=64k flush=1s;")]

    there, gone = str(tmp_path / "a.log"), str(tmp_path / "gone" / "b.log")
    assert logs(there, gone) == [there, there]
    assert logs(gone, there) == ["/dev/stdout", there]
    assert logs(gone, gone) == ["/dev/stdout", "/dev/stdout"]
    told = [r.__dict__["serin_fields"]["path"] for r in caplog.records if r.getMessage() == "nginx-log-path"]
    assert told == [gone]
