"""How well a model fitted to the train part of each set of tickets answers its validation part.

A set is a folder with train.parquet and validation.parquet. What is asked of it follows from its columns: the first of
`TARGETS` that is there; rows flagged `out_of_scope` are never learned, and judge whether the model can say "none of
these". Further figures are that of the first weeks of a desk (fitted to a few rows of each class) and that of another
desk: sets of the same target and classes judge each other's models. Nothing is chosen on a validation part. The encoder
must remember all texts of a set, so that each is encoded once.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
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
FEW_ROWS, DRAWS = 10, 3  # of each class, drawn so often
TEXTS_MAX = 100_000  # of one set, for the encoder to remember


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
    few_shot: float  # accuracy when fitted to FEW_ROWS of each class: the mean of DRAWS
    elsewhere: float | None  # mean macro-F1 on the validation parts of other sets; None: no other has these classes
    fit_s: float  # with reading and encoding


def bench_triage(
    data: Path, encoder: Encoder, told: Callable[[str], None] = lambda _: None, sets: Collection[str] = ()
) -> Iterator[TriageFigures]:
    """Every set in `data`, or `data` itself; of these the `sets` named. Raises InputError where there is none."""
    folders = [
        path.parent for path in sorted(data.rglob("train.parquet")) if (path.parent / "validation.parquet").exists()
    ]
    if not folders:
        raise InputError(f"{data}: no folder with train.parquet and validation.parquet")
    missing = sorted(set(sets) - {folder.name for folder in folders})
    if missing:
        raise InputError(f"{data}: no set {missing[0]}; there are {', '.join(folder.name for folder in folders)}")
    parts = {folder: _columns(folder / "validation.parquet") for folder in folders}
    asked = {folder: _asked(validation) for folder, validation in parts.items()}
    for folder, validation in parts.items():
        target, classes = asked[folder]
        if not target or (sets and folder.name not in sets):
            continue
        same = [parts[other] for other in folders if other != folder and asked[other] == (target, classes)]
        steps = lambda step, name=folder.name: told(f"{name}: {step}")  # noqa: E731
        train = _columns(folder / "train.parquet")
        yield _figures(folder.name, target, train, validation, same, encoder, steps)


def _asked(columns: dict[str, list[Any]]) -> tuple[str, frozenset[str]]:
    """The target and its classes; "" and none where there is nothing to ask."""
    target = next((name for name in TARGETS if name in columns), "")
    return target, frozenset(map(str, columns.get(target, ())))


def _columns(path: Path) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = pyarrow.parquet.read_table(path).to_pydict()
    return columns


def _figures(
    name: str,
    target: str,
    train: dict[str, list[Any]],
    validation: dict[str, list[Any]],
    others: Sequence[dict[str, list[Any]]],
    encoder: Encoder,
    told: Callable[[str], None],
) -> TriageFigures:
    learned = np.flatnonzero(~_flags(train, target))
    started = time.perf_counter()
    fitted = fit(_table(train, target, learned), encoder, target, progressed=told)
    fit_s = time.perf_counter() - started
    told("judging it on the validation part")
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
        float(np.mean(list(_few_shots(train, target, learned, judged, is_in, encoder, told)))),
        float(np.mean([_elsewhere(fitted, other, target, encoder) for other in others])) if others else None,
        fit_s,
    )


def _elsewhere(fitted: Fitted, columns: dict[str, list[Any]], target: str, encoder: Encoder) -> float:
    judged = _table(columns, target, np.arange(len(columns[target])))
    prediction, _ = _answers(fitted, judged, target, encoder)
    return float(f1_score(judged.labels[target], np.array(prediction.classes)[prediction.top], average="macro"))


def _few_shots(
    train: dict[str, list[Any]],
    target: str,
    learned: NDArray[np.intp],
    judged: Table,
    is_in: NDArray[np.bool_],
    encoder: Encoder,
    told: Callable[[str], None],
) -> Iterator[float]:
    label, truth = np.array([str(train[target][k]) for k in learned]), np.array(judged.labels[target])
    for seed in range(DRAWS):
        told(f"learning from {FEW_ROWS} rows of each class, draw {seed + 1} of {DRAWS}")
        order = np.random.default_rng(seed).permutation(len(learned))
        drawn = [learned[order[label[order] == one][:FEW_ROWS]] for one in np.unique(label)]
        table = _table(train, target, np.sort(np.concatenate(drawn)))
        prediction, _ = _answers(fit(table, encoder), judged, target, encoder)
        yield float((np.array(prediction.classes)[prediction.top] == truth)[is_in].mean())


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
