"""The detectors' memory on disk, so that a restart goes on where the last snapshot stood.

Two files in one folder. `series.jsonl` holds the labels, one line per row, and grows as long as no series is forgotten;
`state.bin` holds the numbers and is replaced as a whole: written beside the old one, flushed, renamed. Once series were
forgotten, the lines are written anew under another name, and `state.bin` says which name counts.

Rows are packed in small blocks, and ingest is held up for a block at a time only, so a snapshot mixes moments a few
seconds apart. That is right: a score depends on its own row alone, and each row is of one moment. The clock of the
stream (`newest_ms`) is of the moment before the first row: no row looks silent for time that passed while others were
packed. A row that was given to another series meanwhile is saved as never seen. Rows are mostly zeros at first and
are packed without them (`sparse_rows`), straight from where they stand. A block has its length and checksum before it.
"""

import gc
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from aiops.detection import state as S
from aiops.detection.sparse_rows import pack, packed_words_max, unpack
from aiops.detection.state import State
from aiops.errors import SnapshotError
from aiops.metrics.series import Labels, SeriesTable

BLOCK_ROWS = 1024  # about 4 MB: a millisecond or two under the lock
LABEL_ROWS = 4096  # labels fetched under the lock at a time
MAGIC = "aiops-detector-state-sparse"
LABELS_NAMES = ("series.jsonl", "series.2.jsonl")  # in turn; with a state file that names none, the first counts
_BLOCK_HEAD_BYTES = 8  # before each packed block: its length and checksum
RESTORE_THREADS = 2  # beside the one that reads labels


class _Line(msgspec.Struct, gc=False):
    """One line of series.jsonl; a free row has no labels."""

    labels: Labels
    counter: bool


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
        with lock:
            count, given, freed = len(table), table.given, table.freed
        path, written, size = self._labels_path, self._labels_written, self._labels_bytes
        if freed != self._freed:
            path, written, size = self._other_labels_path(), 0, 0
        _compile()
        encode_lines = msgspec.json.Encoder().encode_lines
        with path.open("r+b" if written else "wb") as file:
            file.truncate(size)
            file.seek(size)
            for start in range(written, count, LABEL_ROWS):
                rows = range(start, min(start + LABEL_ROWS, count))
                with lock:
                    fresh = [
                        _Line(table.labels(row) if table.born[row] < given else (), bool(table.is_counter[row]))
                        for row in rows
                    ]
                file.write(encode_lines(fresh))
            file.flush()
            os.fsync(file.fileno())
            labels_bytes = file.tell()
        draft = self._state_path.with_suffix(".draft")
        header = {"magic": MAGIC, "format": S.FORMAT, "series": count, "newest_ms": newest_ms, "labels": path.name}
        header |= {"head": S.HEAD_SIZE, "body": S.BODY_SIZE}
        with draft.open("wb") as file:
            file.write(_header_line(header))
            room = _room(min(BLOCK_ROWS, count))
            for start in range(0, count, BLOCK_ROWS):
                block = slice(start, min(start + BLOCK_ROWS, count))
                with lock:
                    packed = _packed(state, block, table.born[block] >= given, room)
                file.write(len(packed).to_bytes(4, "little") + zlib.crc32(packed).to_bytes(4, "little"))
                file.write(packed)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
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
        data = np.asarray(np.memmap(self._state_path, np.uint8, "c"))
        at, blocks = start, []
        for first in range(0, count, BLOCK_ROWS):
            head = data[at : at + _BLOCK_HEAD_BYTES].tobytes()
            size, checksum = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:], "little")
            at += _BLOCK_HEAD_BYTES + size
            blocks.append((slice(first, min(first + BLOCK_ROWS, count)), at - size, size, checksum))
        if at != len(data):
            raise SnapshotError(f"{self._state_path} has another length than its {count} series ask for")
        with ThreadPoolExecutor(RESTORE_THREADS) as pool:
            list(pool.map(lambda block: self._restore_block(state, data, *block), blocks))

    def _restore_block(
        self, state: State, data: NDArray[np.uint8], rows: slice, at: int, size: int, checksum: int
    ) -> None:
        packed = data[at : at + size]
        if zlib.crc32(packed) != checksum:  # type: ignore[arg-type]
            raise SnapshotError(f"{self._state_path}: the checksum of the block at byte {at} does not match")
        words, place = packed.view(np.uint32), 0
        for part in _words_of(state, rows):
            place = unpack(words, place, part) if place >= 0 else place
        if place != len(words):
            raise SnapshotError(f"{self._state_path}: the block at byte {at} holds another number of series")

    def _restore_labels(self, table: SeriesTable, count: int) -> None:
        decoder = msgspec.json.Decoder(_Line)
        size = 0
        with self._labels_path.open("rb") as file:
            for start in range(0, count, LABEL_ROWS):
                lines = list(islice(file, min(LABEL_ROWS, count - start)))
                entries: list[_Line] = []
                try:
                    entries = decoder.decode_lines(b"".join(lines))
                except msgspec.DecodeError:
                    with suppress(msgspec.DecodeError):  # told below, by its number
                        entries.extend(map(decoder.decode, lines))
                if len(entries) < min(LABEL_ROWS, count - start):
                    number = start + len(entries) + 1
                    raise SnapshotError(f"{self._labels_path}: line {number} of {count} cannot be read")
                if not table.extend([(entry.labels, entry.counter) for entry in entries]):
                    raise SnapshotError(
                        f"{self._labels_path}: a series stands there twice, before line {start + LABEL_ROWS}"
                    )
                size += sum(map(len, lines))
        with self._labels_path.open("r+b") as file:
            file.truncate(size)  # labels of a later snapshot that was never finished
        self._labels_written, self._labels_bytes, self._freed = count, size, table.freed


def _words_of(state: State, rows: slice) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Head and body of these rows as uint32 (rows, words)."""
    return state.head[rows].view(np.uint32), state.body[rows].view(np.uint32)


def _room(rows: int) -> NDArray[np.uint32]:
    """Memory for so many packed rows, touched once: the operating system hands it out before the lock is taken."""
    return np.full(sum(packed_words_max(rows, width) for width in (2 * S.HEAD_SIZE, S.BODY_SIZE)), 1, np.uint32)


def _packed(state: State, rows: slice, is_later: NDArray[np.bool_], room: NDArray[np.uint32]) -> memoryview:
    """Head and body of these rows in `room`; of later series nothing: their labels are not in this snapshot."""
    at = 0
    for words in _words_of(state, rows):
        at = pack(words, is_later, room, at)
    return memoryview(room[:at]).cast("B")  # type: ignore[arg-type]


def _compile() -> None:
    """So that nobody waits for it under the lock."""
    nothing = State.allocate(0)
    room = _room(0)
    _packed(nothing, slice(0, 0), np.zeros(0, np.bool_), room)
    for words in _words_of(nothing, slice(0, 0)):
        unpack(room.view(np.uint32), 0, words)


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
