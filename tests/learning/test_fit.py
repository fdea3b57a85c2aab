"""Fitting: what is asked is delivered, the same data give the same model, and bad tables are refused."""

import numpy as np
import pytest

from aiops.desk import ENCODER, shipped_models
from aiops.errors import InputError
from aiops.learning.fit import Fitted, Table, fit
from aiops.tickets.classifier import (
    NEIGHBOUR_COSINE,
    PRECISIONS,
    VOTE_FLOOR,
    Neighbours,
    nearest,
    softmax,
    threshold,
    votes,
)
from aiops.tickets.encoder import Encoder
from training.tickets import faults, read
from training.triage import default_table


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load(shipped_models() / ENCODER)


@pytest.fixture(scope="module")
def table() -> Table:
    whole = default_table([ticket for ticket in read()[::4] if ticket.category != "noise"])
    return Table(whole.titles, whole.bodies, {"urgency": whole.labels["urgency"]})


@pytest.fixture(scope="module")
def fitted(table: Table, encoder: Encoder) -> Fitted:
    return fit(table, encoder, "urgency")


def test_the_same_data_give_the_same_model(table: Table, encoder: Encoder, fitted: Fitted) -> None:
    again = fit(table, encoder, "urgency")
    np.testing.assert_array_equal(again.classifier.heads.blocks[0], fitted.classifier.heads.blocks[0])
    assert again.classifier.outputs["urgency"].temperature == fitted.classifier.outputs["urgency"].temperature
    assert again.classifier.scope and fitted.classifier.scope
    assert again.classifier.scope.threshold == fitted.classifier.scope.threshold


def test_thresholds_rise_with_the_precision_asked(fitted: Fitted) -> None:
    output = fitted.classifier.outputs["urgency"]
    found = [threshold(output, precision) for precision in PRECISIONS]
    assert found == sorted(found)
    assert threshold(output, 0) == 0


def test_one_class_cannot_be_learned(encoder: Encoder) -> None:
    table = Table(["a", "b", "c"], ["", "", ""], {"team": ["x", "x", "x"]})
    with pytest.raises(InputError, match="nothing to tell apart"):
        fit(table, encoder)


def test_unlabelled_rows_are_left_out_of_an_output(encoder: Encoder) -> None:
    titles = [f"printer {k}" for k in range(12)] + [f"password {k}" for k in range(12)] + ["?"] * 6
    labels = ["print"] * 12 + ["access"] * 12 + [""] * 6
    fitted = fit(Table(titles, [""] * 30, {"category": labels}), encoder)
    assert fitted.classifier.outputs["category"].classes == ("access", "print")
    assert (fitted.classifier.outputs["category"].memory_labels == -1).sum() == 6


def test_times_fold_forward_only(encoder: Encoder) -> None:
    from aiops.learning.fit import _folds

    times = np.array([5, 3, 9, 1, 7, 2, 8, 4, 6, 0])
    for train, test in _folds(np.zeros(10, np.intp), times):
        assert times[train].max() < times[test].min()


def test_the_older_two_thirds_are_never_judged() -> None:
    from aiops.learning.fit import _folds

    times = np.arange(60)[::-1]
    tested = np.concatenate([test for _, test in _folds(np.zeros(60, np.intp), times)])
    assert sorted(times[tested]) == list(range(40, 60))


def test_nearest_is_the_full_sort() -> None:
    rng = np.random.default_rng(3)
    asked, memory = rng.normal(size=(1100, 6)).astype(np.float32), rng.normal(size=(200, 6)).astype(np.float32)
    found = nearest(asked, memory)
    cosines = np.array([[float(a @ m) for m in memory] for a in asked[[0, 511, 512, 1099]]])
    np.testing.assert_array_equal(found.place[[0, 511, 512, 1099]], np.argsort(-cosines, axis=1)[:, :10])
    assert nearest(asked, memory[:4]).place.shape == (1100, 4)


def test_votes_are_those_of_the_plain_sum() -> None:
    near = Neighbours(np.array([[0, 1, 2, 3]]), np.array([[0.9, 0.8, 0.7, 0.6]], np.float32))
    labels = np.array([1, 0, -1, 1], np.int16)
    say = [np.exp((cosine - 1) / NEIGHBOUR_COSINE) for cosine in near.cosine[0]]
    share = np.array([say[1], say[0] + say[3], 0]) / (say[0] + say[1] + say[3])
    np.testing.assert_allclose(votes(near, labels, 3)[0], np.log1p(share / VOTE_FLOOR), rtol=1e-5)
    assert not votes(near, np.full(4, -1, np.int16), 3).any()


def test_a_class_of_few_examples_is_known_by_its_name(encoder: Encoder) -> None:
    rows = {"coffee_machine": "no espresso since the filter was changed", "parking_permit": "my plate is not let in"}
    titles = [f"{text} {k}" for text in rows.values() for k in range(4)]
    labels = [name for name in rows for _ in range(4)]
    fitted = fit(Table(titles, [""] * 8, {"category": labels}), encoder)
    heads = fitted.classifier.heads
    asked = ["parking permit", "coffee machine"]
    features = fitted.idf.features(["", ""], asked, encoder.encode(asked))
    word_only = features._replace(dense=np.zeros_like(features.dense))  # no vector says what a word means
    assert heads.margins(word_only).argmax(1).tolist() == [1, 0]


def test_softmax_rows_sum_to_one_and_a_higher_temperature_is_less_sure() -> None:
    margins = np.array([[2.0, 1.0, -1.0]])
    assert softmax(margins, 0.5).sum() == pytest.approx(1)
    assert softmax(margins, 0.5).max() > softmax(margins, 2.0).max()


def test_the_tickets_we_wrote_are_sound() -> None:
    assert list(faults(read())) == []
