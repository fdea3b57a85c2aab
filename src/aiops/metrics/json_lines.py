"""JSON and NDJSON samples -> SampleBatch, each sample with an outcome of its own.

    {"samples": [{"series": "cpu", "timestamp": "2026-01-31T12:00:00Z", "value": 0.7},
                 {"labels": {"__name__": "cpu", "host": "a"}, "timestamp": 1769860800, "value": 0.7}]}

also as a bare list, or one sample per line. One unreadable sample is refused by itself; the others are kept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError, OverloadError, TooLargeError
from aiops.metrics.remote_write import Limits
from aiops.metrics.series import Labels, SampleBatch, SeriesTable, canonical, parse_matchers
from aiops.metrics.timestamp import timestamp_ms
from aiops.metrics.write_result import Refusal


class Sample(msgspec.Struct, forbid_unknown_fields=True):
    """One sample as sent; `series` is a name or `name{label="value"}`, `labels` the same taken apart."""

    value: float | Literal["NaN", "Infinity", "-Infinity", "+Inf", "-Inf"] | None
    series: str | None = None
    labels: dict[str, str] | None = None
    name: str | None = None
    timestamp: str | int | float | None = None  # None: the time of arrival
    type: Literal["gauge", "counter"] | None = None


class _Body(msgspec.Struct):
    samples: list[msgspec.Raw]


@dataclass(frozen=True, slots=True)
class DecodedJson:
    """The samples that can be used and, for each sample sent, where it went."""

    batch: SampleBatch
    index: NDArray[np.int64]  # (sent,) index into batch; -1 = refused
    refusals: Sequence[tuple[int, Refusal, str]]  # (position as sent, reason, sentence)


_WANTED = {
    "value": 'a number, null, "NaN", "Infinity", "+Inf", "-Infinity" or "-Inf"',
    "series": 'text like cpu{host="a"}',
    "name": "text",
    "labels": "an object whose values are texts",
    "timestamp": "ISO 8601 text or epoch seconds, ms, us or ns",
    "type": '"gauge" or "counter"',
}
_SHAPE = 'send {"samples": [...]} or a list of samples'
_body_decoder = msgspec.json.Decoder(_Body)
_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_sample_decoder = msgspec.json.Decoder(Sample)


def decode_json(body: bytes, table: SeriesTable, limits: Limits, now_ms: int) -> DecodedJson:
    """Raises InputError where the body is not JSON of this shape, TooLargeError beyond `samples_per_request_max`."""
    if not body.strip():
        raise InputError(f"the body is empty; {_SHAPE}")
    is_list = body.lstrip()[:1] == b"["
    try:
        raw = _list_decoder.decode(body) if is_list else _body_decoder.decode(body).samples
    except msgspec.ValidationError:
        raise InputError(_SHAPE) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the body is not JSON: {_told(error)}") from None
    except RecursionError:
        raise InputError("the body is nested too deep; a sample is a flat object") from None
    return _decode(raw, table, limits, now_ms)


def decode_ndjson(body: bytes, table: SeriesTable, limits: Limits, now_ms: int) -> DecodedJson:
    """One sample per line; empty lines are skipped. Raises TooLargeError beyond `samples_per_request_max`."""
    return _decode([line for line in body.splitlines() if line.strip()], table, limits, now_ms)


def _decode(raw: Sequence[msgspec.Raw | bytes], table: SeriesTable, limits: Limits, now_ms: int) -> DecodedJson:
    if len(raw) > limits.samples_per_request_max:
        raise TooLargeError(f"{len(raw)} samples in one request, more than {limits.samples_per_request_max}")
    rows: list[int] = []
    times: list[int] = []
    values: list[float] = []
    index = np.full(len(raw), -1, np.int64)
    refusals: list[tuple[int, Refusal, str]] = []
    for position, text in enumerate(raw):
        try:
            sample = _sample_decoder.decode(text)
            time_ms = now_ms if sample.timestamp is None else timestamp_ms(sample.timestamp)
            value = float("nan") if sample.value is None else float(sample.value)
        except (msgspec.DecodeError, InputError, RecursionError, UnicodeDecodeError, OverflowError) as error:
            refusals.append((position, Refusal.BAD_SAMPLE, f"sample {position}: {_told(error)}"))
            continue
        try:
            labels = _labels(sample)
            _check_size(labels, limits)
            row = table.row(labels, None if sample.type is None else sample.type == "counter")
        except InputError as error:
            reason = Refusal.TOO_MANY_LABELS if isinstance(error, TooLargeError) else Refusal.BAD_LABELS
            refusals.append((position, reason, f"sample {position}: {error}"))
            continue
        except OverloadError as error:
            refusals.append((position, Refusal.SERIES_LIMIT, f"sample {position}: {error}"))
            continue
        index[position] = len(rows)
        rows.append(row)
        times.append(time_ms)
        values.append(value)
    batch = SampleBatch(
        np.array(rows, np.int32), np.array(times, np.int64), np.array(values, np.float64), np.zeros(len(rows), np.bool_)
    )
    return DecodedJson(batch, index, refusals)


def _told(error: Exception) -> str:
    """The decoder's complaint without its schema language."""
    text = str(error)
    if found := re.search(r"at `\$\.(\w+)", text):
        return f"{found[1]} must be {_WANTED[found[1]]}"
    if isinstance(error, msgspec.ValidationError) and text.startswith("Expected"):
        return "a sample must be an object with value and series or labels"
    return text.replace("Input data was truncated", "it ends early")


def labels_of(text: str) -> Labels:
    """`cpu` or `cpu{host="a"}` -> labels. Raises InputError where it cannot be read or is not exact."""
    matchers = parse_matchers(text)
    if any(matcher.op != "=" for matcher in matchers):
        raise InputError(f'series {text!r}: only label="value" names one series')
    return canonical([(matcher.name, matcher.value) for matcher in matchers])


def _labels(sample: Sample) -> Labels:
    pairs = dict(labels_of(sample.series)) if sample.series else {}
    if sample.name:
        pairs["__name__"] = sample.name
    labels = canonical(pairs | (sample.labels or {}))
    if not labels:
        raise InputError('name the series: "series": "cpu" or "labels": {"__name__": "cpu", "host": "a"}')
    return labels


def _check_size(labels: Labels, limits: Limits) -> None:
    if len(labels) > limits.labels_per_series_max:
        raise TooLargeError(f"{len(labels)} labels, more than labels_per_series_max = {limits.labels_per_series_max}")
    size = sum(len(name.encode()) + len(value.encode()) for name, value in labels)
    if size > limits.label_bytes_max:
        raise TooLargeError(f"{size} bytes of labels, more than label_bytes_max = {limits.label_bytes_max}")
