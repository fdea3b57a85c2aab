"""Linear heads over the features of a ticket, a vote of the nearest known tickets, and how far to trust both.

All outputs of a bundle (category, urgency, ...) share one matrix, so that reading a ticket's n-grams once scores them
all. To its margins the ten nearest known texts add their votes: heads generalise, neighbours remember (as Khandelwal
et al. 2020, ICLR, do for language models). A margin is not a probability: the top label's is the answer of a small
logistic model ("is the top label right?") that was fitted on held-out folds to five signs: its temperature-scaled
probability, its margin, the gap to the second, and how many of the nearest known texts carry the same label and how
near they are. Below a threshold, also chosen on held-out folds, the output abstains: asked for 90 % precision, what is
still answered is right nine times in ten.

What is no ticket at all is told by three signs that need no example of it (z-scores against held-out tickets,
summed): the top probability, the mean similarity to the ten nearest known texts, and the relative Mahalanobis
distance (Ren et al. 2021, arXiv:2106.09022).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aiops.tickets.features import Features

NEIGHBOURS = 10
NEIGHBOUR_COSINE = 0.05  # a neighbour less near by this much has 1/e of the say
VOTE_FLOOR = 0.01  # a label with this share of the say, or less, gains nothing
ROWS = 512  # texts compared with the memory at a time
PRECISIONS = np.round(np.arange(0.50, 1.0, 0.01), 2)  # the dial: a threshold is kept for each
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Output:
    """One question and what is known of answering it."""

    name: str
    classes: tuple[str, ...]
    temperature: float
    trust: NDArray[np.float64]  # (6,): weights of the five signs, then the bias
    thresholds: NDArray[np.float64]  # (len(PRECISIONS),): the least probability answered at that precision
    memory_labels: NDArray[np.int16]  # (m,): class of each remembered text, -1 for none
    votes: float  # weight of the neighbours' votes beside the heads' margins


@dataclass(frozen=True, slots=True)
class Scope:
    """What a text must resemble to be a ticket. All in the space of sentence vectors of width d."""

    center: Floats  # (d,)
    whole: Floats  # (d, d): (x - center) @ whole has unit covariance over all texts
    within: Floats  # (d, d): the same within classes
    class_means: Floats  # (classes, d)
    sign_means: NDArray[np.float64]  # (3,)
    sign_scales: NDArray[np.float64]  # (3,)
    threshold: float  # sums below are no ticket


class Neighbours(NamedTuple):
    """The nearest remembered texts, nearest first: (n, NEIGHBOURS) each."""

    place: NDArray[np.intp]
    cosine: Floats


class Prediction(NamedTuple):
    """One output for n texts. Probabilities are float64 (n, classes) and sum to 1."""

    classes: tuple[str, ...]
    margins: Floats  # heads and votes together
    probabilities: NDArray[np.float64]
    top: NDArray[np.intp]  # (n,)
    confidence: NDArray[np.float64]  # (n,): that of the top label
    votes: Floats  # (n, classes): the neighbours' part of the margins


@dataclass(frozen=True, slots=True)
class Heads:
    """Weights of all outputs side by side; `columns` says which belong to which."""

    blocks: tuple[NDArray[np.float16], NDArray[np.float16], NDArray[np.float16]]  # (ngrams.SIZE, k) each
    dense: Floats  # (dense features, k)
    bias: Floats  # (k,)
    columns: Mapping[str, slice]

    def margins(self, features: Features) -> Floats:
        """float32 (n, k)."""
        total: Floats = features.dense @ self.dense + self.bias
        for block, weights in zip(features.blocks, self.blocks, strict=True):
            for row in range(len(total)):
                at = slice(block.starts[row], block.starts[row + 1])
                total[row] += block.values[at] @ weights[block.columns[at]].astype(np.float32)
        return total


@dataclass(frozen=True, slots=True)
class Classifier:
    """Everything that answers; immutable, so that threads share it and a swap is one assignment."""

    heads: Heads
    outputs: Mapping[str, Output]
    memory: Floats  # (m, d): sentence vectors of remembered texts, rows of length 1
    scope: Scope | None
    scope_output: str  # whose top probability is the first sign of the scope

    def neighbours(self, sentence: Floats) -> Neighbours:
        """Of (n, d) sentence vectors."""
        return nearest(sentence, self.memory)

    def predict(self, features: Features, near: Neighbours) -> dict[str, Prediction]:
        """Every output for every text."""
        margins = self.heads.margins(features)
        return {
            name: predict(output, margins[:, self.heads.columns[name]], near) for name, output in self.outputs.items()
        }

    def scope_scores(self, sentence: Floats, near: Neighbours, predictions: Mapping[str, Prediction]) -> Floats:
        """float64 (n,): below `scope.threshold` a text is probably no ticket. Zeros where no scope was fitted."""
        if self.scope is None:
            return np.zeros(len(sentence), np.float32)
        prediction, output = predictions[self.scope_output], self.outputs[self.scope_output]
        signs = scope_signs(self.scope, sentence, near, prediction.margins, output.temperature)
        scores: Floats = ((signs - self.scope.sign_means) / self.scope.sign_scales).sum(1)
        return scores


def nearest(sentence: Floats, memory: Floats) -> Neighbours:
    """The NEIGHBOURS rows of `memory` (m, d) nearest to each of `sentence` (n, d); fewer where m is less."""
    k = min(NEIGHBOURS, len(memory))
    place, cosine = np.empty((len(sentence), k), np.intp), np.empty((len(sentence), k), np.float32)
    for start in range(0, len(sentence) if k else 0, ROWS):
        at = slice(start, start + ROWS)
        cosines = sentence[at] @ memory.T
        index = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        picked = np.take_along_axis(cosines, index, 1)
        order = np.argsort(-picked, axis=1, kind="stable")
        place[at], cosine[at] = np.take_along_axis(index, order, 1), np.take_along_axis(picked, order, 1)
    return Neighbours(place, cosine)


def votes(near: Neighbours, labels: NDArray[np.int16], classes: int) -> Floats:
    """float32 (n, classes), 0 and more: log of 1 + the share of the neighbours' say in units of VOTE_FLOOR. The nearer
    a neighbour, the more it says; one without a label says nothing."""
    rows = len(near.place)
    if not near.place.size:
        return np.zeros((rows, classes), np.float32)
    known = labels[near.place]
    say = np.exp((near.cosine.astype(np.float64) - 1) / NEIGHBOUR_COSINE) * (known >= 0)
    say /= np.maximum(say.sum(1, keepdims=True), 1e-30)
    column = np.arange(rows)[:, None] * classes + np.maximum(known, 0)
    share = np.bincount(column.ravel(), say.ravel(), minlength=rows * classes).reshape(rows, classes)
    found: Floats = np.log1p(share / VOTE_FLOOR).astype(np.float32)
    return found


def softmax(margins: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Rows that sum to 1."""
    scaled = margins.astype(np.float64) / temperature
    raised = np.exp(scaled - scaled.max(1, keepdims=True))
    probabilities: NDArray[np.float64] = raised / raised.sum(1, keepdims=True)
    return probabilities


def trust_signs(
    margins: NDArray[np.floating], temperature: float, near: Neighbours, labels: NDArray[np.int16]
) -> NDArray[np.float64]:
    """float64 (n, 5): logit of the top probability, top margin, gap, share of neighbours that agree, their cosine."""
    probabilities = softmax(margins, temperature)
    order = np.sort(margins, 1)
    top, p1 = margins.argmax(1), probabilities.max(1).clip(1e-6, 1 - 1e-6)
    known = labels[near.place] if near.place.size else np.full((len(margins), 1), -1, np.int16)
    agree = (known == top[:, None]).sum(1) / np.maximum((known >= 0).sum(1), 1)
    cosine = near.cosine.mean(1) if near.cosine.size else np.zeros(len(margins))
    gap = order[:, -1] - order[:, -2] if margins.shape[1] > 1 else order[:, -1]
    return np.column_stack([np.log(p1 / (1 - p1)), order[:, -1], gap, agree, cosine])


def predict(output: Output, margins: Floats, near: Neighbours) -> Prediction:
    """Margins of the heads, and the neighbours' votes -> labels and probabilities."""
    voted = np.float32(output.votes) * votes(near, output.memory_labels, len(output.classes))
    margins = margins + voted
    probabilities = softmax(margins, output.temperature)
    top = margins.argmax(1)
    signs = trust_signs(margins, output.temperature, near, output.memory_labels)
    confidence = 1 / (1 + np.exp(-(signs @ output.trust[:-1] + output.trust[-1])))
    rows = np.arange(len(top))
    rest = np.maximum(1 - probabilities[rows, top], 1e-12)
    probabilities *= ((1 - confidence) / rest)[:, None]  # the others share what the top leaves
    probabilities[rows, top] = confidence
    return Prediction(output.classes, margins, probabilities, top, confidence, voted)


def threshold(output: Output, precision: float) -> float:
    """The least confidence answered where `precision` (.5 to .99) is asked for; 0 asks for nothing."""
    if precision <= 0:
        return 0.0
    return float(output.thresholds[min(int(np.searchsorted(PRECISIONS, precision - 1e-9)), len(PRECISIONS) - 1)])


def scope_signs(
    scope: Scope, sentence: Floats, near: Neighbours, margins: Floats, temperature: float
) -> NDArray[np.float64]:
    """float64 (n, 3), each larger for what is surely a ticket."""
    p1 = softmax(margins, temperature).max(1).clip(1e-6, 1 - 1e-6)
    whole = ((sentence - scope.center) @ scope.whole) ** 2
    inside = sentence @ scope.within
    means = scope.class_means @ scope.within
    squared = (inside**2).sum(1)[:, None] - 2 * inside @ means.T + (means**2).sum(1)
    return np.column_stack([np.log(p1 / (1 - p1)), near.cosine.mean(1), whole.sum(1) - squared.min(1)])
