"""The compiled decoder equals the protobuf library on whatever hypothesis can think of, and survives damage."""

import struct
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from aiops.errors import InputError, TooLargeError
from aiops.metrics.remote_write import Decoded, Limits, RemoteWriteDecoder
from aiops.metrics.remote_write_encode import encode_labels, encode_series, encode_write_request, pack
from aiops.metrics.series import STALE_NAN_BITS, SeriesTable, canonical
from aiops.metrics.write_result import Refusal
from tests.metrics.plain_remote_write import MESSAGES, Plain, decode, value_bytes

Strategy = st.SearchStrategy[Any]
NAMES = st.sampled_from(["__name__", "job", "instance", "", "le", "ü"])
TEXTS = st.text(max_size=6) | st.sampled_from(["a", "b", ""])
LABELS: Strategy = st.builds(dict, name=NAMES.map(str.encode), value=TEXTS.map(lambda t: t.encode("utf-8", "replace")))
SAMPLES: Strategy = st.builds(dict, value=st.floats(), timestamp=st.integers(-(2**63), 2**63 - 1))
SERIES: Strategy = st.builds(
    dict,
    labels=st.lists(LABELS, max_size=5),
    samples=st.lists(SAMPLES, max_size=3),
    exemplars=st.lists(st.builds(dict, value=st.floats(allow_nan=False)), max_size=1),
    histograms=st.lists(st.builds(dict, sum=st.floats(allow_nan=False)), max_size=1),
)
METADATA: Strategy = st.builds(dict, help=st.binary(max_size=5))
REQUESTS: Strategy = st.builds(dict, timeseries=st.lists(SERIES, max_size=6), metadata=st.lists(METADATA, max_size=2))


def message_of(request: dict[str, Any]) -> bytes:
    return bytes(MESSAGES["WriteRequest"](**request).SerializeToString())


def plain_of(decoder: RemoteWriteDecoder, table: SeriesTable, body: bytes) -> Plain:
    """The decoder's answer in the twin's words."""
    found: Decoded = decoder.decode(body)
    batch = found.batch
    samples = [
        (table.labels(row), time_ms, value_bytes(value))
        for row, time_ms, value in zip(batch.rows.tolist(), batch.time_ms.tolist(), batch.values.tolist(), strict=True)
    ]
    return Plain(
        samples, sum(found.refused.values()), found.exemplars_skipped, found.histograms_skipped, found.metadata_skipped
    )


@given(st.lists(REQUESTS, min_size=1, max_size=3))
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_decoder_equals_the_protobuf_library(requests: list[dict[str, Any]]) -> None:
    table = SeriesTable(10_000)
    decoder = RemoteWriteDecoder(table)  # one decoder for all: the second request meets known series
    for request in [*requests, requests[0]]:
        body = pack(message_of(request))
        assert plain_of(decoder, table, body) == decode(body)


@given(REQUESTS, st.data())
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_messages_are_read_alike_or_refused(request: dict[str, Any], data: st.DataObject) -> None:
    """A flipped bit or a cut: where both read it they agree. The decoder may read more than the library, which looks
    into exemplars, histograms and metadata too, and less: it refuses groups."""
    message = bytearray(message_of(request))
    if message:
        position = data.draw(st.integers(0, len(message) - 1))
        if data.draw(st.booleans()):
            message[position] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del message[position:]
    body = pack(bytes(message))
    table = SeriesTable(10_000)
    try:
        mine = plain_of(RemoteWriteDecoder(table), table, body)
    except InputError:
        return
    try:
        theirs = decode(body)
    except InputError:
        return
    assert mine == theirs


def test_fields_in_odd_orders_and_unknown_fields_are_read_alike() -> None:
    name = encode_labels(canonical({"__name__": "up"}))
    job = encode_labels(canonical({"job": "x"}))
    sample = encode_series(b"", [(1000, 1.5)])[2:]
    unknown = b"\x78\x01" + b"\x7a\x03abc" + b"\x79" + b"8bytes!!" + b"\x7d" + b"four"
    everywhere = unknown + name + unknown + job + sample + unknown
    for content in (sample + name, name + sample + job, everywhere, sample * 3 + name):
        body = pack(b"\x0a" + bytes([len(content)]) + content)
        table = SeriesTable(10)
        decoder = RemoteWriteDecoder(table)
        expected = decode(body)
        assert expected.samples
        assert plain_of(decoder, table, body) == expected
        assert plain_of(decoder, table, body) == expected


