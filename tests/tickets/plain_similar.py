"""The slow and obvious twin of the similarity search: the formula, item by item, with words instead of hashes."""

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from aiops.tickets.similar import PastItem, Projection

Weights = dict[str, float]


def plain_scores(
    items: Sequence[PastItem],
    vectors: NDArray[np.float32],
    projection: Projection,
    text: str,
    vector: NDArray[np.float32],
) -> NDArray[np.float64]:
    """The score of every item."""
    turned = projection.kept(vectors).astype(np.float64)
    center = turned.sum(axis=0) / (len(items) + 100)
    kept = turned - center
    kept /= np.linalg.norm(kept, axis=1, keepdims=True)
    asked = projection.kept(vector[None])[0] - center
    scores = kept @ (asked / np.linalg.norm(asked))
    for terms_of in (_words, _beginnings):
        scores += 0.5 * _cosines([item.joined for item in items], text, terms_of)
    near = kept @ kept.T
    np.fill_diagonal(near, -1)
    crowd = 0.5 * np.sort(near, axis=1)[:, -10:].mean(axis=1)
    return np.asarray((scores - (crowd - crowd.mean())) / 2)


def _cosines(texts: Sequence[str], text: str, terms_of: Callable[[str], list[str]]) -> NDArray[np.float64]:
    seen_in = Counter(term for one in texts for term in set(terms_of(one)))
    idf = {
        term: 0.0 if count > max(50, 0.2 * len(texts)) else float(np.log((2 + len(texts)) / (1 + count)))
        for term, count in seen_in.items()
    }

    def weights(one: str) -> Weights:
        unseen = float(np.log(2 + len(texts)))
        values = {term: (1 + np.log(count)) * idf.get(term, unseen) for term, count in Counter(terms_of(one)).items()}
        length = sum(value * value for value in values.values()) ** 0.5 or 1.0
        return {term: value / length for term, value in values.items()}

    asked = weights(text)
    return np.array([sum(asked.get(term, 0.0) * value for term, value in weights(one).items()) for one in texts])


def _words(text: str) -> list[str]:
    return re.findall(r"[0-9a-z_\x80-\U0010ffff]+", text.lower())


def _beginnings(text: str) -> list[str]:
    return [word.encode()[:5].decode(errors="replace") for word in _words(text)]
