"""The plain twin of the remote-write decoder: the protobuf library does the reading.

The messages are described here field by field (prompb/remote.proto, prompb/types.proto of Prometheus).
"""

import math
import struct
from dataclasses import dataclass
from typing import Any

import cramjam
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from aiops.errors import InputError
from aiops.metrics.series import Labels, canonical

_F = descriptor_pb2.FieldDescriptorProto
_FIELDS = {
    "Label": [("name", 1, _F.TYPE_BYTES, ""), ("value", 2, _F.TYPE_BYTES, "")],
    "Sample": [("value", 1, _F.TYPE_DOUBLE, ""), ("timestamp", 2, _F.TYPE_INT64, "")],
    "Exemplar": [("value", 2, _F.TYPE_DOUBLE, "")],
    "Histogram": [("sum", 3, _F.TYPE_DOUBLE, "")],
    "Metadata": [("help", 4, _F.TYPE_BYTES, "")],
    "TimeSeries": [
        ("labels", 1, _F.TYPE_MESSAGE, "Label"),
        ("samples", 2, _F.TYPE_MESSAGE, "Sample"),
        ("exemplars", 3, _F.TYPE_MESSAGE, "Exemplar"),
        ("histograms", 4, _F.TYPE_MESSAGE, "Histogram"),
    ],
    "WriteRequest": [("timeseries", 1, _F.TYPE_MESSAGE, "TimeSeries"), ("metadata", 3, _F.TYPE_MESSAGE, "Metadata")],
}


def _message_classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="twin.proto", package="twin", syntax="proto3")
    for message, fields in _FIELDS.items():
        entry = file.message_type.add(name=message)
        for name, number, kind, of in fields:
            label = _F.LABEL_REPEATED if kind == _F.TYPE_MESSAGE else _F.LABEL_OPTIONAL
            entry.field.add(name=name, number=number, type=kind, label=label, type_name=f".twin.{of}" if of else None)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"twin.{name}")) for name in _FIELDS}


MESSAGES = _message_classes()


@dataclass
class Plain:
    """What a request holds, in order."""

    samples: list[tuple[Labels, int, bytes]]  # labels, time, the eight bytes of the value
    refused: int
    exemplars: int
    histograms: int
    metadata: int


def decode(body: bytes) -> Plain:
    """Raises InputError where the body is no WriteRequest."""
    try:
        request = MESSAGES["WriteRequest"].FromString(bytes(cramjam.snappy.decompress_raw(body)) if body else b"")
    except (DecodeError, cramjam.DecompressionError) as error:
        raise InputError(str(error)) from None
    out = Plain([], 0, 0, 0, len(request.metadata))
    for series in request.timeseries:
        out.exemplars += len(series.exemplars)
        out.histograms += len(series.histograms)
        try:
            labels = canonical([(label.name.decode(), label.value.decode()) for label in series.labels])
            is_bad = "__name__" not in dict(labels)
        except (InputError, UnicodeDecodeError):
            is_bad = True
        if is_bad:
            out.refused += len(series.samples)
            continue
        for sample in series.samples:
            out.samples.append((labels, sample.timestamp, value_bytes(sample.value)))
    return out


def value_bytes(value: float) -> bytes:
    """The bits of a value; every NaN is the same one, because Python does not carry NaN bits through faithfully."""
    return b"nan" if math.isnan(value) else struct.pack("<d", value)
