"""libserin.so: the same routine for LuaJIT, beside the cffi module, with nothing of Python in it."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

import serin.native
from serin.native import _ffi

LIBRARY = Path(_ffi.__file__).with_name("libserin.so")


def test_it_lies_beside_the_module_and_loads() -> None:
    library = ctypes.CDLL(str(LIBRARY))
    library.srn_hash.restype = ctypes.c_uint64
    assert library.srn_abi() == _ffi.lib.srn_abi()
    assert library.srn_hash(b"abc", ctypes.c_size_t(3)) == _ffi.lib.srn_hash(b"abc", 3)
    assert LIBRARY.parent == Path(serin.native.__file__).parent


def symbols(*flags: str) -> list[str]:
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("nm (binutils) is not on this machine")
    text = subprocess.run([nm, "-D", *flags, str(LIBRARY)], check=True, capture_output=True, text=True).stdout
    return [line.split()[-1] for line in text.splitlines()]


def test_no_python_in_it() -> None:
    assert not [s for s in symbols("--undefined-only") if s.startswith(("Py", "_Py"))]


def test_it_gives_out_its_own_functions_alone() -> None:
    exported = {s for s in symbols("--defined-only") if not s.startswith("_")}
    declared = {name for name in dir(_ffi.lib) if name.startswith("srn_")}
    assert exported == declared
