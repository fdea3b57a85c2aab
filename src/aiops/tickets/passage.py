"""Which sentence of a past ticket a new one is about: the one whose words are worth most to the new one."""

from collections.abc import Sequence

import numpy as np
import re2
from numpy.typing import NDArray

from aiops.tickets.terms import terms

SENTENCES_MAX = 50
PASSAGE_CHARS_MAX = 300
_END = re2.compile(r"[.!?]+\s+|\n+")


def passages(texts: Sequence[str], asked: NDArray[np.float32]) -> list[str]:
    """One sentence per text, empty where it has none. `asked` (terms.SIZE,) is what a term is worth."""
    pieces = [[one for one in map(str.strip, _END.split(text)) if one][:SENTENCES_MAX] for text in texts]
    sentences = [one for text in pieces for one in text]
    if not sentences:
        return [""] * len(texts)
    found = terms(sentences)
    row = np.repeat(np.arange(len(sentences)), np.diff(found.starts))
    sums = np.bincount(row, asked[found.columns], minlength=len(sentences))
    worth = sums / np.sqrt(1 + np.diff(found.starts))  # a long sentence has more words by itself
    best, at = [], 0
    for text in pieces:
        own = worth[at : at + len(text)]
        best.append(text[int(own.argmax())][:PASSAGE_CHARS_MAX] if text else "")
        at += len(text)
    return best
