"""Builds the C routine twice, as the cffi module and as libserin.so for LuaJIT, and what nginx is started with before
its own libraries (csrc/preload). Everything else is in pyproject.toml.

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
LIBRARIES = {"libserin.so": SOURCES, "libserin_preload.so": sorted(str(p) for p in Path("csrc/preload").glob("*.c"))}
LUA = {"serin.dataplane.nginx": ["lua/*.lua", "lua/**/*.lua"]}
"""What nginx opens by its path."""


class BuildRoutine(build_ext):
    """build_ext that leaves the shared libraries beside the cffi module."""

    def library_path(self, name: str) -> Path:
        return Path(self.build_lib, *MODULE.split(".")[:-1], name)

    def build_extensions(self) -> None:
        super().build_extensions()
        for name, sources in LIBRARIES.items():
            objects = self.compiler.compile(
                sources, output_dir=f"{self.build_temp}/{name}", include_dirs=["csrc"], extra_postargs=FLAGS
            )
            self.compiler.link_shared_object(objects, str(self.library_path(name)), libraries=["dl", "pthread"])

    def copy_extensions_to_source(self) -> None:
        """In place and in editable installs the package is used from the source tree."""
        super().copy_extensions_to_source()
        for name in LIBRARIES:
            self.copy_file(str(self.library_path(name)), str(Path(self.get_ext_fullpath(MODULE)).with_name(name)))

    def get_outputs(self) -> list[str]:
        return [*super().get_outputs(), *(str(self.library_path(name)) for name in LIBRARIES)]


setup(
    packages=[*find_namespace_packages("operator", include=["serin", "serin.*"]), *ASSETS],
    package_data={name: ["*", "**/*"] for name in ASSETS} | LUA,
    cffi_modules=["csrc/ffi_build.py:ffi"],
    cmdclass={"build_ext": BuildRoutine},
)
