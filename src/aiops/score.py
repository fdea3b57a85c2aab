"""Files of samples in, files with scores out: the same engine as the service, without the service.

Each series is scored in the order of its times, whatever the order of the rows; every row comes out where it went in.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from aiops.config import Detection
from aiops.detection.budget import AlertBudget
from aiops.detection.engine import Engine
from aiops.detection.own import OwnDetectors
from aiops.detection.policy import Policy
from aiops.detection.scores import Kind, Scores, Status
from aiops.errors import TableError
from aiops.metrics.series import SampleBatch, SeriesTable
from aiops.metrics.table_file import SUFFIXES, SampleTable, order_of_time, write_table

DEFAULTS = Detection()
STDIN = Path("-")
FEW_SHARE = 0.5  # fewer of the rows with a score: worth a warning
_WHY_NOT = {
    Status.WARMING_UP: "warming up (the first {warm_up} samples of a series)",
    Status.NOT_FINITE: "without a finite value",
    Status.DUPLICATE: "repeated (same time, same value)",
    Status.CONFLICT: "conflicting (same time as the row before, another value)",
    Status.OUT_OF_ORDER: "out of order",
    Status.RESET: "at a counter's restart",
}
_KIND_NAMES = np.array([None, *(kind.name.lower() for kind in Kind if kind)], object)


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the rows of one file; tallies of files add up."""

    warm_up_samples: int
    files: int = 0
    rows: int = 0
    scored: int = 0
    skipped: int = 0  # bad rows
    series: int = 0
    unscored: Mapping[Status, int] = field(default_factory=dict)
    told_by: Sequence[str] = ()  # columns that told series apart
    free_text: Sequence[str] = ()  # columns of text that did not

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.warm_up_samples,
            self.files + other.files,
            self.rows + other.rows,
            self.scored + other.scored,
            self.skipped + other.skipped,
            self.series + other.series,
            Counter(self.unscored) + Counter(other.unscored),
            tuple(dict.fromkeys([*self.told_by, *other.told_by])),
            tuple(dict.fromkeys([*self.free_text, *other.free_text])),
        )

    @property
    def is_poor(self) -> bool:
        """Whether so few rows have a score that something is likely wrong."""
        return self.scored < FEW_SHARE * self.rows

    def sentences(self) -> list[str]:
        """The summary, a line each."""
        files = f" of {self.files} files" if self.files > 1 else ""
        told = f" told apart by {', '.join(self.told_by)}" if self.told_by else ""
        lines = [f"{self.scored} of {self.rows} rows{files} have a score; {self.series} series{told}"]
        why = [f"{n} {_WHY_NOT[status].format(warm_up=self.warm_up_samples)}" for status, n in self.unscored.items()]
        why += [f"{self.skipped} skipped"] if self.skipped else []
        if why:
            lines.append(f"no score: {', '.join(why)}")
        if self.free_text:
            names = ", ".join(self.free_text)
            lines.append(f"{names}: free text, passes through; if it names series, say --label")
        return lines

    def advice(self) -> str:
        """What to do where few rows have a score."""
        if self.told_by and Status.WARMING_UP in self.unscored:
            each, names = f"{self.rows / max(self.series, 1):.1f}", ", ".join(self.told_by)
            return f"few rows have a score: {each} rows a series; if {names} should not tell series apart, say --label"
        return "few rows have a score; a series needs samples of different times, with numbers, and a history"


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
    elif out.name.endswith(SUFFIXES) and not out.is_dir():
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
    files = sorted(path for path in given.rglob("*") if path.name.endswith(SUFFIXES))
    if not files:
        raise TableError(f"{given}: no CSV or Parquet file in this folder")
    return [(file, file.relative_to(given)) for file in files]


def score_file(table: SampleTable, out: Path | None, settings: Detection) -> Tally:
    """Scores what was read of one file; None: to standard output. Raises TableError."""
    columns, unscored = _scored(table, settings)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    write_table(table, columns, out)
    return Tally(
        settings.warm_up_samples,
        files=1,
        rows=len(table.good),
        scored=int(np.isfinite(columns["score"]).sum()),
        skipped=int((~table.good).sum()),
        series=len(np.unique(table.group[table.good])),
        unscored=unscored,
        told_by=table.told_by,
        free_text=table.free_text,
    )


def scored_columns(table: SampleTable, settings: Detection = DEFAULTS) -> dict[str, np.ndarray]:
    """The columns of `table_file.SCORE_COLUMNS`, one entry per row of the table."""
    return _scored(table, settings)[0]


def _scored(table: SampleTable, settings: Detection) -> tuple[dict[str, np.ndarray], Mapping[Status, int]]:
    """The columns, and how many good rows have no score, by what became of them."""
    series = SeriesTable(max(len(table.series), 1))
    rows = np.array([series.row(labels) for labels in table.series], np.int32)[table.group]
    good = np.flatnonzero(table.good)
    good = good[order_of_time(table.time_ms[good])]
    batch = SampleBatch(rows[good], table.time_ms[good], table.values[good], np.zeros(len(good), np.bool_))
    budget = AlertBudget(settings)
    policy = Policy(series, settings.rules, (lambda labels: budget.scope_of(labels) is not None) if budget else None)
    own = OwnDetectors(series, settings.detectors, settings.own_series_max)
    scores = Engine(series, settings.warm_up_samples, policy=policy, own=own).ingest(batch)
    _keep_to(budget, series, batch, scores)

    def spread(column: np.ndarray, empty: object) -> np.ndarray:
        full = np.full(len(table.good), empty, column.dtype)
        full[good] = column
        return full

    columns = {
        "score": spread(scores.score.astype(np.float64).round(6), np.nan),
        "expected": spread(scores.expected, np.nan),
        "lower": spread(scores.lower, np.nan),
        "upper": spread(scores.upper, np.nan),
        "anomalous": spread(scores.anomalous.astype(np.int64), 0),
        "alert": spread(scores.alert.astype(np.float64).round(6), np.nan),
        "kind": spread(_KIND_NAMES[scores.kind], None),
    }
    counts = Counter(scores.status[np.isnan(scores.score)].tolist())
    return columns, {status: counts[int(status)] for status in _WHY_NOT if counts[int(status)]}


def _keep_to(budget: AlertBudget, series: SeriesTable, batch: SampleBatch, scores: Scores) -> None:
    """Takes back the alerts that an alert budget does not tell; each onset of a series stands for itself."""
    events = np.concatenate([scores.onsets, scores.hints]) if budget else scores.hints
    if len(events):
        budget.advance(int(batch.time_ms.min()))
    for k in events[np.argsort(batch.time_ms[events], kind="stable")].tolist():
        scope, strength = budget.scope_of(series.labels(int(batch.rows[k]))), float(scores.strength[k])
        if scope is not None:
            scope.advance(int(batch.time_ms[k]))
            is_told = strength > 0 and bool(scope.offer(int(batch.time_ms[k]), strength))
            scores.alert[k] = scores.score[k] if is_told else 0.0
