"""The detectors' memory on disk, so that a restart goes on where the last snapshot stood.

Two files in one folder. `series.bin` holds the labels, in blocks (`label_block`), and grows as long as no series is
forgotten; `state.bin` holds the numbers and is replaced as a whole: written beside the old one, flushed, renamed. Once
series were forgotten, the labels are written anew under another name, and `state.bin` says which name counts.

Rows are packed without their zeros (`sparse_rows`), straight from where they stand, and ingest is held up for HOLD_S at
a time only, so a snapshot mixes moments a few seconds apart. That is right: a score depends on its own row alone, and
each row is of one moment. The clock of the stream (`newest_ms`) is of the moment before the first row: no row looks
silent for time that passed while others were packed. A row that was given to another series meanwhile is saved as never
seen. Labels, rows, the file and the disk are each at work in a thread of their own: the slowest, mostly the disk, says
how long it takes. A block has its length, its checksum and the number of its series before it.
"""

import gc
import json
import os
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aiops.detection import state as S
from aiops.detection.sparse_rows import pack, packed_halves_max, unpack
from aiops.detection.state import State
from aiops.errors import SnapshotError
from aiops.metrics.label_block import decode_block, encode_block
from aiops.metrics.series import Labels, SeriesTable

HOLD_S = 0.010  # rows are packed under the lock for so long at a time; a slow machine may take several times that
BLOCK_ROWS_FIRST, BLOCK_ROWS_MIN, BLOCK_ROWS_MAX = 1024, 256, 8192  # then as many as HOLD_S allows
HELD_LABELS = 131_072  # of so many series labels are noted under the lock at a time: a millisecond
LABEL_ROWS = 2048  # series in one block of labels: other Python waits for two milliseconds
MAGIC = "aiops-detector-state-halves"
LABELS_NAMES = ("series.bin", "series.2.bin")  # in turn
_BLOCK_HEAD = np.dtype([("size", "<u4"), ("checksum", "<u4"), ("rows", "<u4")])
RESTORE_THREADS = 2  # beside the one that reads labels