def test_two_spellings_of_one_label_set_are_one_series() -> None:
    a, b = encode_labels((("__name__", "up"), ("job", "x"))), encode_labels((("job", "x"), ("__name__", "up")))
    table = SeriesTable(10)
    found = RemoteWriteDecoder(table).decode(pack(encode_series(a, [(1, 1.0)]) + encode_series(b, [(2, 2.0)])))
    assert found.batch.rows.tolist() == [0, 0]
    assert len(table) == 1


def test_stale_markers_are_told_by_their_bits() -> None:
    stale = struct.unpack("<d", struct.pack("<Q", STALE_NAN_BITS))[0]
    fields = encode_labels(canonical({"__name__": "up"}))
    raw = encode_series(fields, [(1, 0.0)])
    marked = raw.replace(struct.pack("<d", 0.0), struct.pack("<Q", STALE_NAN_BITS))
    found = RemoteWriteDecoder(SeriesTable(1)).decode(pack(marked + encode_series(fields, [(2, float("nan"))])))
    assert found.batch.stale.tolist() == [True, False]
    assert np.isnan(found.batch.values).all()
    assert np.isnan(stale)


BIT_PATTERNS = st.integers(0, 2**64 - 1) | st.integers(0x7FF0000000000001, 0x7FF000000000000F)


@given(st.lists(BIT_PATTERNS, min_size=1, max_size=20))
@hypothesis_settings(max_examples=100, deadline=None)
def test_every_bit_of_a_value_is_kept(patterns: list[int]) -> None:
    """NaN payloads and signs too, which no floating-point library carries through reliably."""
    fields = encode_labels(canonical({"__name__": "up"}))
    mark = struct.pack("<d", 1.25)
    body = b"".join(
        encode_series(fields, [(k, 1.25)]).replace(mark, struct.pack("<Q", bits)) for k, bits in enumerate(patterns)
    )
    batch = RemoteWriteDecoder(SeriesTable(1)).decode(pack(body)).batch
    assert batch.values.view(np.uint64).tolist() == patterns
    assert batch.stale.tolist() == [bits == STALE_NAN_BITS for bits in patterns]


EDGES_MS = [0, 1, 2**28, 2**35 - 1, 2**35, 2**35 + 1, 2**42 - 1, 2**42, 2**49, -1]


@given(st.lists(st.sampled_from(EDGES_MS) | st.integers(2**35, 2**42 - 1), min_size=1, max_size=20))
@hypothesis_settings(max_examples=100, deadline=None)
def test_times_of_six_bytes_and_all_others_are_read_alike(times_ms: list[int]) -> None:
    table = SeriesTable(4)
    labels = (("__name__", "up"),)
    body = pack(encode_series(encode_labels(labels), [(time_ms, 1.5) for time_ms in times_ms]))
    found = RemoteWriteDecoder(table).decode(body).batch
    assert found.time_ms.tolist() == times_ms
    assert (found.values == 1.5).all()


def test_series_in_another_order_are_the_same_series() -> None:
    table = SeriesTable(300)
    decoder, rng = RemoteWriteDecoder(table), np.random.default_rng(1)
    series = [encode_series(encode_labels((("__name__", f"m{k}"),)), [(k, float(k))]) for k in range(300)]
    for order in (np.arange(300), np.arange(300)[::-1], rng.permutation(300), rng.integers(0, 300, 500)):
        batch = decoder.decode(pack(b"".join(series[k] for k in order))).batch
        assert [table.labels(row) for row in batch.rows] == [(("__name__", f"m{k}"),) for k in order]


def test_the_encoder_says_what_the_protobuf_library_would() -> None:
    series = [(canonical({"__name__": "a", "é": "ß"}), [(-5, 1.5), (2**62, -0.0)]), (canonical({"__name__": "b"}), [])]
    assert [s[1] for s in decode(encode_write_request(series)).samples] == [-5, 2**62]


def test_metadata_only_and_empty_requests_hold_nothing() -> None:
    decoder = RemoteWriteDecoder(SeriesTable(1))
    assert len(decoder.decode(b"").batch) == 0
    found = decoder.decode(pack(message_of({"metadata": [{"help": b"x"}]})))
    assert (len(found.batch), found.metadata_skipped, dict(found.refused)) == (0, 1, {})


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff\xff", b"not snappy", b"\x05ab", pack(b"\x0a\x05abc")])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(InputError):
        RemoteWriteDecoder(SeriesTable(1)).decode(body)


