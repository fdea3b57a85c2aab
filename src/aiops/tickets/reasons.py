"""Why a label: what each word, the meaning of the whole text and its tone add to the label's margin.

The heads are linear, so the margin is a sum and can be split without remainder; the votes of the nearest known tickets
are one more entry. A word gets what its own column, half of each pair it stands in and its letter groups add (a group
that several words share is shared out evenly); the vectors get one entry, "the meaning of the text", the tone another,
and what every ticket starts from a third. Shown are the largest; what is left is one entry, so that what is shown still
adds up.
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
_DENSE = (("meaning", "the meaning of the text"), ("tone", "its tone"))
_NOT_WORDS = (*_DENSE, ("neighbours", "the tickets nearest to it"))
_WORD = re.compile(r"[0-9A-Za-z_\x80-\U0010ffff]+")


class Words:
    """The words of one ticket and where their n-grams lie in its features; made once, asked for every output."""

    def __init__(self, title: str, text: str, features: Features) -> None:
        self._features = features  # of one ticket
        self._parts: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
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
        known = [pair for pair in pairs if pair[0] in self._place and pair[1] in self._place]
        beside = ngrams.pair_columns(known)
        owners = [self._place[word] for word in words] + [self._place[word] for pair in known for word in pair]
        columns = np.concatenate([alone.columns[alone.starts[:-1]], np.repeat(beside, 2)])
        return _positions(block, columns, np.array(owners, np.intp))

    def _char_owners(self, block: Block) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        counts = ngrams.char_counts(self.words)
        rows = np.repeat(np.arange(len(self.words)), np.diff(counts.starts))
        return _positions(block, counts.columns, rows)

    def reasons(self, heads: Heads, column: int, votes: float = 0.0) -> tuple[Reason, ...]:
        """The largest contributions to one column of the heads, then the rest; with `votes`, the neighbours' part, the
        weights add up to the margin."""
        if self._parts is None:
            self._parts = self._all_parts(heads)
        parts, margins = self._parts
        weights = np.append(parts[:, column], votes)
        order = np.argsort(-np.abs(weights), kind="stable")[:SHOWN].tolist()
        shown = [Reason(*self._name(k), float(weights[k])) for k in order]
        rest = float(margins[column]) + votes - sum(reason.weight for reason in shown)
        return (*shown, Reason("rest", "all else, and what every ticket starts from", rest))

    def _name(self, k: int) -> tuple[str, str]:
        named = len(self.words)
        return ("word", self.words[k]) if k < named else _NOT_WORDS[k - named]

    def _all_parts(self, heads: Heads) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(words, then meaning and tone; k) contributions and (k,) margins, of all columns at once: weights lie row by
        row in memory, so that one column costs nearly what all of them do."""
        named, dense = len(self.words), self._features.dense[0]
        parts = np.zeros((named + len(_DENSE), heads.dense.shape[1]))
        parts[named] = dense[: -tone.SIZE] @ heads.dense[: -tone.SIZE]
        parts[named + 1] = dense[-tone.SIZE :] @ heads.dense[-tone.SIZE :]
        margins = parts[named] + parts[named + 1] + heads.bias
        for block, weights, (positions, owners) in zip(self._features.blocks, heads.blocks, self._owners, strict=True):
            part = block.values[:, None] * weights[block.columns].astype(np.float64)
            margins += part.sum(0)
            if len(positions):
                part /= np.maximum(np.bincount(positions, minlength=len(part)), 1)[:, None]
                order = np.argsort(owners, kind="stable")
                first = np.flatnonzero(np.diff(owners[order], prepend=-1))
                parts[owners[order[first]]] += np.add.reduceat(part[positions[order]], first)
        return parts, margins


def _positions(
    block: Block, columns: NDArray[np.int32], rows: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where each column lies in the (single) row of the block, with its owner; columns not there are left out."""
    if not len(block.columns) or not len(columns):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    place = np.searchsorted(block.columns, columns).clip(max=len(block.columns) - 1)
    there = block.columns[place] == columns
    return place[there], rows[there]
