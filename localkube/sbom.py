"""What an image holds, as a CycloneDX bill of materials: Debian packages, Python distributions, Serin itself.

Read from the image alone (dpkg's list, dist-info folders, copyright files), so it is the same program for images made
with Docker and without. Native libraries inside Python wheels are not listed: wheels do not name them.
"""

import datetime as dt
import re
import uuid
from collections.abc import Iterator, Mapping
from email.message import Message
from email.parser import HeaderParser

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from localkube.contents import Contents

_PYTHON = "dist-packages/"
# Debian's machine-readable copyright files (DEP 5): the format's name, then short names of licences.
_DEP5 = "copyright-format/1.0"
_DEP5_LICENSE = re.compile(r"^License:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_OURS = "serin"
_LONGEST = 100  # of a licence's name; some put the whole text there
_NAMESPACE = uuid.UUID("4a1e8a54-0d11-5d0c-9c0f-5e2f6d0e7d55")


def make(contents: Contents, made_at: dt.datetime) -> str:
    """JSON text, CycloneDX 1.6. The same image at the same `made_at` gives the same text."""
    labels = contents.config["config"].get("Labels") or {}
    image = Component(
        name=labels.get("org.opencontainers.image.title", "image"),
        version=labels.get("org.opencontainers.image.version"),
        description=labels.get("org.opencontainers.image.description"),
        type=ComponentType.CONTAINER,
        licenses=_licences([labels.get("org.opencontainers.image.licenses", "")]),
        bom_ref="image",
    )
    bom = Bom(
        components=[*_debian(contents), *_python(contents)],
        serial_number=uuid.uuid5(_NAMESPACE, " ".join(layer.digest for layer in contents.layers)),
    )
    bom.metadata.timestamp = made_at
    bom.metadata.component = image
    bom.register_dependency(image, bom.components)
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def debian_packages(contents: Contents) -> list[Message]:
    """dpkg's record of each installed package."""
    told = contents.texts.get("var/lib/dpkg/status", "").split("\n\n")
    records = [HeaderParser().parsestr(each) for each in told if each.strip()]
    return [each for each in records if each["Status"].endswith(" installed")]


def distributions(contents: Contents) -> list[Message]:
    """METADATA of each Python distribution that is not Debian's."""
    return [
        HeaderParser().parsestr(text)
        for path, text in sorted(contents.texts.items())
        if _PYTHON in path and path.endswith("/METADATA")
    ]


def _debian(contents: Contents) -> Iterator[Component]:
    system = _assignments(contents.texts.get("etc/os-release") or contents.texts.get("usr/lib/os-release", ""))
    name = system.get("ID", "debian")
    distro = f"{name}-{system.get('VERSION_ID', '')}".rstrip("-")
    for package in debian_packages(contents):
        qualifiers = {"arch": package["Architecture"], "distro": distro}
        purl = PackageURL("deb", name, package["Package"], package["Version"], qualifiers)
        found = _short_names(_copyright(contents, package["Package"]))
        yield Component(
            name=package["Package"],
            version=package["Version"],
            description=package["Description"].splitlines()[0],
            purl=purl,
            bom_ref=purl.to_string(),
            licenses=[DisjunctiveLicense(name=each) for each in found],
        )


def _short_names(text: str) -> list[str]:
    return sorted(set(_DEP5_LICENSE.findall(text))) if _DEP5 in text.partition("\n\n")[0] else []


def _copyright(contents: Contents, package: str) -> str:
    """Some packages share another one's folder, or file, by a link."""
    folder = f"usr/share/doc/{package}"
    linked = contents.entries.get(folder)
    if linked is not None and linked.kind == "link":
        folder = f"usr/share/doc/{linked.target.rpartition('/')[2]}"
    file = contents.entries.get(f"{folder}/copyright")
    if file is not None and file.kind == "link":
        parts = file.target.split("/")
        return contents.texts.get(f"usr/share/doc/{parts[-2]}/copyright" if len(parts) > 1 else "", "")
    return contents.texts.get(f"{folder}/copyright", "")


def _python(contents: Contents) -> Iterator[Component]:
    for told in distributions(contents):
        name = re.sub(r"[-_.]+", "-", told["Name"]).lower()
        ours = name == _OURS
        purl = PackageURL("generic" if ours else "pypi", None, name, told["Version"])
        yield Component(
            name=name,
            version=told["Version"],
            description=told["Summary"],
            type=ComponentType.APPLICATION if ours else ComponentType.LIBRARY,
            purl=purl,
            bom_ref=purl.to_string(),
            licenses=_licences(_told_licences(told)),
        )


def _told_licences(told: Message) -> list[str]:
    """The expression where there is one; else the field or the classifiers, as they are."""
    if expression := told["License-Expression"]:
        return [expression]
    text = (told["License"] or "").strip()
    if text not in ("", "UNKNOWN") and "\n" not in text and len(text) <= _LONGEST:
        return [text]
    classifiers = told.get_all("Classifier", [])
    return [each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License ::")]


def _licences(texts: list[str]) -> list[License]:
    """An expression stands alone, as the schema wants it; otherwise SPDX's id where it is one, else the name."""
    make = LicenseFactory().make_from_string
    return [make(text) for text in texts if text]


def _assignments(text: str) -> Mapping[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip("\"'") for key, _, value in pairs}
