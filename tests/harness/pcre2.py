"""PCRE2 without any bound on its work, as nginx runs it: what a search takes in CPU time and in steps."""

import ctypes
import time
from typing import Any

_CASELESS = 0x00000008
_AUTO_CALLOUT = 0x00000004


class NoLibraryError(Exception):
    """This machine has no libpcre2-8."""


def _library() -> Any:
    try:
        library = ctypes.CDLL("libpcre2-8.so.0")
    except OSError as e:
        raise NoLibraryError from e
    library.pcre2_compile_8.restype = ctypes.c_void_p
    library.pcre2_match_data_create_from_pattern_8.restype = ctypes.c_void_p
    library.pcre2_match_context_create_8.restype = ctypes.c_void_p
    return library


class CompileError(Exception):
    """PCRE2 does not take the pattern."""


class Search:
    """A compiled pattern. `counted`: with a callout before each item, which makes it slower and counts steps."""

    def __init__(self, pattern: str, *, ignore_case: bool = False, counted: bool = False) -> None:
        self._library = library = _library()
        data = pattern.encode()
        code, at = ctypes.c_int(), ctypes.c_size_t()
        options = (_CASELESS if ignore_case else 0) | (_AUTO_CALLOUT if counted else 0)
        self._code = ctypes.c_void_p(
            library.pcre2_compile_8(
                data, ctypes.c_size_t(len(data)), ctypes.c_uint32(options), ctypes.byref(code), ctypes.byref(at), None
            )
        )
        if not self._code:
            raise CompileError(pattern)
        self._data = ctypes.c_void_p(library.pcre2_match_data_create_from_pattern_8(self._code, None))
        self._context = ctypes.c_void_p(library.pcre2_match_context_create_8(None))
        for limit in ("match", "depth", "heap"):
            getattr(library, f"pcre2_set_{limit}_limit_8")(self._context, ctypes.c_uint32(2**32 - 1))
        self.steps = 0
        if counted:
            self._callout = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(self._step)
            library.pcre2_set_callout_8(self._context, self._callout, None)

    def _step(self, block: object, data: object) -> int:
        self.steps += 1
        return 0

    def run(self, subject: bytes) -> bool:
        """Whether it matches."""
        found = self._library.pcre2_match_8(
            self._code,
            subject,
            ctypes.c_size_t(len(subject)),
            ctypes.c_size_t(0),
            ctypes.c_uint32(0),
            self._data,
            self._context,
        )
        assert found >= -1, f"PCRE2 error {found}"
        return bool(found > 0)

    def cpu_seconds(self, subject: bytes) -> float:
        """The best of three."""
        best = float("inf")
        for _ in range(3):
            started = time.thread_time()
            self.run(subject)
            best = min(best, time.thread_time() - started)
        return best

    def close(self) -> None:
        self._library.pcre2_match_context_free_8(self._context)
        self._library.pcre2_match_data_free_8(self._data)
        self._library.pcre2_code_free_8(self._code)
