"""A restart goes on where the snapshot stood; what cannot be trusted is refused."""

import shutil
import threading
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from aiops.detection.engine import Engine
from aiops.detection.snapshot import Snapshots
from aiops.errors import SnapshotError
from aiops.metrics.series import Labels, SampleBatch, SeriesTable

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
        for column in ("score", "expected", "lower", "upper", "status", "kind", "strength"):
            np.testing.assert_array_equal(getattr(one, column), getattr(two, column))
    assert again.state.head.tobytes() == engine.state.head.tobytes()
    assert again.state.body.tobytes() == engine.state.body.tobytes()
    assert again.table.is_counter[:20].all()


def test_rows_of_many_blocks_come_back(tmp_path: Path) -> None:
    engine = make(7000)
    for step in range(3):
        engine.ingest(batch(engine, step, count=7000))
    save(engine, tmp_path)
    again = restore(tmp_path, 7000)
    assert list(again.table.items()) == list(engine.table.items())
    assert again.state.head.tobytes() == engine.state.head.tobytes()
    assert again.state.body.tobytes() == engine.state.body.tobytes()


def test_no_snapshot_is_an_empty_start(tmp_path: Path) -> None:
    assert restore(tmp_path).newest_ms == 0


def test_a_second_save_only_appends_labels(tmp_path: Path) -> None:
    engine = make()
    engine.ingest(batch(engine, 0, count=5))
    snapshots = save(engine, tmp_path)
    first = (tmp_path / "series.bin").read_bytes()
    engine.ingest(batch(engine, 1, count=8))
    snapshots.save(engine.table, engine.state, engine.newest_ms, nullcontext())
    assert (tmp_path / "series.bin").read_bytes().startswith(first)
    assert len(restore(tmp_path).table) == 8


def test_killed_between_labels_and_state_loses_only_the_new_series(tmp_path: Path) -> None:
    engine = make()
    engine.ingest(batch(engine, 0, count=5))
    save(engine, tmp_path)
    with (tmp_path / "series.bin").open("ab") as file:
        file.write((500).to_bytes(4, "little") + b"half")
    again = restore(tmp_path)
    assert len(again.table) == 5
    again.ingest(batch(again, 1, count=8))
    snapshots = Snapshots(tmp_path)
    fresh = make()
    snapshots.restore(fresh.table, fresh.state)
    assert len(fresh.table) == 5


@pytest.mark.parametrize(
    "damage", ["torn", "header only", "longer", "flipped", "block length", "foreign", "no labels", "labels flipped"]
)
def test_a_damaged_snapshot_is_refused(tmp_path: Path, damage: str) -> None:
    engine = make()
    engine.ingest(batch(engine, 0))
    save(engine, tmp_path)
    path = tmp_path / "state.bin"
    content = path.read_bytes()
    if damage == "torn":
        path.write_bytes(content[:-200])
    elif damage == "header only":
        path.write_bytes(content[: content.index(b"\n") + 1])
    elif damage == "longer":
        path.write_bytes(content + bytes(8))
    elif damage == "block length":
        at = content.index(b"\n") + 1
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
    elif damage == "flipped":
        path.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    elif damage == "foreign":
        path.write_bytes(content.replace(b'"format": ', b'"format": 9', 1))
    elif damage == "no labels":
        (tmp_path / "series.bin").write_bytes(b"")
    else:
        labels = (tmp_path / "series.bin").read_bytes()
        (tmp_path / "series.bin").write_bytes(labels[:-1] + bytes([labels[-1] ^ 1]))
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


class Meddler(nullcontext[None]):
    """A lock; before it is taken for the n-th time, row 0 is given to another series and its series comes again."""

    def __init__(self, engine: Engine, n: int) -> None:
        super().__init__()
        self._engine, self._left = engine, n

    def __enter__(self) -> None:
        self._left -= 1
        if self._left == 0:
            former, rows = self._engine.table.labels(0), np.array([0])
            self._engine.forget(rows)
            self._engine.table.free(rows)
            self._engine.ingest(batch_of(self._engine, (("__name__", "other"),)))
            self._engine.ingest(batch_of(self._engine, former))


def batch_of(engine: Engine, *series: Labels) -> SampleBatch:
    rows = np.array([engine.table.row(labels) for labels in series], np.int32)
    return SampleBatch(rows, np.full(len(rows), 2 * START_MS), np.ones(len(rows)), np.zeros(len(rows), np.bool_))


@pytest.mark.parametrize("moment", [2, 3])  # before labels are read; between labels and numbers
def test_a_row_that_changes_hands_while_it_is_saved_is_never_seen_as_either(tmp_path: Path, moment: int) -> None:
    engine = make()
    for step in range(30):
        engine.ingest(batch(engine, step))
    known = engine.state.body[1:20].copy()
    snapshots = Snapshots(tmp_path)
    snapshots.save(engine.table, engine.state, engine.newest_ms, Meddler(engine, moment))
    again = restore(tmp_path)
    np.testing.assert_array_equal(again.state.body[1:20], known)
    assert not again.state.head[0].any() and not again.state.body[0].any()
    assert again.table.is_taken(0) is (moment == 3)
    snapshots.save(engine.table, engine.state, engine.newest_ms, nullcontext())
    again = restore(tmp_path)
    assert list(again.table.items()) == list(engine.table.items())
    np.testing.assert_array_equal(again.state.body, engine.state.body)


@pytest.mark.parametrize("is_freed", [False, True])
def test_a_save_that_failed_does_not_spoil_the_next(tmp_path: Path, is_freed: bool) -> None:
    engine = make()
    engine.ingest(batch(engine, 0, count=5))
    snapshots = save(engine, tmp_path)
    if is_freed:
        engine.forget(np.array([2]))
        engine.table.free(np.array([2]))
    engine.ingest(batch_of(engine, (("__name__", "late"),)))
    before = restore_copy(tmp_path)
    (tmp_path / "state.draft").mkdir()
    with pytest.raises(OSError):
        snapshots.save(engine.table, engine.state, engine.newest_ms, nullcontext())
    assert restore_copy(tmp_path) == before
    (tmp_path / "state.draft").rmdir()
    snapshots.save(engine.table, engine.state, engine.newest_ms, nullcontext())
    assert restore_copy(tmp_path) == dict(engine.table.items()) != before


def restore_copy(folder: Path) -> dict[int, Labels]:
    """What a process killed now would find; a restore cuts off what does not count."""
    with TemporaryDirectory() as other:
        shutil.copytree(folder, other, dirs_exist_ok=True)
        return dict(restore(Path(other)).table.items())


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
