"""A renewal changes a link and nothing else; what OpenSSL cannot load is not linked to."""

import datetime as dt
from pathlib import Path

import pytest

from serin.dataplane.certificate import default_certificate
from serin.dataplane.nginx.certificates import Certificates, link_name

OLD, NEW, BAD = "0" * 32, "1" * 32, "2" * 32


@pytest.fixture(scope="module")
def pem() -> bytes:
    return default_certificate(dt.datetime.now(dt.UTC))


class Links:
    def __init__(self, folder: Path, pem: bytes) -> None:
        self.tls = folder / "plan" / "tls"
        self.tls.mkdir(parents=True)
        self.folder = folder / "state" / "nginx" / "certificates"
        self.folder.mkdir(parents=True)
        self.own = folder / "state" / "default.pem"
        self.own.write_bytes(pem)
        for digest, data in ((OLD, pem), (NEW, pem), (BAD, b"no certificate")):
            (self.tls / f"{digest}.pem").write_bytes(data)
        self.certificates = Certificates(self.folder, self.tls, self.own)

    def of(self, name: str) -> Path:
        return (self.folder / link_name(name)).resolve()

    def file(self, digest: str) -> Path:
        return (self.tls / f"{digest}.pem").resolve()

    @property
    def default(self) -> Path:
        return (self.folder / "default.pem").resolve()


@pytest.fixture
def links(tmp_path: Path, pem: bytes) -> Links:
    return Links(tmp_path, pem)


def test_each_name_has_a_link_without_its_text(links: Links) -> None:
    links.certificates.put({"a.example": OLD, "*.example": NEW}, None)
    assert links.of("a.example") == links.file(OLD)
    assert links.of("*.example") == links.file(NEW)
    assert links.default == links.own.resolve()
    assert all(len(path.stem) == 16 or path.name == "default.pem" for path in links.folder.iterdir())
    assert all(not path.readlink().is_absolute() for path in links.folder.iterdir())


def test_a_renewal_swaps_the_link(links: Links) -> None:
    links.certificates.put({"a.example": OLD}, OLD)
    links.certificates.put({"a.example": NEW}, NEW)
    assert links.of("a.example") == links.file(NEW)
    assert links.default == links.file(NEW)
    links.certificates.put({"a.example": NEW}, None)
    assert links.default == links.own.resolve()


def test_what_openssl_cannot_load_leaves_the_one_before(links: Links, caplog: pytest.LogCaptureFixture) -> None:
    links.certificates.put({"a.example": OLD}, OLD)
    for _ in range(2):
        links.certificates.put({"a.example": BAD, "b.example": BAD}, BAD)
    assert links.of("a.example") == links.file(OLD)
    assert links.default == links.file(OLD)
    assert links.of("b.example") == links.file(OLD)  # by the default one
    assert links.certificates.waiting
    for _ in range(30):
        links.certificates.put({"a.example": BAD, "b.example": BAD}, BAD)
    assert not links.certificates.waiting
    assert [record.getMessage() for record in caplog.records] == ["certificate-refused"]
    links.certificates.put({"a.example": NEW}, NEW)
    assert not links.certificates.waiting


def test_a_link_that_leads_nowhere_is_not_kept(links: Links) -> None:
    links.certificates.put({"a.example": OLD}, None)
    links.file(OLD).unlink()
    links.certificates.put({"a.example": BAD}, None)
    assert links.of("a.example") == links.own.resolve()


def test_a_name_that_goes_keeps_its_link_until_nginx_asks_no_more(links: Links) -> None:
    links.certificates.put({"a.example": OLD, "b.example": OLD}, None)
    links.certificates.put({"a.example": OLD}, None)
    assert links.of("b.example") == links.file(OLD)
    links.certificates.retire({"a.example": OLD})
    assert sorted(path.name for path in links.folder.iterdir()) == sorted([link_name("a.example"), "default.pem"])
