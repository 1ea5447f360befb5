"""The table of allowed differences is read as it is meant."""

import pathlib

import pytest
from harness import allowed
from harness.planes import BY_NAME


def test_rows_of_the_page() -> None:
    assert allowed.read()
    for difference in allowed.read():
        assert difference.planes <= set(BY_NAME) - {"proxy"}, difference


def test_row_without_a_reason_is_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "nginx.md"
    head = f"text\n\n{allowed.HEADING}\n\nwords\n\n| a | b | c | d |\n|---|---|---|---|\n"
    monkeypatch.setattr(allowed, "PAGE", page)
    page.write_text(head + "| `some-case` | nginx, stock | because | 400 |\n\n## Next\n\n| no | row |\n")
    (found,) = allowed.read()
    assert (found.subject, sorted(found.planes), sorted(found.statuses)) == ("some-case", ["nginx", "stock"], [400])
    page.write_text(head + "| `some-case` | nginx |  | 400 |\n")
    with pytest.raises(ValueError, match="not a whole row"):
        allowed.read()
