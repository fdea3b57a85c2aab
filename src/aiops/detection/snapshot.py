"""The detectors' memory on disk, so that a restart goes on where the last snapshot stood.

Two files in one folder. `series.jsonl` holds the labels, one line per row, and only ever grows; `state.bin` holds the
numbers and is replaced as a whole: written beside the old one, flushed, renamed. A snapshot is consistent per series,
which is all the detectors need, so rows are copied in small blocks and ingest is held up for a block at a time only.
"""

import json
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from io import BufferedReader
from pathlib import Path
from typing import Any

import msgspec

from aiops.detection import state as S
from aiops.detection.state import State
from aiops.errors import SnapshotError
from aiops.metrics.series import Labels, SeriesTable

BLOCK_ROWS = 2048  # about 7 MB: a few milliseconds under the lock
MAGIC = "aiops-detector-state"


class _Line(msgspec.Struct):
    """One line of series.jsonl."""

    labels: Labels
    counter: bool


class Snapshots:
    """Saves and restores one engine's table and state in `folder`; one writer at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._labels_path, self._state_path = folder / "series.jsonl", folder / "state.bin"
        self._labels_written = 0

    def save(self, table: SeriesTable, state: State, newest_ms: int, lock: AbstractContextManager[object]) -> int:
        """Writes everything known now; returns the bytes written. Raises OSError where the disk refuses."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with lock:
            count = len(table)
            fresh = [(table.labels(row), bool(table.is_counter[row])) for row in range(self._labels_written, count)]
        with self._labels_path.open("ab" if self._labels_written else "wb") as file:
            for labels, is_counter in fresh:
                file.write(msgspec.json.encode(_Line(labels, is_counter)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._labels_written = count
        draft = self._state_path.with_suffix(".draft")
        header = {"magic": MAGIC, "format": S.FORMAT, "series": count, "newest_ms": newest_ms}
        header |= {"head": S.HEAD_SIZE, "body": S.BODY_SIZE}
        with draft.open("wb") as file:
            file.write(json.dumps(header).encode() + b"\n")
            checksum = 0
            for start in range(0, count, BLOCK_ROWS):
                stop = min(start + BLOCK_ROWS, count)
                with lock:
                    block = state.head[start:stop].tobytes() + state.body[start:stop].tobytes()
                checksum = zlib.crc32(block, checksum)
                file.write(block)
            file.write(checksum.to_bytes(4, "little"))
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        draft.replace(self._state_path)
        return size

    def restore(self, table: SeriesTable, state: State) -> int:
        """Fills an empty table and state; returns the newest sample time, 0 where there is no snapshot.

        Raises SnapshotError where the files are torn, of another format or too many for `series_max`; table and
        state may then be partly filled and must be thrown away.
        """
        if not self._state_path.exists():
            return 0
        with self._state_path.open("rb") as file:
            header = _header(file.readline())
            count = int(header["series"])
            if count > table.series_max:
                raise SnapshotError(f"{self._state_path} holds {count} series: raise series_max = {table.series_max}")
            with ThreadPoolExecutor(1) as thread:  # reading numbers needs no Python lock, reading labels does
                numbers = thread.submit(self._restore_state, file, state, count)
                self._restore_labels(table, count)
                numbers.result()
        return int(header["newest_ms"])

    def set_aside(self) -> None:
        """Moves a snapshot that cannot be restored out of the way, for a person to look at."""
        for path in (self._labels_path, self._state_path):
            if path.exists():
                path.replace(path.with_suffix(path.suffix + ".refused"))
        self._labels_written = 0

    def _restore_state(self, file: BufferedReader, state: State, count: int) -> None:
        checksum = 0
        for start in range(0, count, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, count)
            for rows in (state.head[start:stop], state.body[start:stop]):
                place = memoryview(rows).cast("B")  # type: ignore[arg-type]
                if file.readinto(place) != len(place):
                    raise SnapshotError(f"{self._state_path} ends early, at series {start} of {count}")
                checksum = zlib.crc32(place, checksum)
        if file.read() != checksum.to_bytes(4, "little"):
            raise SnapshotError(f"{self._state_path}: the checksum does not match")

    def _restore_labels(self, table: SeriesTable, count: int) -> None:
        size, decoder = 0, msgspec.json.Decoder(_Line)
        with self._labels_path.open("rb") as file:
            for row in range(count):
                line = file.readline()
                try:
                    entry = decoder.decode(line)
                except msgspec.DecodeError:
                    raise SnapshotError(f"{self._labels_path}: line {row + 1} of {count} cannot be read") from None
                if table.row(entry.labels, entry.counter) != row:
                    raise SnapshotError(f"{self._labels_path}: line {row + 1} repeats a series")
                size += len(line)
        with self._labels_path.open("r+b") as file:
            file.truncate(size)  # labels of a later snapshot that was never finished
        self._labels_written = count


def _header(line: bytes) -> dict[str, Any]:
    try:
        header = json.loads(line)
    except ValueError:
        raise SnapshotError("the snapshot's first line is not JSON") from None
    expected = {"magic": MAGIC, "format": S.FORMAT, "head": S.HEAD_SIZE, "body": S.BODY_SIZE}
    if not isinstance(header, dict) or any(header.get(key) != value for key, value in expected.items()):
        raise SnapshotError(f"the snapshot is of another format: {header!r}, this program writes {expected}")
    return dict(header)
