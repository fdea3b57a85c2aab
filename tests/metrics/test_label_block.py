"""Labels come back as they were, share their pairs, and nothing else is taken for them."""

import cramjam
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from aiops.metrics.label_block import decode_block, encode_block
from aiops.metrics.series import Labels, canonical

WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
LABELS = st.dictionaries(st.sampled_from(["__name__", "job", "instance"]) | WORDS, WORDS, max_size=4).map(canonical)


@given(st.lists(st.tuples(LABELS, st.booleans()), max_size=20))
@hypothesis_settings(max_examples=200, deadline=None)
def test_labels_come_back(entries: list[tuple[Labels, bool]]) -> None:
    series, is_counter = [labels for labels, _ in entries], np.array([counter for _, counter in entries], np.bool_)
    again, counters = decode_block(encode_block(series, is_counter))
    assert again == series
    np.testing.assert_array_equal(counters, is_counter)


def many(count: int) -> list[Labels]:
    return [canonical({"__name__": "up", "job": "shop", "pod": f"pod-{k}"}) for k in range(count)]


def test_what_comes_back_keeps_a_pair_once() -> None:
    series, _ = decode_block(encode_block(many(100), np.zeros(100, np.bool_)))
    assert len({id(labels[1]) for labels in series}) == 1


def test_repeated_pairs_take_few_bytes() -> None:
    text = sum(len(key) + len(value) for labels in many(1000) for key, value in labels)
    assert len(encode_block(many(1000), np.zeros(1000, np.bool_))) < text / 5


@pytest.mark.parametrize("part", range(6))
def test_a_block_whose_parts_do_not_fit_is_refused(part: int) -> None:
    block = msgspec.msgpack.decode(cramjam.zstd.decompress(encode_block(many(9), np.zeros(9, np.bool_))))
    block[part] = block[part][: len(block[part]) // 9 * 4]
    with pytest.raises(ValueError, match=r"block|zip"):
        decode_block(bytes(cramjam.zstd.compress(msgspec.msgpack.encode(block), 1)))


@pytest.mark.parametrize("data", [b"", b"text", bytes(cramjam.zstd.compress(b"text", 1))])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no block of labels"):
        decode_block(data)