class Snapshots:
    """Saves and restores one engine's table and state in `folder`; one writer at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._labels_path, self._state_path = folder / LABELS_NAMES[0], folder / "state.bin"
        self._labels_written, self._labels_bytes = 0, 0  # that count: a file may be longer after a save that failed
        self._freed = 0  # rows in the table's life, when these labels were written

    def save(self, table: SeriesTable, state: State, newest_ms: int, lock: AbstractContextManager[object]) -> int:
        """Writes everything known now; returns the bytes written. Raises OSError where the disk refuses."""
        self._folder.mkdir(parents=True, exist_ok=True)
        _compile()
        with lock:
            count, given, freed = len(table), table.given, table.freed
        path, written, start = self._labels_path, self._labels_written, self._labels_bytes
        if freed != self._freed:
            path, written, start = self._other_labels_path(), 0, 0
        series: list[Labels] = []
        for first in range(written, count, HELD_LABELS):
            with lock:
                series += table.labels_of(first, min(first + HELD_LABELS, count), given)
        is_counter = table.is_counter[written:count].copy()
        draft = self._state_path.with_suffix(".draft")
        header = {"magic": MAGIC, "format": S.FORMAT, "series": count, "newest_ms": newest_ms, "labels": path.name}
        header |= {"head": S.HEAD_SIZE, "body": S.BODY_SIZE}
        with ThreadPoolExecutor(1, "labels") as thread:
            labels = thread.submit(_write_labels, path, start, series, is_counter)
            with draft.open("wb") as file:
                file.write(_header_line(header))
                _write_state(file, table, state, count, given, lock)
                os.fsync(file.fileno())
                size = file.tell()
            labels_bytes = labels.result()
        draft.replace(self._state_path)
        self._labels_path, self._labels_written, self._labels_bytes, self._freed = path, count, labels_bytes, freed
        self._other_labels_path().unlink(missing_ok=True)
        return size

    def _other_labels_path(self) -> Path:
        return self._folder / LABELS_NAMES[self._labels_path.name == LABELS_NAMES[0]]

    def restore(self, table: SeriesTable, state: State) -> int:
        """Fills an empty table and state; returns the newest sample time, 0 where there is no snapshot.

        Raises SnapshotError where the files are torn, of another format or too many for `series_max`; table and
        state may then be partly filled and must be thrown away.
        """
        _compile()
        if not self._state_path.exists():
            return 0
        with self._state_path.open("rb") as file:
            line = file.readline()
        header = _header(line)
        count = int(header["series"])
        if count > table.series_max:
            raise SnapshotError(f"{self._state_path} holds {count} series: raise series_max = {table.series_max}")
        self._labels_path = self._folder / LABELS_NAMES[header.get("labels") == LABELS_NAMES[1]]
        with ThreadPoolExecutor(1) as thread, _no_collection():
            # reading numbers needs no Python lock, reading labels does
            numbers = thread.submit(self._restore_state, len(line), state, count)
            self._restore_labels(table, count)
            numbers.result()
        return int(header["newest_ms"])

    def set_aside(self) -> None:
        """Moves a snapshot that cannot be restored out of the way, for a person to look at."""
        for path in (*(self._folder / name for name in LABELS_NAMES), self._state_path):
            if path.exists():
                path.replace(path.with_suffix(path.suffix + ".refused"))
        self._labels_path, self._labels_written, self._labels_bytes = self._folder / LABELS_NAMES[0], 0, 0

    def _restore_state(self, start: int, state: State, count: int) -> None:
        first = 0
        with ThreadPoolExecutor(RESTORE_THREADS) as pool:
            blocks = []
            for rows, data, _ in _blocks(self._state_path, start, count):
                blocks.append(pool.submit(_unpack, data, state, slice(first, first + rows)))
                first += rows
            for number, block in enumerate(blocks):
                if not block.result():
                    raise SnapshotError(f"{self._state_path}: block {number} holds another number of series")

    def _restore_labels(self, table: SeriesTable, count: int) -> None:
        size, first = 0, 0
        for rows, data, size in _blocks(self._labels_path, 0, count, is_longer=True):
            try:
                series, is_counter = decode_block(data.tobytes())
            except ValueError as error:
                raise SnapshotError(f"{self._labels_path}: before byte {size}: {error}") from None
            if len(series) != rows or not table.extend(series, is_counter):
                raise SnapshotError(f"{self._labels_path}: a series is missing or twice there, from {first} on")
            first += rows
        with self._labels_path.open("r+b") as file:
            file.truncate(size)  # labels of a later snapshot that was never finished
        self._labels_written, self._labels_bytes, self._freed = count, size, table.freed


def _write_labels(path: Path, start: int, series: list[Labels], is_counter: NDArray[np.bool_]) -> int:
    """Puts these from byte `start` on, the end of the file then; returns where it ends."""
    with path.open("r+b" if start else "wb") as file:
        file.truncate(start)
        file.seek(start)
        for first in range(0, len(series), LABEL_ROWS):
            part = slice(first, first + LABEL_ROWS)
            _write_block(file, len(series[part]), encode_block(series[part], is_counter[part]))
        file.flush()
        os.fsync(file.fileno())
        return file.tell()


def _write_state(
    file: BinaryIO, table: SeriesTable, state: State, count: int, given: int, lock: AbstractContextManager[object]
) -> None:
    """Packs rows while those before are written and, beside that, come to the disk."""
    rooms = [_room(min(BLOCK_ROWS_MAX, count)) for _ in range(2)]
    first, rows = 0, BLOCK_ROWS_FIRST
    with ThreadPoolExecutor(1, "snapshot-file") as writer, ThreadPoolExecutor(1, "snapshot-disk") as flusher:
        written, flushed = Future[None](), Future[None]()
        written.set_result(None)
        flushed.set_result(None)
        while first < count:
            block = slice(first, min(first + rows, count))
            with lock:
                started = time.perf_counter()
                packed = _packed(state, block, table.born[block] >= given, rooms[0])
                held_s = time.perf_counter() - started
            written.result()
            written = writer.submit(_write_block, file, block.stop - first, packed)
            if flushed.done():
                flushed.result()
                flushed = flusher.submit(os.fsync, file.fileno())
            rooms.reverse()
            first, rows = block.stop, int(min(max(rows * HOLD_S / held_s, BLOCK_ROWS_MIN), BLOCK_ROWS_MAX))
            time.sleep(held_s)  # locks are not fair: else this thread might have it again before one that waits
        written.result()
        flushed.result()
        file.flush()


def _write_block(file: BinaryIO, rows: int, data: bytes | memoryview) -> None:
    head = np.array((len(data), zlib.crc32(data, rows), rows), _BLOCK_HEAD)
    file.write(head.tobytes())
    file.write(data)


def _blocks(path: Path, at: int, count: int, is_longer: bool = False) -> Iterator[tuple[int, NDArray[np.uint8], int]]:
    """(series, data, where it ends) of each block from byte `at` on, until there are so many series. Raises
    SnapshotError where a block is damaged or the end is not the end of the file, unless that may be longer."""
    content = np.memmap(path, np.uint8, "r") if path.exists() and path.stat().st_size else np.empty(0, np.uint8)
    data = np.asarray(content)
    while count > 0:
        if at + _BLOCK_HEAD.itemsize > len(data):
            raise SnapshotError(f"{path} ends before its last {count} series")
        head = data[at : at + _BLOCK_HEAD.itemsize].view(_BLOCK_HEAD)[0]
        size, rows = int(head["size"]), int(head["rows"])
        start = at + _BLOCK_HEAD.itemsize
        part = data[start : start + size]
        at, count = start + size, count - rows
        if not rows or count < 0 or zlib.crc32(part, rows) != head["checksum"]:  # type: ignore[arg-type]
            raise SnapshotError(f"{path}: the checksum of the block at byte {start} does not match")
        yield rows, part, at
    if at != len(data) and not is_longer:
        raise SnapshotError(f"{path} is longer than its series ask for")


def _words_of(state: State, rows: slice) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Head and body of these rows as uint32 (rows, words)."""
    return state.head[rows].view(np.uint32), state.body[rows].view(np.uint32)


