"""A data plane process's side of the shared memory: decisions, counted until they are done.

One Worker to a process and thread. Knows ids, versions and addresses; why a version is forced or excluded is the
caller's business.
"""

import os
from pathlib import Path
from typing import Any

from serin.errors import RunDirectoryError
from serin.native._ffi import ffi, lib
from serin.native.hashing import shape_of
from serin.native.layout import METHODS, unpack_address

NO_ENDPOINT: int = lib.SRN_NO_ENDPOINT
STALE: int = lib.SRN_STALE
GONE: int = lib.SRN_GONE
CORRUPT: int = lib.SRN_CORRUPT
MOVED: int = lib.SRN_MOVED

BY_DEFAULT: int = lib.SRN_BY_DEFAULT
BY_CALLER: int = lib.SRN_BY_CALLER
BY_WEIGHT: int = lib.SRN_BY_WEIGHT

KEYED: int = lib.SRN_KEYED
STICKY: int = lib.SRN_STICKY
VERSION_ONLY: int = lib.SRN_VERSION_ONLY
EXACT: int = lib.SRN_EXACT
DECIDED: int = lib.SRN_DECIDED
DRAWN: int = lib.SRN_DRAWN

_WAS_DRAWN: int = lib.SRN_WAS_DRAWN
_IN_TRIAL: int = lib.SRN_IN_TRIAL

_MAX_ADDRESSES = 1 << 16

_NOW = 0
"""The routine reads the clock itself: cheaper than a Python integer of it."""

_new_choice = ffi.new_allocator(should_clear_after_alloc=False)
_decide_plain = lib.srn_decide_plain
_decide_at = lib.srn_decide_at
_decide_keyed = lib.srn_decide_keyed
_done = lib.srn_done
_tell = lib.srn_tell
_over = lib.srn_over
NO_RESPONSE = 0xFFFFFFFFFFFFFFFF
_METHODS = {name: number for number, name in enumerate(METHODS)}


def method_number(method: str) -> int:
    """What details have for a method; 0 for one that nginx has no bit for."""
    return _METHODS.get(method, 0)


class AttachError(RunDirectoryError):
    """A file of the run directory is missing or does not check; the text says which."""


class Worker:
    """The mapped files and this process's row in them."""

    def __init__(self, pointer: Any) -> None:
        self.pointer = pointer
        self.free: list[Any] = []
        self.texts: dict[int, tuple[str, int]] = {}

    @classmethod
    def attach(cls, run_dir: Path, index: int, *, seed: int | None = None) -> "Worker":
        """Map RUN_DIR's files as the worker of row `index`. AttachError when one is not there (yet)."""
        error = ffi.new("char[512]")
        seed = int.from_bytes(os.urandom(8), "little") if seed is None else seed
        pointer = lib.srn_attach(os.fsencode(run_dir), index, seed, error, len(error))
        if pointer == ffi.NULL:
            raise AttachError(ffi.string(error).decode(errors="replace"))
        return cls(pointer)

    def split(self, split_id: str, shape: tuple[str, ...]) -> "SplitHandle":
        """For the requests of a route: `shape` is its versions' idents in order, as the plan has them."""
        return SplitHandle(self, int(split_id, 16), tuple(int(i, 16) for i in shape))

    def refresh(self) -> None:
        """Call about once a second, busy or idle: shows that no block is held, follows a replaced pools.bin."""
        lib.srn_remap(self.pointer, ffi.NULL, 0)
        lib.srn_quiet(self.pointer)

    def count(self, status: int) -> None:
        """An answer that no split had a part in."""
        lib.srn_count(self.pointer, status)

    def tell(
        self,
        choice: "Choice",
        status: int,
        method: int,
        received: int,
        sent: int,
        request_us: int,
        response_us: int,
        connect_us: int = NO_RESPONSE,
        header_us: int = NO_RESPONSE,
    ) -> None:
        """What the client got of a choice that was `done`, once; for exact counts.

        `method` as method_number says; bytes with heads; the last three times are those of the attempt that was last,
        NO_RESPONSE when no endpoint answered or was connected to.
        """
        struct = choice.told
        if struct is not None:
            choice.told = None
            _tell(self.pointer, struct, status, method, received, sent, request_us, response_us, connect_us, header_us)
            if choice.is_done:
                self.free.append(struct)

    def close(self) -> None:
        lib.srn_detach(self.pointer)
        self.pointer = ffi.NULL


