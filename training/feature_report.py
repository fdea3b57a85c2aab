"""Which words speak for which class: what a model learned, for people to nod at or to frown over.

Columns are hashed, so the words come from the tickets it learned from; only words of several tickets are shown, after
redaction, so that no name of one ticket is.
"""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from aiops.tickets import ngrams
from aiops.tickets.classifier import Classifier
from aiops.tickets.features import Idf

TICKETS_MIN = 5
WORDS_MAX = 20_000
SHOWN = 12
BLOCKS = ("words", "letter groups", "title words")


def feature_report(classifier: Classifier, idf: Idf, texts: Sequence[str]) -> str:
    """Markdown: per output and class the words that speak for it most, and where the weight lies."""
    seen: Counter[str] = Counter()
    for text in texts:
        seen.update(set(re.findall(r"\w[\w.-]*\w", text.lower())))
    words = sorted(word for word, count in seen.most_common(WORDS_MAX) if count >= TICKETS_MIN)
    counts = ngrams.word_counts(words)
    single = np.flatnonzero(np.diff(counts.starts) == 1)
    column = counts.columns[counts.starts[single]]
    lines = [f"Words of at least {TICKETS_MIN} tickets, the strongest first."]
    for name, output in classifier.outputs.items():
        at = classifier.heads.columns[name]
        blocks = [block[:, at].astype(np.float32) for block in classifier.heads.blocks]
        size = [float(np.square(block).sum()) for block in blocks] + [
            float(np.square(classifier.heads.dense[:, at]).sum())
        ]
        shares = ", ".join(
            f"{what} {share / sum(size):.0%}" for what, share in zip((*BLOCKS, "vectors and tone"), size, strict=True)
        )
        lines += ["", f"## {name}", "", f"Squared weight by kind of feature: {shares}.", ""]
        strength = blocks[0][column] * idf.word[column, None]
        for k, label in enumerate(output.classes):
            order = np.argsort(-strength[:, k], kind="stable")[:SHOWN]
            said = ", ".join(words[single[i]] for i in order if strength[i, k] > 0)
            lines.append(f"- **{label}**: {said or '(no single word)'}")
    return "\n".join(lines) + "\n"
