"""Files of the package that nginx itself opens: the Lua modules and the C routine as a shared library.

Both have to be files with a path, which they are in a wheel and in the source tree; a zipped package would not do.
"""

from pathlib import Path

import serin.dataplane.nginx
import serin.native
from serin.errors import SerinError

ENTRY = "serin.lua"
LIBRARY = "libserin.so"
PRELOAD = "libserin_preload.so"


def lua_folder() -> Path:
    """What lua_package_path has to name, with `/?.lua` behind it. SerinError when the installation lacks it."""
    return _there(Path(serin.dataplane.nginx.__path__[0]) / "lua", ENTRY)


def library() -> Path:
    """libserin.so, which the Lua modules load through LuaJIT's FFI. SerinError when it was not built."""
    return _there(Path(serin.native.__path__[0]), LIBRARY) / LIBRARY


def preload() -> Path:
    """What LD_PRELOAD names for nginx with Lua (csrc/preload). SerinError when it was not built."""
    return _there(Path(serin.native.__path__[0]), PRELOAD) / PRELOAD


def _there(folder: Path, file: str) -> Path:
    if not (folder / file).is_file():
        raise SerinError(f"this installation lacks {folder / file}; install it again")
    return folder
