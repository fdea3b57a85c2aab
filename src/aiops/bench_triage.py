"""How well a model fitted to the train part of each set of tickets answers its validation part.

A set is a folder with train.parquet and validation.parquet. What is asked of it follows from its columns: the first of
`TARGETS` that is there; rows flagged `out_of_scope` are never learned, and judge whether the model can say "none of
these". Nothing is chosen on the validation part.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from aiops.errors import InputError
from aiops.learning.figures import calibration_error
from aiops.learning.fit import Fitted, Table, fit
from aiops.tickets import classifier as C
from aiops.tickets.encoder import Encoder

TARGETS = ("intent", "assignment_group", "issue_type", "category", "sentiment", "urgency")
PRECISION = 0.9
IN_SCOPE_ACCURACY = 0.93  # kept by in-scope rows where out-of-scope ones are rejected


@dataclass(frozen=True, slots=True)
class TriageFigures:
    """One set. `oos_recall` None: the set has no out-of-scope rows."""

    name: str
    target: str
    train: int
    validation: int
    classes: int
    accuracy: float
    macro_f1: float
    top_3: float
    calibration_error: float
    coverage: float  # share still answered where 90 % precision is asked
    precision: float  # and how often that is right
    oos_recall: float | None
    fit_s: float


def bench_triage(data: Path, encoder: Encoder, told: Callable[[str], None] = lambda _: None) -> Iterator[TriageFigures]:
    """Every set in `data`, or `data` itself. Raises InputError where there is none."""
    folders = [
        path.parent for path in sorted(data.rglob("train.parquet")) if (path.parent / "validation.parquet").exists()
    ]
    if not folders:
        raise InputError(f"{data}: no folder with train.parquet and validation.parquet")
    for folder in folders:
        train, validation = (_columns(folder / f"{part}.parquet") for part in ("train", "validation"))
        target = next((name for name in TARGETS if name in train), None)
        if target is None:
            continue
        told(folder.name)
        yield _figures(folder.name, target, train, validation, encoder)


def _columns(path: Path) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = pyarrow.parquet.read_table(path).to_pydict()
    return columns


def _figures(
    name: str, target: str, train: dict[str, list[Any]], validation: dict[str, list[Any]], encoder: Encoder
) -> TriageFigures:
    learned = np.flatnonzero(~_flags(train, target))
    started = time.perf_counter()
    fitted = fit(_table(train, target, learned), encoder, target)
    fit_s = time.perf_counter() - started
    judged = _table(validation, target, np.arange(len(validation[target])))
    prediction, scope = _answers(fitted, judged, target, encoder)
    truth, is_out = np.array(judged.labels[target]), _flags(validation, target)
    is_in = ~is_out
    label = np.array(prediction.classes)[prediction.top]
    is_right = label == truth
    order = np.argsort(-prediction.probabilities, axis=1)[:, :3]
    top_3 = (np.array(prediction.classes)[order] == truth[:, None]).any(1)
    answered = is_in & (prediction.confidence >= C.threshold(fitted.classifier.outputs[target], PRECISION))
    return TriageFigures(
        name,
        target,
        len(learned),
        int(is_in.sum()),
        len(prediction.classes),
        float(is_right[is_in].mean()),
        float(f1_score(truth[is_in], label[is_in], average="macro")),
        float(top_3[is_in].mean()),
        calibration_error(prediction.confidence[is_in], is_right[is_in]),
        float(answered.sum() / is_in.sum()),
        float(is_right[answered].mean()) if answered.any() else 1.0,
        oos_recall(scope, is_right, is_out) if is_out.any() else None,
        fit_s,
    )


def _flags(columns: dict[str, list[Any]], target: str) -> NDArray[np.bool_]:
    return np.array(columns.get("out_of_scope", [False] * len(columns[target])), dtype=bool)


def _table(columns: dict[str, list[Any]], target: str, rows: NDArray[np.intp]) -> Table:
    def text(name: str) -> list[str]:
        values = columns.get(name)
        return [str(values[k] or "") for k in rows] if values else [""] * len(rows)

    body = text("body" if "body" in columns else "text")
    labels = [str(columns[target][k]) for k in rows]
    times = None
    if "created_at" in columns:
        moments = np.array([columns["created_at"][k] for k in rows], dtype="datetime64[ms]")
        times = moments.astype(np.int64)
    return Table(text("title"), body, {target: labels}, times)


def _answers(fitted: Fitted, table: Table, target: str, encoder: Encoder) -> tuple[C.Prediction, Any]:
    titles, texts = table.read()
    vectors = encoder.encode(texts)
    near = fitted.classifier.neighbours(vectors.sentence)
    predictions = fitted.classifier.predict(fitted.idf.features(titles, texts, vectors), near)
    return predictions[target], fitted.classifier.scope_scores(vectors.sentence, near, predictions)


def oos_recall(scope: NDArray[Any], is_right: NDArray[np.bool_], is_out: NDArray[np.bool_]) -> float:
    """The largest share of out-of-scope rows rejected while in-scope accuracy, rejections counted as errors, holds."""
    best = 0.0
    for bar in np.unique(scope[is_out]):
        if (is_right & (scope > bar))[~is_out].mean() >= IN_SCOPE_ACCURACY:
            best = max(best, float((scope[is_out] <= bar).mean()))
    return best
