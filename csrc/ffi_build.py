"""cffi description of the C routine (API mode): what Python sees is csrc/serin.h itself, so there is one source.

Built by setup.py as `serin.native._ffi`; the C files are compiled into that module.
"""

import re
from pathlib import Path

from cffi import FFI

HEADER = Path("csrc/serin.h")
SOURCES = sorted(str(p) for p in Path("csrc").glob("*.c"))
CFLAGS = ["-std=c11", "-O2", "-Wall", "-Wextra", "-fvisibility=hidden"]


def declarations(header: str) -> str:
    """The header as cffi reads it: constants kept, every other preprocessor line and the comments gone."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    lines: list[str] = []
    for line in text.splitlines():
        constant = re.match(r"#define (SRN_\w+)\s+\(?(-?\d+)u?\)?\s*$", line)
        if constant:
            lines.append(f"#define {constant[1]} {constant[2]}")
        elif re.match(r"#define SRN_\w+\s+\S", line):
            lines.append(f"#define {line.split()[1]} ...")
        elif not line.startswith("#"):
            lines.append(line)
    return "\n".join(lines)


ffi = FFI()
ffi.cdef(declarations(HEADER.read_text()))
ffi.set_source(
    "serin.native._ffi",
    '#include "serin.h"',
    sources=SOURCES,
    include_dirs=["csrc"],
    depends=sorted(str(p) for p in Path("csrc").glob("*.h")),
    extra_compile_args=CFLAGS,
    libraries=["dl", "pthread"],
)
