"""Files of samples in, files with scores out: the same engine as the service, without the service."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aiops.detection.engine import Engine
from aiops.detection.scores import Kind
from aiops.errors import TableError
from aiops.metrics.series import SampleBatch, SeriesTable
from aiops.metrics.table_file import SampleTable, read_table, write_table

STDIN = Path("-")
_KIND_NAMES = np.array([None, *(kind.name.lower() for kind in Kind if kind)], object)


def destinations(files: Sequence[Path], out: Path | None) -> list[Path | None]:
    """Where each file's scores go; None = standard output. Raises TableError where two would be one file."""
    if out is None:
        if list(files) != [STDIN]:
            raise TableError("say where the scores go: --out FILE, or --out FOLDER for several files")
        return [None]
    is_folder = len(files) > 1 or out.is_dir() or str(out).endswith("/")
    if not is_folder:
        return [None if out == STDIN else out]
    if STDIN in files:
        raise TableError("standard input has no file name: score it by itself")
    places: list[Path | None] = [out / file.name for file in files]
    if len(set(places)) < len(places):
        raise TableError(f"two files have the same name; score them into different folders than {out}")
    if same := [file for file, place in zip(files, places, strict=True) if place and file.resolve() == place.resolve()]:
        raise TableError(f"{same[0]} would be overwritten by its own scores; choose another --out")
    return places


def score_file(
    source: Path, out: Path | None, labels: Sequence[str], skip_bad_rows: bool, warm_up_samples: int
) -> SampleTable:
    """Scores one file; returns what was read. Raises TableError."""
    table = read_table(None if source == STDIN else source, labels, skip_bad_rows)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    write_table(table, scored_columns(table, warm_up_samples), out)
    return table


def scored_columns(table: SampleTable, warm_up_samples: int) -> dict[str, np.ndarray]:
    """The columns of `table_file.SCORE_COLUMNS`, one entry per row of the table."""
    series = SeriesTable(max(len(table.series), 1))
    rows = np.array([series.row(labels) for labels in table.series], np.int32)[table.group]
    good = table.good
    batch = SampleBatch(rows[good], table.time_ms[good], table.values[good], np.zeros(int(good.sum()), np.bool_))
    scores = Engine(series, warm_up_samples).ingest(batch)

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
