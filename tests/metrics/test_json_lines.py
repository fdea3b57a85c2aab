"""JSON samples: one bad sample is refused by itself, the others are kept."""

import numpy as np
import pytest

from aiops.errors import InputError, TooLargeError
from aiops.metrics.json_lines import decode_json, decode_ndjson
from aiops.metrics.remote_write import Limits
from aiops.metrics.series import SeriesTable, canonical
from aiops.metrics.write_result import Refusal

NOW_MS = 1_780_000_000_000


def test_all_ways_to_name_a_series_are_one() -> None:
    table = SeriesTable(10)
    body = b"""[{"series": "cpu{host=\\"a\\"}", "value": 1}, {"labels": {"__name__": "cpu", "host": "a"}, "value": 2},
                {"name": "cpu", "labels": {"host": "a"}, "value": 3}]"""
    found = decode_json(body, table, Limits(), NOW_MS)
    assert found.batch.rows.tolist() == [0, 0, 0]
    assert table.labels(0) == canonical({"__name__": "cpu", "host": "a"})
    assert found.batch.time_ms.tolist() == [NOW_MS] * 3


def test_values_that_json_cannot_say_are_nan_or_words() -> None:
    body = b'[{"series": "a", "value": null}, {"series": "a", "value": "NaN"}, {"series": "a", "value": "-Infinity"}]'
    values = decode_json(body, SeriesTable(1), Limits(), NOW_MS).batch.values
    assert np.isnan(values[:2]).all()
    assert values[2] == -np.inf


def test_a_declared_counter_is_one() -> None:
    table = SeriesTable(2)
    body = b'[{"series": "a", "value": 1, "type": "counter"}, {"series": "b_total", "value": 1}]'
    decode_json(body, table, Limits(), 0)
    assert table.is_counter.tolist() == [True, True]


@pytest.mark.parametrize(
    ("sample", "reason", "said"),
    [
        ('{"series": "a"}', Refusal.BAD_SAMPLE, "value is missing"),
        ('{"series": "a", "value": "many"}', Refusal.BAD_SAMPLE, "value"),
        ('{"series": "a", "value": 1, "time": 3}', Refusal.BAD_SAMPLE, "unknown key 'time'; known here: value, series"),
        ('{"series": "a", "value": 1, "timestamp": "yesterday"}', Refusal.BAD_SAMPLE, "yesterday"),
        ('{"series": "a", "value": 1, "timestamp": 1e30}', Refusal.BAD_SAMPLE, "range"),
        ('{"value": 1}', Refusal.BAD_LABELS, "name the series"),
        ('{"series": "a{b=~\\"c\\"}", "value": 1}', Refusal.BAD_LABELS, "one series"),
        ('{"series": "a{b", "value": 1}', Refusal.BAD_LABELS, "does not end"),
        ("7", Refusal.BAD_SAMPLE, "object"),
        ('{"series": "a", "value": "1"}', Refusal.BAD_SAMPLE, "value must be a number"),
        ('{"series": 5, "value": 1}', Refusal.BAD_SAMPLE, "series must be text"),
        ('{"labels": {"a": 1}, "value": 1}', Refusal.BAD_SAMPLE, "labels must be an object"),
    ],
)
def test_a_bad_sample_is_refused_by_itself(sample: str, reason: Refusal, said: str) -> None:
    body = f'{{"samples": [{{"series": "ok", "value": 1}}, {sample}, {{"series": "ok", "value": 2}}]}}'.encode()
    found = decode_json(body, SeriesTable(5), Limits(), NOW_MS)
    assert found.index.tolist() == [0, -1, 1]
    ((position, why, sentence, _),) = found.refusals
    assert (position, why) == (1, reason)
    assert said in sentence


def test_labels_beyond_the_limits_are_refused() -> None:
    labels = ", ".join(f'"l{k}": "x"' for k in range(65))
    found = decode_json(f'[{{"labels": {{{labels}}}, "value": 1}}]'.encode(), SeriesTable(5), Limits(), NOW_MS)
    assert found.refusals[0][1] == Refusal.TOO_MANY_LABELS
    long = decode_json(f'[{{"series": "{"x" * 9000}", "value": 1}}]'.encode(), SeriesTable(5), Limits(), NOW_MS)
    assert long.refusals[0][1] == Refusal.TOO_MANY_LABELS


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"sample": []}', b'"text"', b"[" * 5000 + b"]" * 5000, b'{"samples": ' + b"[" * 5000, b"\xff\xfe"],
)
def test_what_is_no_json_of_this_shape_is_an_error(body: bytes) -> None:
    found = None
    with pytest.raises(InputError):
        found = decode_json(body, SeriesTable(5), Limits(), NOW_MS)
        if found.refusals:  # nested lists are samples of the wrong shape
            raise InputError(found.refusals[0][2])
    assert found is None or len(found.batch) == 0


