"""Files that come with Serin beside its code: templates and custom resource definitions.

They are folders of the repository's top level; a wheel carries them inside the package. One function finds them in
both, so that nobody else needs to know which it is.
"""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

import serin
from serin.errors import SerinError

Folder = Literal["templates", "crds"]


def folder(name: Folder) -> Traversable:
    """The folder in the installed package, else in the source tree that an editable install points to."""
    package = resources.files(serin)
    installed = package / "_assets" / name
    if installed.is_dir():
        return installed
    source = Path(str(package)).parents[1] / name
    if source.is_dir():
        return source
    raise SerinError(f"this installation lacks its {name}: neither {installed} nor {source} is there; install it again")


def read_text(name: Folder, file: str) -> str:
    """A file of a folder, as UTF-8. SerinError when it is missing."""
    try:
        return (folder(name) / file).read_text("utf-8")
    except OSError as e:
        raise SerinError(f"this installation lacks {name}/{file}; install it again") from e