def _room(rows: int) -> NDArray[np.uint16]:
    """Memory for so many packed rows, touched once: the operating system hands it out before the lock is taken."""
    return np.full(sum(packed_halves_max(rows, width) for width in (2 * S.HEAD_SIZE, S.BODY_SIZE)), 1, np.uint16)


def _packed(state: State, rows: slice, is_later: NDArray[np.bool_], room: NDArray[np.uint16]) -> memoryview:
    """Head and body of these rows in `room`; of later series nothing: their labels are not in this snapshot."""
    at = 0
    for words in _words_of(state, rows):
        at = pack(words, is_later, room, at)
    return memoryview(room[:at]).cast("B")  # type: ignore[arg-type]


def _unpack(data: NDArray[np.uint8], state: State, rows: slice) -> bool:
    """Puts what `_packed` made back into these rows; whether it is of so many."""
    if len(data) % 2:
        return False
    halves, at = data.view(np.uint16), 0
    for words in _words_of(state, rows):
        at = unpack(halves, at, words) if at >= 0 else at
    return at == len(halves)


def _compile() -> None:
    """So that nobody waits for it under the lock."""
    nothing = State.allocate(0)
    packed = _packed(nothing, slice(0, 0), np.zeros(0, np.bool_), _room(0))
    _unpack(np.frombuffer(packed, np.uint8), nothing, slice(0, 0))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Millions of labels are made at once and none dies: looking through them for garbage would take half the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def save_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Named arrays as one file, replaced as a whole. Raises OSError."""
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def load_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """What `save_arrays` kept; nothing where there is no file. Raises SnapshotError where it cannot be read."""
    if not path.exists():
        return {}
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise SnapshotError(f"{path} cannot be read: {error}") from None


def _header_line(header: Mapping[str, Any]) -> bytes:
    """With blanks to a multiple of eight bytes: what follows are whole words."""
    text = json.dumps(header).encode()
    return text + b" " * (-(len(text) + 1) % 8) + b"\n"


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except ValueError:
        raise SnapshotError("the snapshot's first line is not JSON") from None
    expected = {"magic": MAGIC, "format": S.FORMAT, "head": S.HEAD_SIZE, "body": S.BODY_SIZE}
    if not isinstance(header, dict) or any(header.get(key) != value for key, value in expected.items()):
        raise SnapshotError(f"the snapshot is of another format: {header!r}, this program writes {expected}")
    return dict(header)
