"""The hashed n-grams against a slow obvious twin."""

from collections import Counter
from itertools import pairwise

import pytest

from aiops.tickets import ngrams

TEXTS = [
    "The VPN drops, the VPN drops again",
    "",
    "a",
    "Error 0x80070005 at srv-fra-04: C:\\temp\\x_1",
    "Größe über 10 – naïve 日本語 ticket",
    "x" * 500,
    " \n\t ",
]


def fnv_column(raw: bytes) -> int:
    """32-bit FNV-1a, then MurmurHash3's last mix, low 16 bits."""
    h = 2166136261
    for byte in raw:
        h = ((h ^ byte) * 16777619) & 0xFFFFFFFF
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        h = ((h ^ (h >> shift)) * factor) & 0xFFFFFFFF
    return (h ^ (h >> 16)) & 0xFFFF


def words(text: str) -> list[bytes]:
    raw = bytes(b if b >= 128 or chr(b).isalnum() or b == 95 else 32 for b in text.lower().encode())
    return [word for word in raw.split(b" ") if word]


def plain_words(text: str) -> Counter[int]:
    mine = words(text)
    pairs = [a + b" " + b for a, b in pairwise(mine)]
    return Counter(map(fnv_column, mine + pairs))


def plain_chars(text: str) -> Counter[int]:
    padded = [b" " + word + b" " for word in words(text)]
    return Counter(
        fnv_column(word[at : at + size])
        for word in padded
        for size in (2, 3, 4, 5)
        for at in range(len(word) - size + 1)
    )


def rows(counts: ngrams.Counts) -> list[dict[int, float]]:
    return [
        dict(zip(counts.columns[a:b].tolist(), counts.counts[a:b].tolist(), strict=True))
        for a, b in pairwise(counts.starts)
    ]


def test_words_and_pairs_are_those_of_the_twin() -> None:
    assert rows(ngrams.word_counts(TEXTS)) == [dict(plain_words(text)) for text in TEXTS]


def test_letter_groups_are_those_of_the_twin() -> None:
    assert rows(ngrams.char_counts(TEXTS)) == [dict(plain_chars(text)) for text in TEXTS]


def test_a_text_counts_the_same_alone_and_among_others() -> None:
    together = rows(ngrams.char_counts(TEXTS))
    assert [rows(ngrams.char_counts([text]))[0] for text in TEXTS] == together


@pytest.mark.parametrize(("first", "second"), [("vpn", "drops"), ("Größe", "über")])
def test_a_pairs_column_is_among_its_texts(first: str, second: str) -> None:
    (column,) = ngrams.pair_columns([(first, second)])
    assert column in ngrams.word_counts([f"{first} {second}"]).columns


def test_columns_rise_within_a_row() -> None:
    columns = ngrams.char_counts([TEXTS[0]]).columns
    assert (columns[1:] > columns[:-1]).all()
