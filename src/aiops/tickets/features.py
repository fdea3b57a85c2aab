"""What a classifier sees of a ticket: hashed words, hashed letter groups, the title's words, two vectors and the tone.

Each n-gram block is log term frequency times inverse document frequency, rows of length 1 (Salton, Buckley 1988).
Words know this company's names and codes, letter groups forgive typing mistakes, vectors know what words mean.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiops.tickets import ngrams, tone
from aiops.tickets.encoder import Vectors

VECTOR_WEIGHT = 1.5  # of the vectors beside the n-gram blocks of length 1: 1 to 2.5 made no difference beyond chance
TONE_WEIGHT = 0.5


class Block(NamedTuple):
    """Sparse rows (CSR): row i has values[starts[i]:starts[i + 1]] at these columns."""

    starts: NDArray[np.int64]  # (n + 1,)
    columns: NDArray[np.int32]
    values: NDArray[np.float32]


class Features(NamedTuple):
    """Of n texts; `blocks` in the order of `Idf`, `dense` is float32 (n, 2 * width + tone.SIZE)."""

    blocks: tuple[Block, Block, Block]
    dense: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Idf:
    """How rare each column is among the texts a model was fitted to: float32 (ngrams.SIZE,) per block."""

    word: NDArray[np.float32]
    char: NDArray[np.float32]
    title: NDArray[np.float32]

    @classmethod
    def fit(cls, titles: Sequence[str], texts: Sequence[str]) -> "Idf":
        """From the texts of the training part alone."""
        counts = (ngrams.word_counts(texts), ngrams.char_counts(texts), ngrams.word_counts(titles))
        return cls(*(_idf(one.columns, len(texts)) for one in counts))

    def features(self, titles: Sequence[str], texts: Sequence[str], vectors: Vectors) -> Features:
        """`texts` are title and body together; a text without a title has an empty one."""
        blocks = (
            _weighted(ngrams.word_counts(texts), self.word),
            _weighted(ngrams.char_counts(texts), self.char),
            _weighted(ngrams.word_counts(titles), self.title),
        )
        parts = (VECTOR_WEIGHT * vectors.sentence, VECTOR_WEIGHT * vectors.middle, TONE_WEIGHT * tone.tone(texts))
        return Features(blocks, np.hstack(parts).astype(np.float32))


def _idf(columns: NDArray[np.int32], texts: int) -> NDArray[np.float32]:
    seen_in = np.bincount(columns, minlength=ngrams.SIZE)
    idf: NDArray[np.float32] = (np.log((1 + texts) / (1 + seen_in)) + 1).astype(np.float32)
    return idf


def _weighted(counts: ngrams.Counts, idf: NDArray[np.float32]) -> Block:
    values = (1 + np.log(counts.counts)) * idf[counts.columns]
    rows = np.repeat(np.arange(len(counts.starts) - 1), np.diff(counts.starts))
    norms = np.sqrt(np.bincount(rows, values * values, minlength=len(counts.starts) - 1))
    return Block(counts.starts, counts.columns, (values / norms[rows]).astype(np.float32))
