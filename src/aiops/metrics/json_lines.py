"""JSON and NDJSON samples -> SampleBatch, each sample with an outcome of its own.

    {"samples": [{"series": "cpu", "timestamp": "2026-01-31T12:00:00Z", "value": 0.7},
                 {"labels": {"__name__": "cpu", "host": "a"}, "timestamp": 1769860800, "value": 0.7}]}

also as a bare list, or one sample per line. One unreadable sample is refused by itself; the others are kept. NaN and
Infinity without quotes are no JSON, but many programs write them: a body that fails and holds them is read once more
with these words made JSON.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError, OverloadError, TooLargeError
from aiops.metrics.remote_write import Limits
from aiops.metrics.series import Labels, SampleBatch, SeriesTable, canonical, display, parse_matchers
from aiops.metrics.timestamp import timestamp_ms
from aiops.metrics.write_result import Refusal

T = TypeVar("T")


class Sample(msgspec.Struct, forbid_unknown_fields=True):
    """One sample as sent; `series` is a name or `name{label="value"}`, `labels` the same taken apart."""

    value: float | Literal["NaN", "Infinity", "-Infinity", "+Inf", "-Inf"] | None
    series: str | None = None
    labels: dict[str, str] | None = None
    name: str | None = None
    timestamp: str | int | float | None = None  # None: the time of arrival
    type: Literal["gauge", "counter"] | None = None


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    samples: list[msgspec.Raw]


class _Named(msgspec.Struct):
    """As much of an unreadable sample as names its series."""

    series: Any = None
    labels: Any = None
    name: Any = None


class Refused(NamedTuple):
    """A sample that cannot be used; `series` as far as it could be told."""

    position: int  # as sent
    reason: Refusal
    sentence: str
    series: str | None


@dataclass(frozen=True, slots=True)
class DecodedJson:
    """The samples that can be used and, for each sample sent, where it went."""

    batch: SampleBatch
    index: NDArray[np.int64]  # (sent,) index into batch; -1 = refused
    refusals: Sequence[Refused]

    @property
    def reasons(self) -> Collection[Refusal]:
        """Why samples were refused."""
        return {one.reason for one in self.refusals}


_WANTED = {
    "value": 'a number, null, "NaN", "Infinity", "+Inf", "-Infinity" or "-Inf"',
    "series": 'text like cpu{host="a"}',
    "name": "text",
    "labels": "an object whose values are texts",
    "timestamp": "ISO 8601 text or epoch seconds, ms, us or ns",
    "type": '"gauge" or "counter"',
}
_UNKNOWN = re.compile("unknown field `(.*)`", re.DOTALL)
_SHAPE = 'send {"samples": [...]} or a list of samples'
_body_decoder = msgspec.json.Decoder(_Body)
_list_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_sample_decoder = msgspec.json.Decoder(Sample)
_named_decoder = msgspec.json.Decoder(_Named)
# what comes before the next bare word, strings whole, and that word; possessive: one pass, whatever is sent
_WORDS = re.compile(rb'((?:[^"NI]++|"(?:[^"\\]++|\\.)*+"?|[NI](?!aN\b|nfinity\b))*+)(NaN|Infinity)?', re.DOTALL)
_WORDS_PER_SAMPLE_MAX = 4


def decode_json(body: bytes, table: SeriesTable, limits: Limits, now_ms: int) -> DecodedJson:
    """Raises InputError where the body is not JSON of this shape, TooLargeError beyond `samples_per_request_max`."""
    if not body.strip():
        raise InputError(f"the body is empty; {_SHAPE}")
    try:
        raw = _decoded_words(_samples, body, limits.samples_per_request_max)
    except msgspec.ValidationError as error:
        if found := _UNKNOWN.search(str(error)):
            raise InputError(f"unknown key {found[1]!r} beside samples; {_SHAPE}") from None
        raise InputError(_SHAPE) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"the body is not JSON: {_told(error)}") from None
    except RecursionError:
        raise InputError("the body is nested too deep; a sample is a flat object") from None
    return _decode(raw, table, limits, now_ms)


def _samples(body: bytes) -> list[msgspec.Raw]:
    is_list = body.lstrip()[:1] == b"["
    return _list_decoder.decode(body) if is_list else _body_decoder.decode(body).samples


def _decoded_words(decode: Callable[[bytes], T], text: bytes, most: int) -> T:
    """What `decode` makes of the text, if need be with its bare NaN and Infinity (at most so many) made JSON: the word
    in quotes where it is a value, elsewhere `false`, which fits nowhere."""
    try:
        return decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        if not 0 < text.count(b"NaN") + text.count(b"Infinity") <= most:
            raise
    return decode(_WORDS.sub(_json_word, text))


def _json_word(found: "re.Match[bytes]") -> bytes:
    before, word = found.groups()
    if word is None:
        return bytes(before)
    sign = b"-" if before.endswith(b"-") else b""
    before = before.removesuffix(b"-")
    key = before.rstrip()
    is_value = key.endswith(b":") and key[:-1].rstrip().endswith(b'"value"')
    return bytes(before + (b'"' + sign + word + b'"' if is_value else b"false"))


def decode_ndjson(body: bytes, table: SeriesTable, limits: Limits, now_ms: int) -> DecodedJson:
    """One sample per line; empty lines are skipped. Raises TooLargeError beyond `samples_per_request_max`."""
    return _decode([line for line in body.splitlines() if line.strip()], table, limits, now_ms, is_lines=True)


def _decode(
    raw: Sequence[msgspec.Raw | bytes], table: SeriesTable, limits: Limits, now_ms: int, is_lines: bool = False
) -> DecodedJson:
    if len(raw) > limits.samples_per_request_max:
        raise TooLargeError(f"{len(raw)} samples in one request, more than {limits.samples_per_request_max}")
    rows: list[int] = []
    times: list[int] = []
    values: list[float] = []
    index = np.full(len(raw), -1, np.int64)
    refusals: list[Refused] = []
    for position, text in enumerate(raw):
        try:
            sample = (
                _decoded_words(_sample_decoder.decode, text, _WORDS_PER_SAMPLE_MAX)
                if is_lines
                else _sample_decoder.decode(text)
            )
            time_ms = now_ms if sample.timestamp is None else timestamp_ms(sample.timestamp)
            value = float("nan") if sample.value is None else float(sample.value)
        except (msgspec.DecodeError, InputError, RecursionError, UnicodeDecodeError, OverflowError) as error:
            sentence = f"sample {position}: {_told(error)}"
            refusals.append(Refused(position, Refusal.BAD_SAMPLE, sentence, _name_of(text)))
            continue
        try:
            labels = _labels(sample)
            _check_size(labels, limits)
            row = table.row(labels, None if sample.type is None else sample.type == "counter")
        except InputError as error:
            reason = Refusal.TOO_MANY_LABELS if isinstance(error, TooLargeError) else Refusal.BAD_LABELS
            refusals.append(Refused(position, reason, f"sample {position}: {error}", _name_of(text)))
            continue
        except OverloadError as error:
            refusals.append(Refused(position, Refusal.SERIES_LIMIT, f"sample {position}: {error}", display(labels)))
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
    """The decoder's complaint in the words of the format."""
    text = str(error)
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if found := _UNKNOWN.search(text):
        return f"unknown key {found[1]!r}; known here: {', '.join(Sample.__struct_fields__)}"
    if found := re.search(r"at `\$\.(\w+)", text):
        return f"{found[1]} must be {_WANTED[found[1]]}"
    if found := re.search("missing required field `(\\w+)`", text):
        return f"{found[1]} is missing"
    if isinstance(error, msgspec.ValidationError) and text.startswith("Expected"):
        return "a sample must be an object with value and series or labels"
    if isinstance(error, RecursionError):
        return "it is nested too deep; a sample is a flat object"
    return text.replace("Input data was truncated", "it ends early")


def _name_of(text: msgspec.Raw | bytes) -> str | None:
    """The series that a refused sample names, None where that cannot be told."""
    try:
        sample = _named_decoder.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if isinstance(sample.series, str):
        return sample.series
    pairs = sample.labels if isinstance(sample.labels, dict) else {}
    name = {"__name__": sample.name} if isinstance(sample.name, str) else {}
    labels = [(key, value) for key, value in (pairs | name).items() if isinstance(value, str)]
    return display(tuple(sorted(labels))) if labels else None


def labels_of(text: str) -> Labels:
    """`cpu` or `cpu{host="a"}` -> labels. Raises InputError where it cannot be read or is not exact."""
    if "{" not in text:  # any text may name a series
        return canonical({"__name__": text.strip()})
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
