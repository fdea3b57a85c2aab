"""A replay of tickets that we make: learning pays where the world changes, and poison is refused."""

import json
from pathlib import Path

import numpy as np
import pytest

from aiops.desk import ENCODER, shipped_models
from aiops.errors import InputError
from aiops.learning.fit import Table
from aiops.learning.gate import Rules
from aiops.tickets.encoder import Encoder
from training.examples import picked
from training.replay import WEEK_MS, Replay, main, report

WORDS = {"network": "vpn tunnel drops", "hardware": "laptop screen flickers", "finance": "invoice charged twice"}
PER_WEEK = 90


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.load(shipped_models() / ENCODER)


@pytest.fixture(scope="module")
def table() -> Table:
    """Four weeks; finance tickets, a third of all, are new in the third."""
    titles, labels, times = [], [], []
    for k in range(4 * PER_WEEK):
        names = list(WORDS) if k >= 2 * PER_WEEK else list(WORDS)[:2]
        name = names[k % len(names)]
        titles.append(f"{WORDS[name]} in room {k % 17}, since {k % 7} days")
        labels.append(name)
        times.append(k * WEEK_MS // PER_WEEK)
    return Table(titles, [""] * len(titles), {"team": labels}, np.array(times, np.int64))


def test_learning_pays_and_poison_is_refused(table: Table, encoder: Encoder) -> None:
    shuffled = picked(table, np.random.default_rng(0).permutation(len(table)).tolist())
    steps: list[str] = []
    replay = Replay(shuffled, encoder, "team", 1, 0.5, gate_rows=60, rules=Rules(rows_min=50))
    weeks, poisoned = replay.run(1, steps.append)
    told = report(weeks, poisoned)
    assert [week["tickets"] for week in told["weeks"]] == [PER_WEEK] * 3
    second, third, fourth = told["weeks"]
    assert second["frozen"] == second["loop"] == 1, "nothing changes yet"
    assert second["gate"] == "refused", "and nothing is better"
    assert third["frozen"] == third["retrained"] < 0.7 < third["loop"], "only memory knows the new team at once"
    assert third["gate"] == "promoted"
    assert fourth["frozen"] < 0.7 < fourth["retrained"] and fourth["loop"] > 0.7
    gain, low, _ = told["gained_on_frozen"]["loop"]
    assert 0.1 < low < gain
    assert [(one["week"], one["gate"]) for one in told["poisoned"]] == [(2, "refused")] * 2
    assert told["poisoned"][0]["labels_moved"] > told["poisoned"][1]["labels_moved"] > 0
    json.dumps(told)


def test_what_cannot_be_replayed_is_told(table: Table, encoder: Encoder, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="name their column with --time"):
        Replay(Table(table.titles, table.bodies, table.labels), encoder, "team", 1, 24)
    with pytest.raises(InputError, match="4 weeks of tickets: too few"):
        Replay(picked(table, range(len(table))), encoder, "team", 3, 24)
    assert main(["--data", str(Path("nowhere.csv")), "--target", "team", "--time", "t"]) == 2
    assert "nowhere.csv" in capsys.readouterr().err
