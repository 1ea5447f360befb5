"""LuaJIT in the test's own process, for the Lua modules that need no request: values go in and come out as Python's.

nginx's own library is loaded by ctypes; `ngx` is a table that the test fills.
"""

import ctypes
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from serin.native import _ffi

MODULES = pathlib.Path(__file__).parents[2] / "operator/serin/dataplane/nginx/lua"
LIBRARY = pathlib.Path(_ffi.__file__).with_name("libserin.so")

_NIL, _BOOLEAN, _NUMBER, _STRING, _TABLE = 0, 1, 3, 4, 5
_GLOBALS = -10002


class LuaError(Exception):
    """What a Lua function raised."""


def _find_library() -> str:
    root = pathlib.Path(os.environ.get("SERIN_NGINX", "/"))
    return next((str(path) for path in root.glob("usr/lib/*/libluajit-5.1.so.2")), "libluajit-5.1.so.2")


class LuaState:
    """One Lua state. Bytes and str become strings, ints and floats numbers, sequences and mappings tables."""

    def __init__(self) -> None:
        lua = self._lua = ctypes.CDLL(_find_library())
        lua.luaL_newstate.restype = ctypes.c_void_p
        lua.lua_tolstring.restype = ctypes.c_void_p
        lua.lua_tonumber.restype = ctypes.c_double
        lua.lua_objlen.restype = ctypes.c_size_t
        lua.lua_pushnumber.argtypes = (ctypes.c_void_p, ctypes.c_double)
        lua.lua_pushlstring.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
        self._state = ctypes.c_void_p(lua.luaL_newstate())
        lua.luaL_openlibs(self._state)
        self.run(f"package.path = '{MODULES}/?.lua;' .. package.path")

    def run(self, text: str, *arguments: Any) -> tuple[Any, ...]:
        """Run a chunk; its arguments are `...`, its results are given back."""
        source = text.encode("utf-8", "surrogateescape")
        if self._lua.luaL_loadbuffer(self._state, source, ctypes.c_size_t(len(source)), b"=test"):
            raise LuaError(self._pop_error())
        return self._call(arguments)

    def call(self, name: str, *arguments: Any) -> tuple[Any, ...]:
        """Call a global function."""
        self._lua.lua_getfield(self._state, _GLOBALS, name.encode())
        return self._call(arguments)

    def _call(self, arguments: Sequence[Any]) -> tuple[Any, ...]:
        lua, state = self._lua, self._state
        before = lua.lua_gettop(state) - 1
        for argument in arguments:
            self._push(argument)
        if lua.lua_pcall(state, len(arguments), -1, 0):
            raise LuaError(self._pop_error())
        results = tuple(self._value(i) for i in range(before + 1, lua.lua_gettop(state) + 1))
        lua.lua_settop(state, before)
        return results

    def _pop_error(self) -> str:
        found = self._value(-1)
        self._lua.lua_settop(self._state, -2)
        return found.decode(errors="replace") if isinstance(found, bytes) else str(found)

    def _push(self, value: Any) -> None:
        lua, state = self._lua, self._state
        if value is None:
            lua.lua_pushnil(state)
        elif isinstance(value, bool):
            lua.lua_pushboolean(state, int(value))
        elif isinstance(value, int | float):
            lua.lua_pushnumber(state, value)
        elif isinstance(value, bytes | str):
            data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
            lua.lua_pushlstring(state, data, len(data))
        else:
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value, 1)
            lua.lua_createtable(state, 0, 0)
            for key, item in pairs:
                self._push(key)
                self._push(item)
                lua.lua_settable(state, -3)

    def _value(self, at: int) -> Any:
        lua, state = self._lua, self._state
        kind = lua.lua_type(state, at)
        if kind == _NIL:
            return None
        if kind == _BOOLEAN:
            return bool(lua.lua_toboolean(state, at))
        if kind == _NUMBER:
            number = lua.lua_tonumber(state, at)
            return int(number) if number.is_integer() else number
        if kind == _STRING:
            length = ctypes.c_size_t()
            return ctypes.string_at(lua.lua_tolstring(state, at, ctypes.byref(length)), length.value)
        if kind == _TABLE:
            return self._array(at)
        return object()

    def _array(self, at: int) -> list[Any]:
        lua, state = self._lua, self._state
        lua.lua_pushvalue(state, at)
        found = []
        for i in range(1, lua.lua_objlen(state, -1) + 1):
            lua.lua_rawgeti(state, -1, i)
            found.append(self._value(-1))
            lua.lua_settop(state, -2)
        lua.lua_settop(state, -2)
        return found


PRELUDE = """
local library = ...
local ffi = require "ffi"
ffi.cdef [[
typedef struct srn_pattern srn_pattern;
srn_pattern *srn_pattern_new(const char *text, size_t len, uint32_t flags, char *err, size_t err_len);
void srn_pattern_free(srn_pattern *p);
int srn_pattern_search(srn_pattern *p, const uint8_t *subject, size_t len, int32_t *spans, uint32_t max_spans);
]]
ngx = {config = {nginx_version = 1025000}, var = {}, header = {}}
package.preload["serin.routine"] = function() return {C = ffi.load(library)} end
"""
"""`ngx` of a version that joins repeated headers, and of the routine the patterns alone."""


def state_with_patterns() -> LuaState:
    lua = LuaState()
    lua.run(PRELUDE, str(LIBRARY))
    return lua
