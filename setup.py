"""Builds the C routine twice: the cffi module, and libserin.so for LuaJIT. Everything else is in pyproject.toml.

setuptools reads cffi_modules only from here. Both are made by one build_ext step, for wheels, editable installs and in place.
"""

import glob
import os

from setuptools import find_namespace_packages, setup
from setuptools.command.build_ext import build_ext

SOURCES = sorted(glob.glob("csrc/*.c"))
FLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-fPIC", "-fvisibility=hidden"]


class BuildRoutine(build_ext):
    """build_ext that leaves libserin.so beside the cffi module."""

    def library_path(self) -> str:
        return os.path.join(os.path.dirname(self.get_ext_fullpath("serin.native._ffi")), "libserin.so")

    def copy_extensions_to_source(self) -> None:
        super().copy_extensions_to_source()
        inplace, self.inplace = self.inplace, 0
        built = self.library_path()
        self.inplace = inplace
        target = os.path.join(self.get_finalized_command("build_py").get_package_dir("serin.native"), "libserin.so")
        self.copy_file(built, target)

    def build_extensions(self) -> None:
        super().build_extensions()
        objects = self.compiler.compile(
            SOURCES, output_dir=os.path.join(self.build_temp, "libserin"), include_dirs=["csrc"], extra_postargs=FLAGS
        )
        self.compiler.link_shared_object(objects, self.library_path(), libraries=["dl", "pthread"])

    def get_outputs(self) -> list[str]:
        return [*super().get_outputs(), self.library_path()]


ASSETS = ["serin._assets.templates", "serin._assets.crds"]

setup(
    packages=[*find_namespace_packages("operator", include=["serin", "serin.*"]), *ASSETS],
    package_data={name: ["*", "**/*"] for name in ASSETS},
    cffi_modules=["csrc/ffi_build.py:ffi"],
    cmdclass={"build_ext": BuildRoutine},
)