class Choice:
    """A version and, unless only that was asked for, an endpoint that counts as busy until `done`.

    `version` is an index in the shape given to Worker.split; `reason` is BY_*; `exact`: EXACT was met.
    """

    __slots__ = ("_struct", "_worker", "address", "endpoint", "port", "reason", "told", "version")

    def __init__(self, worker: Worker, struct: Any, version: int) -> None:
        self._worker = worker
        self._struct = self.told = struct
        self.version = version
        self.reason: int = struct.reason
        self.endpoint: int = struct.endpoint
        known = worker.texts.get(self.endpoint)
        self.address, self.port = known if known is not None else self._learn()

    def _learn(self) -> tuple[str, int]:
        """Text of an endpoint's address, seen for the first time."""
        struct, texts = self._struct, self._worker.texts
        if not struct.endpoint:
            return "", 0
        if len(texts) >= _MAX_ADDRESSES:
            texts.clear()
        text = unpack_address(struct.family, bytes(ffi.buffer(struct.address, 16)))
        texts[struct.endpoint] = (text, struct.port)
        return text, struct.port

    def follow(self) -> int:
        """Flags for the call that finds the endpoint of a version chosen by VERSION_ONLY: it stays that choice."""
        return DECIDED | DRAWN if self._struct.marks & _WAS_DRAWN else DECIDED

    @property
    def exact(self) -> bool:
        return bool(self._struct.exact)

    @property
    def tried(self) -> int:
        """Attempts that have failed."""
        return int(self._struct.tried_count)

    def retry(self) -> "Choice | None":
        """The attempt failed: the same choice with another endpoint of its version, or None when there is none left.

        Either way `done` is still due.
        """
        struct, worker = self._struct, self._worker
        if lib.srn_retry(worker.pointer, 0, 0, _NOW, struct):
            return None
        self.endpoint = struct.endpoint
        self.address, self.port = worker.texts.get(self.endpoint) or self._learn()
        return self

    def done(self, status: int, *, failed: bool = False) -> None:
        """The exchange is over. `status` 0: no answer; `failed` counts against the endpoint. Once; again is nothing."""
        struct = self._struct
        if struct is not None:
            self._struct = None
            _done(self._worker.pointer, struct, status, failed, _NOW)

    def excuse(self) -> None:
        """What ends this request is not its version's doing (our own 413): no trial counts it."""
        if self._struct is not None:
            self._struct.marks &= ~_IN_TRIAL

    def over(
        self,
        status: int,
        method: str,
        received: int,
        sent: int,
        request_time: float,
        response_time: float,
        connect_time: float,
        header_time: float,
    ) -> bool:
        """`done` and Worker.tell at once, for an answer that came to its end. True the first time.

        Times in seconds; of the last three below 0: nobody answered.
        """
        struct = self._struct
        if struct is None:
            return False
        self._struct = self.told = None
        worker = self._worker
        number = _METHODS.get(method, 0)
        _over(
            worker.pointer,
            struct,
            status,
            number,
            received,
            sent,
            request_time,
            response_time,
            connect_time,
            header_time,
        )
        worker.free.append(struct)
        return True

    @property
    def is_done(self) -> bool:
        return self._struct is None