def test_lines_are_samples_and_empty_lines_are_none() -> None:
    body = b'{"series": "a", "value": 1}\n\n{"series": "a", "value": \n{"series": "a", "value": 3}\n'
    found = decode_ndjson(body, SeriesTable(5), Limits(), NOW_MS)
    assert found.batch.values.tolist() == [1, 3]
    assert found.refusals[0][0] == 1


def test_too_many_samples_are_refused_as_a_whole() -> None:
    with pytest.raises(TooLargeError):
        decode_ndjson(b'{"series": "a", "value": 1}\n' * 11, SeriesTable(5), Limits(samples_per_request_max=10), NOW_MS)


def test_an_empty_body_is_said_to_be_empty() -> None:
    with pytest.raises(InputError, match="body is empty"):
        decode_json(b" ", SeriesTable(1), Limits(), 0)
    with pytest.raises(InputError, match="not JSON: it ends early"):
        decode_json(b'{"samples": [', SeriesTable(1), Limits(), 0)


BARE = b"""[{"series": "a", "value": NaN}, {"series": "b", "value" : -Infinity}, {"series": "c", "value": Infinity},
          {"series": "NaN, \\"Infinity\\": NaN", "value": 4}, {"series": "e", "value": 5, "timestamp": NaN},
          {"series": NaN, "value": 6}, {"series": "g", "value": 7}]"""


def test_bare_nan_and_infinity_are_values_and_nothing_else() -> None:
    """As json.dumps of Python writes them."""
    table = SeriesTable(10)
    found = decode_json(BARE, table, Limits(), NOW_MS)
    assert found.index.tolist() == [0, 1, 2, 3, -1, -1, 4]
    assert np.array_equal(found.batch.values, [np.nan, -np.inf, np.inf, 4, 7], equal_nan=True)
    assert table.labels(3) == (("__name__", 'NaN, "Infinity": NaN'),)
    assert [one.sentence.split(": ")[1].split(" must")[0] for one in found.refusals] == ["timestamp", "series"]
    in_object = decode_json(b'{"samples": ' + BARE + b"}", table, Limits(), NOW_MS)
    assert in_object.index.tolist() == found.index.tolist()


def test_bare_nan_on_a_line_is_a_value() -> None:
    body = b'{"series": "a", "value": NaN}\n{"series": "b", "value": -Infinity}\n{"series": "c", "value": Nan}\n'
    found = decode_ndjson(body, SeriesTable(5), Limits(), NOW_MS)
    assert np.array_equal(found.batch.values, [np.nan, -np.inf], equal_nan=True)
    assert [one.position for one in found.refusals] == [2]


@pytest.mark.parametrize(
    "body",
    [
        b'["' + b'\\"' * 200_000 + b" NaN",
        b"[NaN" + b'"' * 200_001,
        b"[" + b"NaN," * 200_000,
        b"[NaN," + b"[" * 200_000,
        b'[NaN, "value"' + b" " * 200_000,
        b"[NaN" + b"NI" * 200_000,
    ],
)
def test_what_looks_like_bare_words_is_read_in_one_pass(body: bytes) -> None:
    """A reader that goes back at each quote would take minutes: the limit of a test."""
    with pytest.raises(InputError):
        decode_json(body, SeriesTable(5), Limits(), NOW_MS)


def test_an_unknown_key_beside_samples_is_named() -> None:
    with pytest.raises(InputError, match="unknown key 'sample' beside samples"):
        decode_json(b'{"sample": [], "samples": []}', SeriesTable(1), Limits(), NOW_MS)


def test_a_refused_sample_repeats_its_series() -> None:
    body = b"""[{"series": "a{b=\\"c\\"}", "value": "x"}, {"labels": {"__name__": "n", "h": "1"}, "value": []},
                {"name": "m"}, {"series": "a{", "value": 1}, {"series": 5}, 7, {"series": "late", "value": 1}]"""
    found = decode_json(body, SeriesTable(0), Limits(), NOW_MS)
    assert [one.series for one in found.refusals] == ['a{b="c"}', 'n{h="1"}', "m", "a{", None, None, "late"]


def test_bytes_that_are_no_text_are_told_in_plain_words() -> None:
    with pytest.raises(InputError, match="not UTF-8"):
        decode_json(b'{"samples\xff": []}', SeriesTable(1), Limits(), NOW_MS)
    found = decode_ndjson(b'{"series": "\xff", "value": 1}\n', SeriesTable(1), Limits(), NOW_MS)
    assert "not UTF-8" in found.refusals[0].sentence
