"""Decisions count at once, by nearness and by number, and leave no trace when they are taken back."""

import numpy as np
import pytest

from aiops.learning.instant import Answers, InstantMemory

CLASSES = ("access", "network")


def unit(*values: float) -> np.ndarray:
    row = np.array([values], np.float32)
    return row / np.linalg.norm(row)


def memory(vectors: list[np.ndarray], labels: list[str], expected: float = 0.5) -> InstantMemory:
    said = np.tile([expected, 1 - expected], (len(labels), 1))
    rows = np.concatenate(vectors) if vectors else np.empty((0, 2), np.float32)
    return InstantMemory(rows, tuple(labels), Answers(CLASSES, said))


SURE = Answers(CLASSES, np.array([[0.7, 0.3]]))


def test_nothing_decided_changes_nothing() -> None:
    assert memory([], []).answer(SURE, unit(1, 0)) == SURE


def test_a_copy_of_a_corrected_ticket_is_answered_as_corrected() -> None:
    found = memory([unit(1, 0)], ["network"]).answer(SURE, unit(1, 0))
    assert found.classes[found.probabilities[0].argmax()] == "network"
    assert found.probabilities.sum() == pytest.approx(1)


def test_what_is_far_from_it_is_not() -> None:
    found = memory([unit(0, 1)], ["network"]).answer(SURE, unit(1, 0))
    assert found.probabilities[0] == pytest.approx(SURE.probabilities[0], abs=0.02)


def test_a_label_that_the_model_never_knew_can_be_answered() -> None:
    found = memory([unit(1, 0)] * 2, ["printing"] * 2).answer(SURE, unit(1, 0.02))
    assert found.classes == ("access", "network", "printing")
    assert found.probabilities[0].argmax() == 2


def test_what_is_decided_more_often_than_expected_becomes_likelier() -> None:
    close = Answers(CLASSES, np.array([[0.6, 0.4]]))
    often = memory([unit(0, 1)] * 200, ["network"] * 150 + ["access"] * 50).answer(close, unit(1, 0))
    as_expected = memory([unit(0, 1)] * 200, ["network", "access"] * 100).answer(close, unit(1, 0))
    assert often.probabilities[0, 1] > 0.5
    assert as_expected.probabilities[0] == pytest.approx(close.probabilities[0], abs=1e-6)
    few = memory([unit(0, 1)] * 4, ["network"] * 4).answer(close, unit(1, 0))
    assert few.probabilities[0, 1] < often.probabilities[0, 1], "a few decisions shift little"


def test_who_spoke_is_told() -> None:
    near, say = memory([unit(0, 1), unit(1, 0)], ["network", "access"]).recall(unit(1, 0))
    assert near[0, say[0].argmax()] == 1 and say.max() == pytest.approx(1)
