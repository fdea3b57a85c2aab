"""How well the joint score of an entity finds labelled incidents: `train` then `test` streamed once, no fitting.

Figures are per entity, then averaged: best point-wise F1 and average precision on the test part, without point
adjustment; and events at the default threshold: labelled segments touched, and openings that touch none (half an hour
before to an hour after a label) per entity-day.

Where `<name>.interpretation.txt` lies beside the data (lines `first-last:metric,metric`: which metrics, counted from
1, explain these labelled rows, counted from 0), the ranking of contributors at the last of these rows is judged by
HitRate@P % (Su et al. 2019, KDD): of the k metrics that explain, the share among the first P % of k contributors.
"""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiops.detection.entity import EntityScorer
from aiops.errors import InputError

START_MS = 1_767_571_200_000
BEFORE_S, AFTER_S = 1800, 3600


@dataclass(frozen=True, slots=True)
class EntityFigures:
    """What came of one file; None where it has no labels."""

    name: str
    rows: int
    metrics: int
    f1: float | None
    auprc: float | None
    segments: int
    segments_found: int
    false_openings: int
    days: float
    hits: tuple["Hits", ...] = ()  # per explained segment


@dataclass(frozen=True, slots=True)
class Hits:
    """How well contributors of one explained segment are ranked."""

    at_100: float
    at_150: float
    by_chance_100: float  # what a random ranking is expected to reach
    by_chance_150: float


def bench_entities(data: Path, step_s: float, out: Path) -> list[EntityFigures]:
    """Scores every `*.npz` of `data` into a CSV of the same name in `out`: row, score, anomalous, contributors (JSON
    list of metric columns, strongest first), one line per test row. Raises InputError where a file is not as said."""
    files = sorted(data.glob("*.npz"))
    if not files:
        raise InputError(f"{data}: no *.npz file in this folder")
    out.mkdir(parents=True, exist_ok=True)
    return [_one(file, step_s, out / f"{file.stem}.csv") for file in files]


def _one(file: Path, step_s: float, out: Path) -> EntityFigures:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            train, test = (np.asarray(arrays[key], np.float64) for key in ("train", "test"))
            label = np.asarray(arrays["test_label"]) > 0 if "test_label" in arrays else None
    except (KeyError, ValueError, OSError) as error:
        raise InputError(f"{file}: needs arrays train and test of numbers: {error}") from None
    if train.ndim != 2 or test.ndim != 2 or train.shape[1] != test.shape[1]:
        raise InputError(f"{file}: train {train.shape} and test {test.shape} are not rows of the same metrics")
    values = np.concatenate([train, test])
    times = START_MS + (1000 * step_s * np.arange(len(values))).astype(np.int64)
    scores = EntityScorer(values.shape[1]).score(times, values)
    first = len(train)
    with out.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["row", "score", "anomalous", "contributors"])
        for row in range(len(test)):
            k = first + row
            contributors = json.dumps(scores.contributors(k))
            writer.writerow([row, f"{scores.score[k]:.6g}", int(scores.anomalous[k]), contributors])
    score, anomalous = np.nan_to_num(scores.score[first:]), scores.anomalous[first:]
    explained = _explained(file.with_name(f"{file.stem}.interpretation.txt"), len(test), values.shape[1])
    hits = tuple(_hits(scores.contributors(first + row), metrics) for row, metrics in explained)
    days = len(test) * step_s / 86_400
    if label is None or not label.any():
        return EntityFigures(file.stem, len(test), values.shape[1], None, None, 0, 0, len(spans(anomalous)), days, hits)
    f1, auprc = best_f1(label, score)
    segments = spans(label)
    found = sum(bool(anomalous[a:b].any()) for a, b in segments)
    before, after = int(BEFORE_S / step_s), int(AFTER_S / step_s)
    false = sum(not label[max(0, a - before) : b + after].any() for a, b in spans(anomalous))
    return EntityFigures(file.stem, len(test), values.shape[1], f1, auprc, len(segments), found, false, days, hits)


def _explained(file: Path, rows: int, metric_count: int) -> list[tuple[int, frozenset[int]]]:
    """Last row of each explained segment and the metrics that explain it, counted from 0; none without the file."""
    if not file.exists():
        return []
    found = []
    for line in filter(None, map(str.strip, file.read_text().splitlines())):
        try:
            segment, names = line.split(":")
            last = int(segment.split("-")[1])
            metrics = frozenset(int(name) - 1 for name in names.split(","))
        except (ValueError, IndexError):
            raise InputError(f"{file}: {line!r} is not first-last:metric,metric") from None
        if not 0 <= last < rows or not metrics <= set(range(metric_count)):
            raise InputError(f"{file}: {line!r} names a row or a metric that is not there")
        found.append((last, metrics))
    return found


def _hits(ranked: Sequence[int], true: frozenset[int]) -> Hits:
    wanted, d = len(true), len(ranked)
    wider = min(int(1.5 * wanted), d)
    at_100, at_150 = (len(true.intersection(ranked[:top])) / wanted for top in (wanted, wider))
    return Hits(at_100, at_150, wanted / d, wider / d)


def spans(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Runs of True as (first, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def best_f1(label: NDArray[np.bool_], score: NDArray[np.float64]) -> tuple[float, float]:
    """(F1 at the best threshold, average precision), point by point."""
    order = np.argsort(-score, kind="stable")
    hits, ordered = np.cumsum(label[order]), score[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # ties stand or fall together
    precision, recall = hits[last] / (last + 1), hits[last] / label.sum()
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(f1.max()), float((np.diff(recall, prepend=0.0) * precision).sum())