def test_a_claimed_size_beyond_the_limit_is_refused_before_unpacking() -> None:
    bomb = pack(b"\0" * 10_000_000)
    assert len(bomb) < 500_000
    with pytest.raises(TooLargeError, match="body_bytes_max"):
        RemoteWriteDecoder(SeriesTable(1), Limits(body_bytes_max=1_000_000)).decode(bomb)


def test_too_many_samples_are_refused_as_a_whole() -> None:
    body = encode_write_request([(canonical({"__name__": "a"}), [(t, 1.0) for t in range(101)])])
    with pytest.raises(TooLargeError, match="samples_per_request_max"):
        RemoteWriteDecoder(SeriesTable(1), Limits(samples_per_request_max=100)).decode(body)
    assert len(RemoteWriteDecoder(SeriesTable(1), Limits(samples_per_request_max=101)).decode(body).batch) == 101


def test_a_million_labels_are_refused_quickly_and_the_rest_is_kept() -> None:
    labels = encode_labels(tuple((f"l{k}", "x") for k in range(1_000_000)))
    good = encode_series(encode_labels(canonical({"__name__": "up"})), [(1, 1.0)])
    body = pack(encode_series(labels, [(1, 1.0)]) + good)
    started = time.perf_counter()
    found = RemoteWriteDecoder(SeriesTable(10)).decode(body)
    assert time.perf_counter() - started < 10
    assert dict(found.refused) == {Refusal.TOO_MANY_LABELS: 1}
    assert len(found.batch) == 1


def test_series_beyond_the_limit_are_refused_and_counted_again_and_again() -> None:
    body = encode_write_request([(canonical({"__name__": f"m{k}"}), [(1, 1.0)]) for k in range(5)])
    decoder = RemoteWriteDecoder(SeriesTable(3))
    for _ in range(2):
        found = decoder.decode(body)
        assert dict(found.refused) == {Refusal.SERIES_LIMIT: 2}
        assert found.batch.rows.tolist() == [0, 1, 2]
        assert "series_max" in found.first[Refusal.SERIES_LIMIT]


def test_senders_that_never_repeat_their_bytes_do_not_fill_the_memory() -> None:
    table = SeriesTable(4)
    decoder = RemoteWriteDecoder(table)
    for k in range(100):
        labels = (("__name__", "up"), ("empty", ""), *((f"e{j}", "") for j in range(k)))
        assert decoder.decode(pack(encode_series(encode_labels(labels[:60]), [(k, 1.0)]))).batch.rows.tolist() == [0]
    assert len(decoder._known) <= 4 * 4


def test_labels_that_go_on_behind_known_ones_are_read_to_their_end() -> None:
    """The guess where labels end finds a known series: more labels, next to them or behind samples, are its too."""
    name, job = encode_labels((("__name__", "up"),)), encode_labels((("job", "x"),))
    sample, exemplar = encode_series(b"", [(1000, 1.5)])[2:], b"\x1a\x02\x78\x01"
    short = encode_series(b"", [(5, 0.0)])[2:]
    labels = st.sampled_from([name, name + job])
    samples = st.sampled_from([sample, sample * 2, short, sample + exemplar, b"\x12\x00"])
    contents = st.lists(st.tuples(labels, samples, st.sampled_from([b"", job])), max_size=8)

    @given(contents)
    @hypothesis_settings(max_examples=200, deadline=None)
    def check(series: list[tuple[bytes, bytes, bytes]]) -> None:
        body = pack(b"".join(b"\x0a" + bytes([len(content)]) + content for content in map(b"".join, series)))
        table = SeriesTable(10)
        decoder = RemoteWriteDecoder(table)
        for _ in range(2):
            assert plain_of(decoder, table, body) == decode(body)

    check()


def test_labels_at_the_limit_are_kept_and_beyond_it_refused_each_time() -> None:
    table = SeriesTable(10)
    decoder = RemoteWriteDecoder(table, Limits(label_bytes_max=100, labels_per_series_max=2))
    fits, beyond = (encode_labels((("__name__", "a"), ("b", "x" * size))) for size in (105, 200))
    for _ in range(2):
        found = decoder.decode(pack(encode_series(fits, [(1, 1.0)]) + encode_series(beyond, [(1, 1.0)])))
        assert (len(found.batch), dict(found.refused)) == (1, {Refusal.TOO_MANY_LABELS: 1})
