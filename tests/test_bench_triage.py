"""`aiops bench triage` on a set made of our own tickets."""

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from aiops.bench_triage import bench_triage, oos_recall
from aiops.desk import ENCODER, shipped_models
from aiops.errors import InputError
from aiops.learning.figures import calibration_error
from aiops.tickets.encoder import Encoder
from training.tickets import read


@pytest.fixture
def data(tmp_path: Path) -> Path:
    wanted = ("network", "hr_facilities", "billing_purchase", "noise")
    tickets = [ticket for ticket in read() if ticket.category in wanted]
    for part, rows in (("train", tickets[::2]), ("validation", tickets[1::2])):
        columns = {
            "title": [one.title for one in rows],
            "body": [one.body for one in rows],
            "category": [one.category for one in rows],
            "out_of_scope": [one.category == "noise" for one in rows],
        }
        (tmp_path / "own").mkdir(exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "own" / f"{part}.parquet")
    return tmp_path


def test_a_set_is_learned_and_judged(data: Path) -> None:
    (figures,) = bench_triage(data, Encoder.load(shipped_models() / ENCODER))
    assert (figures.name, figures.target, figures.classes) == ("own", "category", 3)
    assert 0.8 < figures.accuracy <= figures.top_3 == 1
    assert figures.precision >= 0.85 and 0 < figures.coverage <= 1
    assert figures.oos_recall is not None
    assert 0.6 < figures.few_shot <= figures.accuracy
    assert figures.elsewhere is None


def test_sets_of_the_same_classes_judge_each_others_models(tmp_path: Path) -> None:
    tickets = [one for one in read() if one.category != "noise"][::5]
    for place, name in enumerate(("one", "two")):
        (tmp_path / name).mkdir()
        for part, rows in (("train", tickets[place::3]), ("validation", tickets[2::3])):
            columns = {"text": [one.body for one in rows], "sentiment": [one.sentiment for one in rows]}
            pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / name / f"{part}.parquet")
    one, two = bench_triage(tmp_path, Encoder.load(shipped_models() / ENCODER))
    assert one.elsewhere == pytest.approx(one.macro_f1) and two.elsewhere == pytest.approx(two.macro_f1), "same rows"


def test_only_the_sets_named_are_judged(data: Path) -> None:
    with pytest.raises(InputError, match="no set another; there are own"):
        list(bench_triage(data, Encoder.load(shipped_models() / ENCODER), sets=["another"]))


def test_a_folder_without_sets_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder with train\.parquet"):
        list(bench_triage(tmp_path, Encoder.load(shipped_models() / ENCODER)))


def test_a_calibrated_answer_has_no_error() -> None:
    confidence = np.full(1000, 0.8)
    assert calibration_error(confidence, np.arange(1000) < 800) == pytest.approx(0, abs=1e-9)
    assert calibration_error(confidence, np.arange(1000) < 500) == pytest.approx(0.3)


def test_what_is_rejected_costs_no_more_in_scope_than_allowed() -> None:
    scope = np.concatenate([np.arange(100.0), [-5.0, 2.5, 50.5]])  # 100 tickets, then three that are none
    is_out = np.arange(103) >= 100
    is_right = ~is_out
    assert oos_recall(scope, is_right, is_out) == pytest.approx(2 / 3), "the third would cost 51 tickets"
    assert oos_recall(scope, is_right & (np.arange(103) > 9), is_out) == 0, "accuracy is below the bar from the start"
