"""Error pages and where their template is found."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from serin.errors import SerinError
from serin.render import assets
from serin.render.pages import PHRASES, Pages


def shown(page: bytes) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page.decode()).split())


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (401, "401 Authorization Required 401 Authorization Required serin"),
        (404, "404 Not Found 404 Not Found serin"),
        (405, "405 Not Allowed 405 Not Allowed serin"),
        (413, "413 Request Entity Too Large 413 Request Entity Too Large serin"),
        (414, "414 Request-URI Too Large 414 Request-URI Too Large serin"),
        (503, "503 Service Temporarily Unavailable 503 Service Temporarily Unavailable serin"),
        (504, "504 Gateway Time-out 504 Gateway Time-out serin"),
        (599, "Error Error serin"),
    ],
)
def test_a_page_says_what_nginx_says(status: int, text: str) -> None:
    assert shown(Pages().body(status)) == text


def test_headers_that_are_too_large_have_their_own_page() -> None:
    assert shown(Pages().large_headers).startswith(
        "400 Request Header Or Cookie Too Large 400 Bad Request Request Header Or Cookie "
    )


def test_pages_are_made_once() -> None:
    pages = Pages()
    assert pages.body(404) is pages.body(404)


def test_every_page_closes_its_tags() -> None:
    pages = Pages()
    for body in [*map(pages.body, PHRASES), pages.large_headers]:
        opened: list[str] = []

        class Tags(HTMLParser):
            def handle_starttag(self, tag: str, attrs: object) -> None:
                if tag != "hr":
                    opened.append(tag)  # noqa: B023

            def handle_endtag(self, tag: str) -> None:
                assert opened.pop() == tag  # noqa: B023

        Tags().feed(body.decode())
        assert not opened


def test_folders_are_found_in_the_source_tree() -> None:
    assert (assets.folder("templates") / "page.html.j2").is_file()
    assert assets.folder("crds").is_dir()


def test_folders_are_found_in_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "serin" / "_assets" / "templates"
    folder.mkdir(parents=True)
    (folder / "page.html.j2").write_text("from the wheel")
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path / "serin")
    assert assets.read_text("templates", "page.html.j2") == "from the wheel"
    with pytest.raises(SerinError, match="crds"):
        assets.folder("crds")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SerinError, match="templates/absent"):
        assets.read_text("templates", "absent.j2")
