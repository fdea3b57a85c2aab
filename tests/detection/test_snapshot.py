"""A restart goes on where the snapshot stood; what cannot be trusted is refused."""

import threading
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from aiops.detection.engine import Engine
from aiops.detection.snapshot import Snapshots
from aiops.errors import SnapshotError
from aiops.metrics.series import SampleBatch, SeriesTable

START_MS = 1_767_571_200_000


def make(series_max: int = 50) -> Engine:
    return Engine(SeriesTable(series_max))


def batch(engine: Engine, step: int, count: int = 20) -> SampleBatch:
    rows = np.array([engine.table.row((("__name__", f"m{k}_total"),)) for k in range(count)], np.int32)
    values = np.random.default_rng(step).normal(100, 5, count).cumsum() + 1e6 * step
    return SampleBatch(rows, np.full(count, START_MS + 60_000 * step), values, np.zeros(count, np.bool_))


def save(engine: Engine, folder: Path) -> Snapshots:
    snapshots = Snapshots(folder)
    snapshots.save(engine.table, engine.state, engine.newest_ms, nullcontext())
    return snapshots


def restore(folder: Path, series_max: int = 50) -> Engine:
    engine = make(series_max)
    engine.newest_ms = Snapshots(folder).restore(engine.table, engine.state)
    return engine


def test_scores_go_on_bit_for_bit(tmp_path: Path) -> None:
    engine = make()
    for step in range(300):
        engine.ingest(batch(engine, step))
    save(engine, tmp_path)
    again = restore(tmp_path)
    assert list(again.table) == list(engine.table)
    assert again.newest_ms == engine.newest_ms
    for step in range(300, 350):
        one, two = engine.ingest(batch(engine, step)), again.ingest(batch(again, step))
        np.testing.assert_array_equal(one.score, two.score)
    assert again.table.is_counter[:20].all()


def test_no_snapshot_is_an_empty_start(tmp_path: Path) -> None:
    assert restore(tmp_path).newest_ms == 0


def test_a_second_save_only_appends_labels(tmp_path: Path) -> None:
    engine = make()
    engine.ingest(batch(engine, 0, count=5))
    snapshots = save(engine, tmp_path)
    first = (tmp_path / "series.jsonl").read_bytes()
    engine.ingest(batch(engine, 1, count=8))
    snapshots.save(engine.table, engine.state, engine.newest_ms, nullcontext())
    assert (tmp_path / "series.jsonl").read_bytes().startswith(first)
    assert len(restore(tmp_path).table) == 8


def test_killed_between_labels_and_state_loses_only_the_new_series(tmp_path: Path) -> None:
    engine = make()
    engine.ingest(batch(engine, 0, count=5))
    save(engine, tmp_path)
    with (tmp_path / "series.jsonl").open("ab") as file:
        file.write(b'{"labels": [["__name__", "half')
    again = restore(tmp_path)
    assert len(again.table) == 5
    again.ingest(batch(again, 1, count=8))
    snapshots = Snapshots(tmp_path)
    fresh = make()
    snapshots.restore(fresh.table, fresh.state)
    assert len(fresh.table) == 5


@pytest.mark.parametrize("damage", ["torn", "flipped", "foreign", "no labels"])
def test_a_damaged_snapshot_is_refused(tmp_path: Path, damage: str) -> None:
    engine = make()
    engine.ingest(batch(engine, 0))
    save(engine, tmp_path)
    path = tmp_path / "state.bin"
    content = path.read_bytes()
    if damage == "torn":
        path.write_bytes(content[:-1000])
    elif damage == "flipped":
        path.write_bytes(content[:2000] + bytes([content[2000] ^ 1]) + content[2001:])
    elif damage == "foreign":
        path.write_bytes(content.replace(b'"format": ', b'"format": 9', 1))
    else:
        (tmp_path / "series.jsonl").write_bytes(b"")
    with pytest.raises(SnapshotError):
        restore(tmp_path)
    Snapshots(tmp_path).set_aside()
    assert restore(tmp_path).newest_ms == 0
    assert (tmp_path / "state.bin.refused").exists()


def test_more_series_than_allowed_are_refused_with_what_to_do(tmp_path: Path) -> None:
    engine = make()
    engine.ingest(batch(engine, 0))
    save(engine, tmp_path)
    with pytest.raises(SnapshotError, match="series_max"):
        restore(tmp_path, series_max=10)


def test_saving_while_samples_arrive_keeps_every_series_whole(tmp_path: Path) -> None:
    engine, lock = make(3000), threading.Lock()
    done = threading.Event()

    def write() -> None:
        for step in range(200):
            with lock:
                engine.ingest(batch(engine, step, count=3000 if step else 2500))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    snapshots = Snapshots(tmp_path)
    while not done.is_set():
        snapshots.save(engine.table, engine.state, engine.newest_ms, lock)
    writer.join()
    snapshots.save(engine.table, engine.state, engine.newest_ms, lock)
    again = restore(tmp_path, 3000)
    np.testing.assert_array_equal(again.state.head, engine.state.head)
