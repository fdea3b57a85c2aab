"""Why a label: what each word, the meaning of the whole text and its tone add to the label's margin.

The heads are linear, so the margin is a sum and can be split without remainder. A word gets what its own column, half
of each pair it stands in and its letter groups add (a group that several words share is shared out evenly); the
vectors get one entry, "the meaning of the text", the tone another, and what every ticket starts from a third. Shown
are the largest; what is left is one entry, so that what is shown still adds up.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aiops.tickets import ngrams, tone
from aiops.tickets.classifier import Heads
from aiops.tickets.features import Block, Features
from aiops.tickets.ticket import Reason

SHOWN = 5
WORDS_MAX = 400  # further words of a long text are in the last entry only
_WORD = re.compile(r"[0-9A-Za-z_\x80-\U0010ffff]+")


class Words:
    """The words of one ticket and where their n-grams lie in its features; made once, asked for every output."""

    def __init__(self, title: str, text: str, features: Features) -> None:
        self._features = features
        words = _WORD.findall(text.lower())[:WORDS_MAX]
        self.words = list(dict.fromkeys(words))
        self._place = {word: k for k, word in enumerate(self.words)}
        pairs = sorted(set(pairwise(words)))
        titled = _WORD.findall(title.lower())
        title_pairs = sorted(set(pairwise(titled)))
        self._owners = [
            self._word_owners(features.blocks[0], self.words, pairs),
            self._char_owners(features.blocks[1]),
            self._word_owners(features.blocks[2], [w for w in dict.fromkeys(titled) if w in self._place], title_pairs),
        ]

    def _word_owners(
        self, block: Block, words: Sequence[str], pairs: Sequence[tuple[str, str]]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(position in the block, word) pairs: a word owns its column, a pair's column belongs to both."""
        alone = ngrams.word_counts(words)
        grams = [(int(alone.columns[k]), [self._place[word]]) for k, word in zip(alone.starts[:-1], words, strict=True)]
        for pair in pairs:
            if pair[0] in self._place and pair[1] in self._place:
                grams.append((ngrams.pair_column(*pair), [self._place[word] for word in pair]))
        return _owners(block, grams)

    def _char_owners(self, block: Block) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        counts = ngrams.char_counts(self.words)
        rows = np.repeat(np.arange(len(self.words)), np.diff(counts.starts))
        return _positions(block, counts.columns, rows)

    def reasons(self, heads: Heads, column: int, row: int = 0) -> tuple[Reason, ...]:
        """The largest contributions to one column of the heads, then the rest; the weights add up to the margin."""
        share = np.zeros(len(self.words))
        total = 0.0
        for block, weights, (positions, owners) in zip(self._features.blocks, heads.blocks, self._owners, strict=True):
            start, stop = block.starts[row], block.starts[row + 1]
            part = block.values[start:stop] * weights[block.columns[start:stop], column].astype(np.float64)
            total += float(part.sum())
            each = np.bincount(positions, minlength=stop - start)
            np.add.at(share, owners, part[positions] / np.maximum(each[positions], 1))
        dense = self._features.dense[row] * heads.dense[:, column]
        meaning, feeling = float(dense[: -tone.SIZE].sum()), float(dense[-tone.SIZE :].sum())
        named = [Reason("word", word, float(weight)) for word, weight in zip(self.words, share, strict=True)]
        named += [Reason("meaning", "the meaning of the text", meaning), Reason("tone", "its tone", feeling)]
        named.sort(key=lambda reason: -abs(reason.weight))
        shown = named[:SHOWN]
        margin = total + meaning + feeling + float(heads.bias[column])
        rest = margin - sum(reason.weight for reason in shown)
        return (*shown, Reason("rest", "all else, and what every ticket starts from", rest))


def _owners(block: Block, grams: Sequence[tuple[int, list[int]]]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    columns = np.array([column for column, owners in grams for _ in owners], np.int32)
    rows = np.array([owner for _, owners in grams for owner in owners], np.intp)
    return _positions(block, columns, rows)


def _positions(
    block: Block, columns: NDArray[np.int32], rows: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each column lies in the (single) row of the block, with its owner; columns not there are left out."""
    if not len(block.columns) or not len(columns):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    place = np.searchsorted(block.columns, columns).clip(max=len(block.columns) - 1)
    there = block.columns[place] == columns
    return place[there], rows[there]
