"""Three pictures of an output: is it as right as it says, what it takes for what, and what abstaining buys."""

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

from aiops.learning.figures import BINS, Judged, bins, calibration_error

matplotlib.use("Agg")
from matplotlib.figure import Figure

CLASSES_MAX = 40  # of a confusion matrix; the rarer ones are drawn as one
INK, SOFT = "#1f3b57", "#c9d6e2"


def reliability(judged: Judged) -> Figure:
    """Share of right answers against the probability they were given, by bin."""
    place, is_right = bins(judged.confidence), judged.is_right
    used = [k for k in range(BINS) if (place == k).any()]
    figure, axes = _axes("probability given", "share that was right")
    axes.plot([0, 1], [0, 1], color=SOFT)
    said = [judged.confidence[place == k].mean() for k in used]
    was = [is_right[place == k].mean() for k in used]
    sizes = [10 + 200 * (place == k).mean() for k in used]
    axes.scatter(said, was, s=sizes, color=INK)
    axes.set_title(f"calibration error {calibration_error(judged.confidence, is_right):.3f}")
    return figure


def confusion(judged: Judged) -> Figure:
    """Rows: the truth; columns: the answer; shares of each row."""
    names, counts = np.unique(judged.truth.astype(str), return_counts=True)
    shown = [str(name) for name in names[np.argsort(-counts, kind="stable")][:CLASSES_MAX]]
    shown = shown if len(names) <= CLASSES_MAX else [*shown, "(others)"]
    place = {name: k for k, name in enumerate(shown)}
    matrix = np.zeros((len(shown), len(shown)))
    rest = place.get("(others)")
    for truth, label in zip(judged.truth, judged.label, strict=True):
        row, column = place.get(truth, rest), place.get(label, rest)
        if row is not None and column is not None:
            matrix[row, column] += 1
    matrix /= np.maximum(matrix.sum(1, keepdims=True), 1)
    figure, axes = _axes("answered", "true", size=3 + 0.22 * len(shown))
    axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(shown)), shown, rotation=90, fontsize=7)
    axes.set_yticks(range(len(shown)), shown, fontsize=7)
    return figure


def coverage(judged: Judged) -> Figure:
    """Precision of what is answered, against how much is answered: the surest first."""
    order = np.argsort(-judged.confidence, kind="stable")
    count = np.arange(1, len(order) + 1)
    figure, axes = _axes("share answered", "share of these that is right")
    axes.plot(count / len(order), np.cumsum(judged.is_right[order]) / count, color=INK)
    axes.axhline(0.9, color=SOFT)
    axes.set_ylim(0, 1.02)
    return figure


def save_all(judged: Judged, name: str, folder: Path) -> None:
    """<name>_reliability.png, <name>_confusion.png, <name>_coverage.png."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, draw in (("reliability", reliability), ("confusion", confusion), ("coverage", coverage)):
        draw(judged).savefig(folder / f"{name}_{kind}.png", dpi=110)


def _axes(x: str, y: str, size: float = 4.5) -> tuple[Figure, Any]:
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes
