"""What was decided since the model was trained counts at once: by the nearest decided tickets, and by how often.

Two corrections of a model's probabilities, both plain to see and gone with the decisions they came from. Memory: a
ticket near a decided one (cosine of sentence vectors) leans towards its label, an exact copy by half, and a label that
the model never knew can be answered. Prior shift: labels decided more often than the model expected on the same
tickets become likelier everywhere (Saerens, Latinne, Decaestecker 2002, with shrinkage in place of their iteration).
At the next training both start empty: the model has learned the decisions by then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 10
COSINE_SCALE = 0.05  # a neighbour less near by this much has 1/e of the say
SAY_HALF = 1.0  # so much say, that of one exact copy, gives memory half of the answer
SHIFT_ROWS = 50  # decided tickets at which the shift is half believed
SHIFT_MAX = 3.0


class Answers(NamedTuple):
    """Probabilities float64 (n, classes) that sum to 1."""

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class InstantMemory:
    """Decided tickets of one output. `expected` is what the model answered them: its classes and (m, classes)."""

    vectors: NDArray[np.float32]  # (m, d), rows of length 1
    labels: tuple[str, ...]  # (m,)
    expected: Answers

    def answer(self, model: Answers, sentence: NDArray[np.float32]) -> Answers:
        """The model's answers to n texts with sentence vectors (n, d), corrected."""
        if not self.labels:
            return model
        classes = (*model.classes, *sorted(set(self.labels) - set(model.classes)))
        place = {name: k for k, name in enumerate(classes)}
        known = np.array([place[label] for label in self.labels])
        found = np.zeros((len(sentence), len(classes)))
        found[:, : len(model.classes)] = model.probabilities * self._shift(model.classes)
        found /= found.sum(1, keepdims=True)
        near, say = self.recall(sentence)
        vote = np.zeros_like(found)
        np.add.at(vote, (np.arange(len(sentence))[:, None], known[near]), say)
        total = say.sum(1, keepdims=True)
        share = total / (total + SAY_HALF)
        return Answers(classes, (1 - share) * found + share * vote / np.maximum(total, 1e-30))

    def recall(self, sentence: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Which decided tickets speak for each text, and how loud: (n, k) each."""
        cosine = sentence @ self.vectors.T
        k = min(NEIGHBOURS, len(self.labels))
        near = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        say = np.exp((np.take_along_axis(cosine, near, 1).astype(np.float64) - 1) / COSINE_SCALE)
        return near, say

    def _shift(self, classes: Sequence[str]) -> NDArray[np.float64]:
        """(classes,): by how much each became likelier."""
        place = {name: k for k, name in enumerate(self.expected.classes)}
        expected = np.array(
            [self.expected.probabilities[:, place[name]].mean() if name in place else 0.0 for name in classes]
        )
        seen = np.array([self.labels.count(name) / len(self.labels) for name in classes])
        trusted = len(self.labels) / (len(self.labels) + SHIFT_ROWS)
        floor = 1 / (len(self.labels) + SHIFT_ROWS)
        ratio = (seen + floor) / (expected + floor)
        shift: NDArray[np.float64] = np.clip(ratio, 1 / SHIFT_MAX, SHIFT_MAX) ** trusted
        return shift
