"""Files of samples in, files with scores out: the same engine as the service, without the service."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aiops.config import Detection
from aiops.detection.engine import Engine
from aiops.detection.policy import Policy
from aiops.detection.scores import Kind
from aiops.errors import TableError
from aiops.metrics.series import SampleBatch, SeriesTable
from aiops.metrics.table_file import SampleTable, read_table, write_table

DEFAULTS = Detection()
STDIN = Path("-")
SUFFIXES = (".csv", ".parquet")
_KIND_NAMES = np.array([None, *(kind.name.lower() for kind in Kind if kind)], object)


def plan(inputs: Sequence[Path], out: Path | None) -> list[tuple[Path, Path | None]]:
    """Each file and where its scores go; None = standard output. A folder stands for all CSV and Parquet files in it,
    whose scores keep their places below `out`. Raises TableError where two would be one file."""
    if out is None:
        if list(inputs) != [STDIN]:
            raise TableError("say where the scores go: --out FILE, or --out FOLDER for several files")
        return [(STDIN, None)]
    found = [(file, name) for given in inputs for file, name in files_of(given)]
    if len(inputs) == 1 and not inputs[0].is_dir() and not out.is_dir() and not str(out).endswith("/"):
        pairs: list[tuple[Path, Path | None]] = [(inputs[0], None if out == STDIN else out)]
    elif STDIN in inputs:
        raise TableError("standard input has no file name: score it by itself")
    elif out.suffix in SUFFIXES and not out.is_dir():
        raise TableError(f"--out {out} names a file, but several are scored: name a folder, or {out}/ if you mean one")
    else:
        pairs = [(file, out / name) for file, name in found]
    places = [place for _, place in pairs]
    if len(set(places)) < len(places):
        raise TableError(f"two files have the same name; score them into different folders than {out}")
    for file, place in pairs:
        if place and file.resolve() == place.resolve():
            raise TableError(f"{file} would be overwritten by its own scores; choose another --out")
    return pairs


def files_of(given: Path) -> list[tuple[Path, Path]]:
    """(file, its name below the output folder)."""
    if not given.is_dir():
        return [(given, Path(given.name))]
    files = sorted(path for path in given.rglob("*") if path.suffix in SUFFIXES)
    if not files:
        raise TableError(f"{given}: no CSV or Parquet file in this folder")
    return [(file, file.relative_to(given)) for file in files]


def score_file(
    source: Path, out: Path | None, labels: Sequence[str], skip_bad_rows: bool, settings: Detection
) -> SampleTable:
    """Scores one file; returns what was read. Raises TableError."""
    table = read_table(None if source == STDIN else source, labels, skip_bad_rows)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    write_table(table, scored_columns(table, settings), out)
    return table


def scored_columns(table: SampleTable, settings: Detection = DEFAULTS) -> dict[str, np.ndarray]:
    """The columns of `table_file.SCORE_COLUMNS`, one entry per row of the table."""
    series = SeriesTable(max(len(table.series), 1))
    rows = np.array([series.row(labels) for labels in table.series], np.int32)[table.group]
    good = table.good
    batch = SampleBatch(rows[good], table.time_ms[good], table.values[good], np.zeros(int(good.sum()), np.bool_))
    policy = Policy(series, settings.rules)
    scores = Engine(series, settings.warm_up_samples, policy=policy).ingest(batch)

    def spread(column: np.ndarray, empty: object) -> np.ndarray:
        full = np.full(len(good), empty, column.dtype)
        full[good] = column
        return full

    return {
        "score": spread(scores.score.astype(np.float64).round(6), np.nan),
        "expected": spread(scores.expected, np.nan),
        "lower": spread(scores.lower, np.nan),
        "upper": spread(scores.upper, np.nan),
        "anomalous": spread(scores.anomalous.astype(np.int64), 0),
        "alert": spread(scores.alert.astype(np.float64).round(6), np.nan),
        "kind": spread(_KIND_NAMES[scores.kind], None),
    }
