"""Builds the C routine twice: the cffi module, and libserin.so for LuaJIT. Everything else is in pyproject.toml.

setuptools reads cffi_modules only from here. Both are made by one build_ext step, for wheels, editable installs and
in place.
"""

from pathlib import Path

from setuptools import find_namespace_packages, setup
from setuptools.command.build_ext import build_ext

SOURCES = sorted(str(p) for p in Path("csrc").glob("*.c"))
FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-fPIC", "-fvisibility=hidden"]
ASSETS = ["serin._assets.templates", "serin._assets.crds"]
MODULE = "serin.native._ffi"
LIBRARY = "libserin.so"
LUA = {"serin.dataplane.nginx": ["lua/*.lua", "lua/**/*.lua"]}
"""What nginx opens by its path."""


class BuildRoutine(build_ext):
    """build_ext that leaves libserin.so beside the cffi module."""

    def library_path(self) -> Path:
        return Path(self.build_lib, *MODULE.split(".")[:-1], LIBRARY)

    def build_extensions(self) -> None:
        super().build_extensions()
        objects = self.compiler.compile(
            SOURCES, output_dir=f"{self.build_temp}/libserin", include_dirs=["csrc"], extra_postargs=FLAGS
        )
        self.compiler.link_shared_object(objects, str(self.library_path()), libraries=["dl", "pthread"])

    def copy_extensions_to_source(self) -> None:
        """In place and in editable installs the package is used from the source tree."""
        super().copy_extensions_to_source()
        self.copy_file(str(self.library_path()), str(Path(self.get_ext_fullpath(MODULE)).with_name(LIBRARY)))

    def get_outputs(self) -> list[str]:
        return [*super().get_outputs(), str(self.library_path())]


setup(
    packages=[*find_namespace_packages("operator", include=["serin", "serin.*"]), *ASSETS],
    package_data={name: ["*", "**/*"] for name in ASSETS} | LUA,
    cffi_modules=["csrc/ffi_build.py:ffi"],
    cmdclass={"build_ext": BuildRoutine},
)
