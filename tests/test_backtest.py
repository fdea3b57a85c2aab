"""A replay tells what a live stream would have told."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aiops.backtest import History, KnownIncident, of_prometheus, of_tables, read_known, replay
from aiops.cli import app
from aiops.config import Settings
from aiops.errors import InputError, TableError
from aiops.metrics.table_file import read_table
from tests.processes import free_port

START_S = 1_767_571_200
HOUR = 60


def write_history(tmp_path: Path, days: int = 3) -> Path:
    """Two metrics of one service, a sample a minute, that jump together in the last hours."""
    n = days * 24 * HOUR
    rng = np.random.default_rng(1)
    rows = ["timestamp,value,series"]
    jump = np.where((np.arange(n) > n - 5 * HOUR) & (np.arange(n) < n - 4 * HOUR), 100.0, 0.0)
    for name in ("latency", "errors"):
        values = rng.normal(50, 1, n) + jump
        rows += [f'{START_S + 60 * k},{v:.4f},"{name}{{service=""web""}}"' for k, v in enumerate(values)]
    path = tmp_path / "history.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def jump_at(days: int = 3) -> tuple[int, int]:
    end = START_S + 60 * (days * 24 * HOUR - 4 * HOUR)
    return end - 3600, end


def test_a_known_incident_is_found_and_quiet_days_are_quiet(tmp_path: Path, settings: Settings) -> None:
    start_s, end_s = jump_at()
    known = [KnownIncident("outage", 1000 * start_s, 1000 * end_s), KnownIncident("other", 1, 2)]
    history = of_tables([read_table(write_history(tmp_path))])
    seen: list[int] = []
    result = replay(history, settings, known, lambda sent, _: seen.append(sent))
    assert result.samples == seen[-1] == 2 * 3 * 24 * HOUR
    assert result.series == 2
    assert [(one.name, found is not None) for one, found in result.known] == [("outage", True), ("other", False)]
    assert len(result.unknown) <= 1
    assert len(result.incidents) - len(result.unknown) == 1


def test_the_command_shows_a_table_and_writes_everything_as_json(tmp_path: Path) -> None:
    path = write_history(tmp_path)
    start_s, end_s = jump_at()
    known = tmp_path / "known.csv"
    known.write_text(f"name,start,end\noutage,{start_s},{end_s}\n")
    out = tmp_path / "report.json"
    done = CliRunner().invoke(app, ["backtest", str(path), "--known", str(known), "--json", str(out)])
    assert done.exit_code == 0, done.output
    assert "1 of 1 known found" in " ".join(done.stdout.split())
    report = json.loads(out.read_text())
    assert report["known"] == [{"name": "outage", "found_as": report["known"][0]["found_as"]}]
    assert report["samples"] == 8640
    assert report["incidents"][-1]["reason"]


def test_wrong_calls_are_one_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["backtest"])
    assert (done.exit_code, "say what to replay" in done.stderr) == (2, True)
    known = tmp_path / "known.csv"
    known.write_text("start,end\nnoon,2\n")
    with pytest.raises(TableError, match="row 2"):
        read_known(known)
    with pytest.raises(InputError, match="does not answer as a Prometheus"):
        list(of_prometheus(f"http://127.0.0.1:{free_port()}", "up", START_S, START_S + 60))


def test_an_empty_history_is_said(settings: Settings) -> None:
    empty = History([], np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    with pytest.raises(InputError, match="no samples"):
        replay(iter([empty]), settings, [], lambda *_: None)
