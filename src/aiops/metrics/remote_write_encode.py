"""Samples -> a remote write 1.0 request, for benchmarks, the simulator and tests: what Prometheus would send."""

import struct
from collections.abc import Iterable, Sequence

import cramjam

from aiops.metrics.series import Labels


def _varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF  # int64 as two's complement, as protobuf does
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def encode_labels(labels: Labels) -> bytes:
    """The label fields of a TimeSeries message."""
    return b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in labels)


def encode_series(label_fields: bytes, samples: Iterable[tuple[int, float]]) -> bytes:
    """One TimeSeries field of a WriteRequest from `encode_labels` and (time_ms, value) pairs."""
    content = [label_fields]
    for time_ms, value in samples:
        content.append(_field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(time_ms)))
    return _field(1, b"".join(content))


def encode_write_request(series: Sequence[tuple[Labels, Sequence[tuple[int, float]]]]) -> bytes:
    """A request body: snappy block of a WriteRequest."""
    return pack(b"".join(encode_series(encode_labels(labels), samples) for labels, samples in series))


def pack(message: bytes) -> bytes:
    """The snappy block of a message."""
    return bytes(cramjam.snappy.compress_raw(message))