class SplitHandle:
    """A split as one route of the plan knows it. Follows new weights and endpoints by itself.

    `ref` is the routine's srn_ref.
    """

    __slots__ = ("_excluded", "_from_block", "_idents", "_to_block", "_worker", "ref")

    def __init__(self, worker: Worker, split_id: int, idents: tuple[int, ...]) -> None:
        self._worker = worker
        self._idents = idents
        self.ref = ffi.new("srn_ref *")
        self.ref.worker = worker.pointer
        self.ref.split = split_id
        self.ref.shape = shape_of(idents)
        self.ref.slot = lib.srn_find_split(worker.pointer, split_id)
        self._to_block: list[int] | None = None
        self._from_block: list[int] = []
        self._excluded = 0

    def tell_own(self, status: int, method: int, received: int, sent: int, request_us: int) -> None:
        """An answer of our own to a request of this split's route: as Worker.tell, counted for main."""
        lib.srn_tell_own(self.ref, status, method, received, sent, request_us)

    def decide(
        self, forced: int = -1, excluded: int = 0, key: int = 0, flags: int = 0, user: int = 0
    ) -> "Choice | int":
        """Version and endpoint of a request; NO_ENDPOINT, STALE, GONE or CORRUPT when there is none.

        `forced`: index of the version or -1; `excluded`: a bit for each version that is out; `key` 64 bits; `user`:
        hash64 of who a split with salts asks for, 0 for nobody (a hash of 0 is to be given as 1).
        """
        worker = self._worker
        struct = worker.free.pop() if worker.free else _new_choice("srn_choice *")
        if self._to_block is None:
            if user:
                result = _decide_keyed(self.ref, forced, excluded, user, key, flags, _NOW, struct)
            elif forced < 0 and not excluded and not flags:
                result = _decide_plain(self.ref, struct)
            else:
                result = _decide_at(self.ref, forced, excluded, key, flags, struct)
            if result == 0:
                return Choice(worker, struct, struct.version)
        return self._decide_again(struct, forced, excluded, key, flags, user)

    def _decide_again(self, struct: Any, forced: int, excluded: int, key: int, flags: int, user: int) -> "Choice | int":
        """The first try failed, or the block's versions are not the plan's: find the split, map its versions."""
        worker, result = self._worker, STALE
        for _ in range(4):
            result = self._decide_mapped(struct, forced, excluded, key, flags, user)
            if result == 0:
                version = struct.version if self._to_block is None else self._from_block[struct.version]
                return Choice(worker, struct, version)
            if result == MOVED:
                lib.srn_remap(worker.pointer, ffi.NULL, 0)
            if result in (MOVED, GONE):
                slot = lib.srn_find_split(worker.pointer, self.ref.split)
                if slot == self.ref.slot and result == GONE:
                    break
                self.ref.slot = slot
            elif result != STALE or not self._map():
                break
        worker.free.append(struct)
        return result

    def _decide_mapped(self, struct: Any, forced: int, excluded: int, key: int, flags: int, user: int) -> int:
        if self._to_block is not None:
            if forced >= 0:
                forced = self._to_block[forced]
                if forced < 0:
                    return NO_ENDPOINT
            mapped = self._excluded
            for version, at in enumerate(self._to_block):
                if at >= 0 and excluded >> version & 1:
                    mapped |= 1 << at
            excluded = mapped
        return int(_decide_keyed(self.ref, forced, excluded, user, key, flags, _NOW, struct))

    def _map(self) -> bool:
        """Learn the block's versions. Those that the plan does not know are left out until it does."""
        idents, shape = ffi.new("uint64_t[]", lib.SRN_MAX_VERSIONS), ffi.new("uint32_t *")
        ref = self.ref
        count = lib.srn_versions(ref.worker, ref.slot, ref.split, idents, shape)
        if count <= 0:
            return False
        block = [idents[i] for i in range(count)]
        ref.shape = shape[0]
        self._from_block = [self._idents.index(i) if i in self._idents else -1 for i in block]
        if tuple(block) == self._idents:
            self._to_block = None
            return True
        self._to_block = [block.index(i) if i in block else -1 for i in self._idents]
        self._excluded = sum(1 << at for at, version in enumerate(self._from_block) if version < 0)
        return True
