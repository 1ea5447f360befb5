"""Builds the C routine; everything else is in pyproject.toml.

setuptools reads cffi_modules only from here.
"""

from setuptools import setup

setup(cffi_modules=["csrc/ffi_build.py:ffi"])
