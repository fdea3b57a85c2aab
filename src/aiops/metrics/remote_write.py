"""Prometheus remote write 1.0 -> SampleBatch.

A request is a snappy block holding a protobuf `prometheus.WriteRequest`. The bytes are walked once by compiled code
(`write_request_walk`); Python sees only series it has never seen before. Senders repeat the same label bytes with
every request, so the bytes themselves are the key; two spellings of one label set are two keys of the same row.
Spec: https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import cramjam
import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError, OverloadError, TooLargeError
from aiops.metrics import write_request_walk as w
from aiops.metrics.label_hash import random_key
from aiops.metrics.label_table import LabelTable
from aiops.metrics.series import STALE_NAN_BITS, SampleBatch, SeriesTable, canonical, display
from aiops.metrics.write_result import Refusal

BUFFER_BYTES = 1 << 20  # larger requests get memory of their own
LABEL_FRAME_BYTES = 16  # of a label, at most, beside its name and value
_REASONS = tuple(Refusal)
_ERRORS = {
    w.TRUNCATED: "the protobuf message ends early",
    w.BAD_VARINT: "a protobuf varint is longer than ten bytes",
    w.BAD_FIELD: "a protobuf field has number 0 or a wire type nobody uses",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold. Beyond the first two nothing of it is kept; beyond the others a series is refused."""

    body_bytes_max: int = 32 * 1024 * 1024
    samples_per_request_max: int = 1_000_000
    labels_per_series_max: int = 64
    label_bytes_max: int = 8192


@dataclass(frozen=True, slots=True)
class Decoded:
    """Samples that can be used, in the order sent, and what was refused or skipped."""

    batch: SampleBatch
    refused: Mapping[Refusal, int]  # samples per reason
    first: Mapping[Refusal, str]  # one sentence on the first refusal of each reason
    exemplars_skipped: int
    histograms_skipped: int
    metadata_skipped: int


