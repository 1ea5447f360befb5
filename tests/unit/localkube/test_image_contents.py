"""Archives read as a container would see them, and their bill of materials."""

import datetime as dt
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from localkube import contents, image_commands, sbom
from localkube.archive import Image, write_image
from localkube.errors import LocalKubeError

PACKAGES = "usr/local/lib/python3.11/dist-packages"
STATUS = """\
Package: nginx
Status: install ok installed
Architecture: amd64
Version: 1.22.1-9+deb12u1
Description: small server
 that serves

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libgcc-s1
Status: install ok installed
Architecture: amd64
Version: 12
Description: runtime
"""
DEP5 = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: BSD-2-clause
 long text

Files: debian/*
License: GPL-2+
"""
WHEN = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
Member = str | tuple[str, dict[str, Any]]


def layer(path: Path, members: dict[str, Member]) -> Path:
    """Files by path: their text, or their text with fields of TarInfo; a text of "-> X" is a link to X."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, told in members.items():
            text, fields = (told, {}) if isinstance(told, str) else told
            member = tarfile.TarInfo(name)
            for key, value in fields.items():
                setattr(member, key, value)
            if text.startswith("-> "):
                member.type, member.linkname, text = tarfile.SYMTYPE, text[3:], ""
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    first = layer(
        tmp_path / "first",
        {
            "./etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
            "./var/lib/dpkg/status": STATUS,
            "./usr/share/doc/nginx/copyright": DEP5,
            "./usr/share/doc/libgcc-s1": "-> gcc-12-base",
            "./usr/share/doc/gcc-12-base/copyright": DEP5.replace("BSD-2-clause", "GPL-3"),
            "./usr/bin/gcc": "compiler",
            "./opt/old/a": "a",
            "./usr/bin/su": ("", {"mode": 0o4755}),
        },
    )
    second = layer(
        tmp_path / "second",
        {
            "usr/bin/.wh.gcc": "",
            "opt/old/.wh..wh..opq": "",
            "opt/old/b": "b",
            f"{PACKAGES}/attrs-1.dist-info/METADATA": "Name: attrs\nVersion: 1\nLicense-Expression: MIT AND ISC\n\n",
            f"{PACKAGES}/Old_Name-2.dist-info/METADATA": "Name: Old_Name\nVersion: 2\nLicense: UNKNOWN\n"
            "Classifier: License :: OSI Approved :: MIT License\n\nLicense: in the text\n",
            f"{PACKAGES}/serin-9.dist-info/METADATA": "Name: serin\nVersion: 9\nLicense-Expression: Apache-2.0\n\n",
        },
    )
    labels = {"org.opencontainers.image.title": "Serin", "org.opencontainers.image.version": "9"}
    made_by = ["Debian", "Serin"]
    return write_image(tmp_path / "a.tar", Image("docker.io/a/b:c", [first, second], ["x"], "101", (), labels, made_by))


def test_later_layers_hide_what_they_delete(archive: Path) -> None:
    held = contents.read(archive)
    assert held.names == ["docker.io/a/b:c"]
    assert "usr/bin/gcc" not in held.entries
    assert {path for path in held.entries if path.startswith("opt/")} == {"opt/old/b"}
    assert held.entries["usr/bin/su"].mode & 0o6000
    assert held.entries["usr/share/doc/libgcc-s1"].target == "gcc-12-base"
    assert [layer.made_by for layer in held.layers] == ["Debian", "Serin"]


def test_layers_are_measured(archive: Path, tmp_path: Path) -> None:
    held = contents.read(archive)
    assert [layer.size for layer in held.layers] == [(tmp_path / name).stat().st_size for name in ("first", "second")]
    told = list(image_commands.lines(held))
    assert told[0].endswith("MiB  Debian")
    assert told[-1].endswith("in all: 2 Debian packages, 3 Python distributions")


def test_the_bill_of_materials_keeps_its_schema(archive: Path) -> None:
    text = sbom.make(contents.read(archive), WHEN)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert sbom.make(contents.read(archive), WHEN) == text


def test_everything_has_a_package_url_and_its_licences(archive: Path) -> None:
    made = json.loads(sbom.make(contents.read(archive), WHEN))
    assert made["metadata"]["component"]["name"] == "Serin"
    found = {each["purl"]: each.get("licenses") for each in made["components"]}
    assert found == {
        "pkg:deb/debian/nginx@1.22.1-9%2Bdeb12u1?arch=amd64&distro=debian-12": named("BSD-2-clause", "GPL-2+"),
        "pkg:deb/debian/libgcc-s1@12?arch=amd64&distro=debian-12": named("GPL-2+", "GPL-3"),
        "pkg:pypi/attrs@1": [{"expression": "MIT AND ISC"}],
        "pkg:pypi/old-name@2": named("MIT License"),
        "pkg:generic/serin@9": [{"license": {"id": "Apache-2.0"}}],
    }
    [ours] = [each for each in made["dependencies"] if each["ref"] == "image"]
    assert len(ours["dependsOn"]) == len(found)


def named(*names: str) -> list[dict[str, dict[str, str]]]:
    return [{"license": {"name": name}} for name in names]


def test_what_is_no_image_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.tar"
    file.write_bytes(b"no tar")
    with pytest.raises(LocalKubeError, match=r"x\.tar is no archive of an image"):
        contents.read(file)
