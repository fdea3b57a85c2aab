"""Vectors of the shipped encoder."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from aiops.desk import ENCODER, shipped_models
from aiops.tickets.encoder import Encoder

TEXTS = ["VPN drops every ten minutes", "the vpn connection keeps dropping", "please order a new chair"]


def test_vectors_have_length_one_and_know_meaning(encoder: Encoder) -> None:
    sentence, middle = encoder.encode(TEXTS)
    assert sentence.shape == middle.shape == (3, encoder.width)
    np.testing.assert_allclose(np.linalg.norm(sentence, axis=1), 1, atol=1e-3)
    assert sentence[0] @ sentence[1] > 0.5 > sentence[0] @ sentence[2]


def test_a_text_is_encoded_the_same_with_the_memory_on_and_off() -> None:
    on = Encoder.load(shipped_models() / ENCODER)
    off = Encoder.load(shipped_models() / ENCODER, cache_texts_max=0)
    on.encode(TEXTS[:1])
    for encoder in (on, on, off):
        np.testing.assert_array_equal(encoder.encode(TEXTS[:1]).sentence, off.encode(TEXTS[:1]).sentence)


def test_the_memory_forgets_the_oldest() -> None:
    encoder = Encoder.load(shipped_models() / ENCODER, cache_texts_max=2)
    encoder.encode(TEXTS)
    assert len(encoder._cache) == 2


def test_texts_come_back_in_their_order_whatever_their_length(encoder: Encoder) -> None:
    texts = ["word " * (40 - k) for k in range(40)]
    whole = encoder.encode(texts).sentence
    np.testing.assert_allclose(whole[7], encoder.encode([texts[7]]).sentence[0], atol=1e-6)


def test_a_text_does_not_depend_on_its_company() -> None:
    texts = [*TEXTS, "Traceback: psycopg.OperationalError at 10.0.3.7:5432 !!!", "ok"]
    encoder = Encoder.load(shipped_models() / ENCODER, cache_texts_max=0)
    for view, alone in zip(encoder.encode(texts), encoder.encode(texts[:1]), strict=True):
        np.testing.assert_array_equal(view[0], alone[0])


def test_no_text_gives_no_rows(encoder: Encoder) -> None:
    assert encoder.encode([]).sentence.shape == (0, encoder.width)


def test_requests_side_by_side_share_a_memory_too_small_for_them() -> None:
    encoder = Encoder.load(shipped_models() / ENCODER, cache_texts_max=1)
    alone = {text: encoder.encode([text]).sentence[0] for text in TEXTS}
    with ThreadPoolExecutor(4) as pool:
        for text, found in pool.map(lambda text: (text, encoder.encode([text, text])), TEXTS * 20):
            np.testing.assert_allclose(found.sentence[1], alone[text], atol=1e-6)