class RemoteWriteDecoder:
    """Decodes request bodies into rows of `table`; remembers label bytes. One caller at a time."""

    def __init__(self, table: SeriesTable, limits: Limits | None = None) -> None:
        self._table, self._limits = table, limits or Limits()
        # longer labels are refused, so nobody need remember them
        self._key = random_key(self._limits.label_bytes_max + LABEL_FRAME_BYTES * self._limits.labels_per_series_max)
        self._known = LabelTable(4 * table.series_max)
        self._count_before = 0
        self._buffer = np.empty(BUFFER_BYTES, np.uint8)

    def forget(self, rows: NDArray[np.int64]) -> None:
        """These rows are no longer of the series whose bytes are remembered; and there is room for refused ones."""
        is_gone = np.zeros(self._table.series_max, np.bool_)
        is_gone[rows] = True
        limit = _code(Refusal.SERIES_LIMIT)
        self._known.forget(lambda codes: np.where(codes >= 0, is_gone[codes.clip(0)], codes == limit))

    def decode(self, body: bytes) -> Decoded:
        """Raises InputError where the body is not a snappy block of a WriteRequest, TooLargeError beyond the limits;
        then nothing of the request is kept."""
        data, known = self._unpacked(body), self._known
        samples_max = self._limits.samples_per_request_max
        capacity = min(self._count_before + 64, samples_max)  # senders repeat themselves; fresh memory costs time
        while True:
            rows, time_ms = np.empty(capacity, np.int32), np.empty(capacity, np.int64)
            bits, unknown = np.empty(capacity, np.uint64), np.empty((capacity, 5), np.int64)
            skips = np.zeros(3, np.int64)
            code, at, count, unknowns, last = w.walk(
                data, self._key, known.slots, known.hashes, known.rows, known.followers, known.last,
                rows, time_ms, bits, unknown, skips,
            )  # fmt: skip
            if code != w.FULL:
                break
            if capacity >= samples_max:
                raise TooLargeError(f"more than {samples_max} samples in one request (samples_per_request_max)")
            capacity = min(max(4 * capacity, len(data) // 32), samples_max)
        if code != w.OK:
            raise InputError(f"not a remote-write 1.0 request: {_ERRORS[code]}, at byte {at} of {len(data)}")
        self._count_before, known.last = count, last
        rows, time_ms, bits = rows[:count], time_ms[:count], bits[:count]
        first: dict[Refusal, str] = {}
        if unknowns:
            codes = np.array([self._learn(data, entry, first) for entry in unknown[:unknowns]], np.int64)
            is_new = (rows < 0) & (rows >= -unknowns)
            rows[is_new] = codes[-(rows[is_new] + 1)]
        refused: dict[Refusal, int] = {}
        if count and rows.min() < 0:
            bad = rows < 0
            for reason, number in zip(*np.unique(rows[bad] - w.REFUSED_ROW, return_counts=True), strict=True):
                refused[_REASONS[int(reason)]] = int(number)
                first.setdefault(_REASONS[int(reason)], _SENTENCES[_REASONS[int(reason)]])
            rows, time_ms, bits = rows[~bad], time_ms[~bad], bits[~bad]
        batch = SampleBatch(rows, time_ms, bits.view(np.float64), bits == np.uint64(STALE_NAN_BITS))
        return Decoded(batch, refused, first, *(int(number) for number in skips))

    def _unpacked(self, body: bytes) -> NDArray[np.uint8]:
        """uint8 (n,), valid until the next call."""
        limit = self._limits.body_bytes_max
        try:
            size = cramjam.snappy.decompress_raw_len(body) if body else 0
            if size > limit:
                raise TooLargeError(f"the body unpacks to {size} bytes, more than body_bytes_max = {limit}")
            buffer = self._buffer if size <= len(self._buffer) else np.empty(size, np.uint8)
            written = cramjam.snappy.decompress_raw_into(body, memoryview(buffer)) if size else 0  # type: ignore[arg-type]
            return buffer[:written]
        except cramjam.DecompressionError as error:
            raise InputError(f"the body is not a snappy block (remote write uses no framing): {error}") from None

    def _learn(self, data: NDArray[np.uint8], entry: NDArray[np.int64], first: dict[Refusal, str]) -> int:
        """The row code of a series seen for the first time (in these bytes)."""
        start, end, hashed, is_apart, label_count = (int(number) for number in entry)
        row = self._row(data[start:end].tobytes(), label_count, first)
        if not is_apart:
            self._known.remember(np.uint64(hashed & 0xFFFFFFFFFFFFFFFF), row)
        return row

    def _row(self, message: bytes, label_count: int, first: dict[Refusal, str]) -> int:
        limits = self._limits
        bytes_max = limits.label_bytes_max + LABEL_FRAME_BYTES * label_count
        if label_count > limits.labels_per_series_max or len(message) > bytes_max:
            sentence = (
                f"a series has {label_count} labels in {len(message)} bytes; {_SENTENCES[Refusal.TOO_MANY_LABELS]}"
            )
            return _refuse(Refusal.TOO_MANY_LABELS, sentence, first)
        try:
            labels = canonical(_labels(message))
        except UnicodeDecodeError:
            return _refuse(Refusal.BAD_LABELS, "a label is not UTF-8", first)
        except InputError as error:
            return _refuse(Refusal.BAD_LABELS, f"a series cannot be told: {error}", first)
        if not any(name == "__name__" for name, _ in labels):
            return _refuse(Refusal.BAD_LABELS, f"a series has no __name__: {display(labels)}", first)
        try:
            return self._table.row(labels)
        except OverloadError as error:
            return _refuse(Refusal.SERIES_LIMIT, str(error), first)


_SENTENCES = {
    Refusal.TOO_MANY_LABELS: "labels_per_series_max or label_bytes_max is exceeded",
    Refusal.BAD_LABELS: "labels without __name__, repeated, empty-named or not UTF-8",
    Refusal.SERIES_LIMIT: "series_max is reached",
}


def _refuse(reason: Refusal, sentence: str, first: dict[Refusal, str]) -> int:
    first.setdefault(reason, sentence)
    return _code(reason)


def _code(reason: Refusal) -> int:
    """The row code of a series refused for this reason."""
    return w.REFUSED_ROW + _REASONS.index(reason)


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of the length-delimited fields of a message that the walk has found well-formed."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == w.VARINT:
            _, at = _varint(message, at)
        elif wire == w.BYTES:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise InputError("a label ends early")
            yield tag, message[at : at + size]
            at += size
        elif wire in (w.FIXED64, w.FIXED32) and tag >= 8:
            at += 8 if wire == w.FIXED64 else 4
        else:
            raise InputError("a label has a field nobody uses")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift <= 63:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise InputError("a label ends early")


def _labels(message: bytes) -> Iterator[tuple[str, str]]:
    """Label pairs among the fields of a TimeSeries. Raises InputError, UnicodeDecodeError."""
    for tag, label in _fields(message):
        if tag == 10:
            name = value = b""
            for inner, content in _fields(label):
                name, value = (content, value) if inner == 10 else (name, content) if inner == 18 else (name, value)
            yield name.decode(), value.decode()
