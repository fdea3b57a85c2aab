"""`--from-store`: the table that corrected tickets make, and what is said where there is nothing to learn."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aiops.errors import InputError
from aiops.learning.fit import Table
from aiops.store.database import open_database
from aiops.store.ticket_store import TicketStore
from aiops.tickets import record as life
from tests.tickets.test_record import record
from training import from_store
from training.from_store import examples_of_store, joined, table_of_examples
from training.tickets import read
from training.triage import main

DAY = 86_400_000
FIRST = 20_000 * DAY  # 2024


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    engine = open_database(f"sqlite:///{tmp_path / 'aiops.db'}")
    yield tmp_path
    engine.dispose()


def fill(place: Path, decided: int, others: int = 2) -> None:
    engine = open_database(f"sqlite:///{place / 'aiops.db'}")
    wanted = [one for one in read() if one.category in ("network", "billing_purchase")]
    wanted.sort(key=lambda one: one.title)
    records = []
    for k, one in enumerate(wanted[: decided + others]):
        made = replace(record(f"T-{k}"), title=one.title, body=one.body, created_ms=FIRST + k * DAY // 10)
        if k < decided:
            made = life.correct(made, {"category": one.category}, "P3", "ann", "", made.created_ms + 1000)
        records.append(made)
    TicketStore(engine).add(records)
    engine.dispose()


def test_the_table_has_a_row_per_decided_ticket_oldest_first(place: Path) -> None:
    fill(place, 40)
    table = table_of_examples(examples_of_store(str(place)))
    assert len(table) == 40 and set(table.labels) == {"category"}
    assert table.times_ms is not None and (table.times_ms[1:] >= table.times_ms[:-1]).all()
    assert set(table.labels["category"]) == {"network", "billing_purchase"}


def test_our_own_tickets_come_first_and_know_less_of_time() -> None:
    written = Table(["a", "b"], ["", ""], {"category": ["x", "y"], "scope": ["ticket", "noise"]})
    decided = Table(["c"], [""], {"team": ["z"]}, table_times([7]))
    table = joined(written, decided)
    assert sorted(table.titles[:2]) == ["a", "b"] and table.titles[2] == "c"
    assert table.labels["team"] == ["", "", "z"]
    assert (table.labels["category"][2], table.labels["scope"][2]) == ("", "ticket")
    assert table.times_ms is not None and table.times_ms.tolist() == [0, 0, 7]
    assert joined(written, decided).titles == table.titles, "the same every time"


def table_times(values: list[int]) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def test_a_store_without_decisions_says_what_to_do(place: Path) -> None:
    fill(place, 0, 5)
    with pytest.raises(InputError, match=r"no decision to learn from in the store: 0 examples.*POST /v1/tickets"):
        table_of_examples(examples_of_store(str(place)))


def test_a_store_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert from_store.main([str(tmp_path / "nowhere")]) == 2
    assert "no aiops.db there" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists(), "and none is made"


def test_an_export_names_what_is_held_out(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(place, 12)
    out = place / "examples.parquet"
    assert from_store.main([str(place), "--out", str(out)]) == 0
    assert "12 examples, 0 that nobody looked at, 12 to learn from" in capsys.readouterr().out
    assert from_store.main([str(place), "--prune", str(out)]) == 0
    assert "0 rows taken out" in capsys.readouterr().out


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_the_store_is_learned_from_judged_and_logged(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    fill(place, 200)
    arguments = ["--from-store", str(place), "--no-authored", "--out", str(place / "models" / "acme")]
    assert main(arguments) == 1, "40 tickets are too few to decide"
    told = capsys.readouterr()
    assert "REFUSE acme/1 against triage/1: enough tickets" in told.err
    assert "acme 1 is the challenger there" in told.err
    assert json.loads(told.out)["tickets"] == 160
    assert (place / "mlflow.db").exists()
