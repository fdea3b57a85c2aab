"""How good answers are, in numbers; numpy alone, so that the service can judge too.

Accuracy, macro-F1, the truth among the first three, expected calibration error (Naeini et al. 2015, AAAI), and what is
left where answers must be right so often: how many are still given (coverage) and how many of them are right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aiops.tickets import classifier as C
from aiops.tickets.bundle import Bundle
from aiops.tickets.encoder import Encoder

BINS = 15
PRECISION = 0.9
BATCH = 1024


@dataclass(frozen=True, slots=True)
class Judged:
    """One output's answers beside the truth; arrays of n rows, those with a truth alone."""

    classes: tuple[str, ...]
    rows: NDArray[np.intp]  # which rows of the table these are
    truth: NDArray[np.object_]
    label: NDArray[np.object_]
    probabilities: NDArray[np.float64]  # (n, classes)
    confidence: NDArray[np.float64]  # that of `label`
    answered: NDArray[np.bool_]  # not abstained from at the precision asked

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """bool (n,)."""
        right: NDArray[np.bool_] = self.label == self.truth
        return right


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Of one class; precision is NaN where it was never answered."""

    rows: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one output. `precision` is that of the answered rows, NaN where none was."""

    rows: int
    accuracy: float
    macro_f1: float
    top_3: float
    calibration_error: float
    coverage: float
    precision: float
    per_class: Mapping[str, ClassFigures]


def judge(
    bundle: Bundle,
    encoder: Encoder,
    titles: Sequence[str],
    texts: Sequence[str],
    labels: Mapping[str, Sequence[str]],
    precision: float = PRECISION,
) -> dict[str, Judged]:
    """Every output of the bundle that `labels` knows the truth of. `titles` and `texts` as read (cleaned, redacted)."""
    names = [name for name in bundle.classifier.outputs if name in labels]
    predictions: dict[str, list[C.Prediction]] = {name: [] for name in names}
    in_scope = []
    for start in range(0, len(texts), BATCH):
        some = slice(start, start + BATCH)
        vectors = encoder.encode(texts[some])
        near = bundle.classifier.neighbours(vectors.sentence)
        found = bundle.classifier.predict(bundle.idf.features(titles[some], texts[some], vectors), near)
        scope = bundle.classifier.scope
        scores = bundle.classifier.scope_scores(vectors.sentence, near, found)
        in_scope.append(scores >= scope.threshold if scope else np.ones(len(scores), bool))
        for name in names:
            predictions[name].append(found[name])
    accepted = np.concatenate(in_scope) if in_scope else np.empty(0, bool)
    return {name: _judged(name, bundle, predictions[name], labels[name], accepted, precision) for name in names}


def _judged(
    name: str,
    bundle: Bundle,
    found: Sequence[C.Prediction],
    labels: Sequence[str],
    accepted: NDArray[np.bool_],
    precision: float,
) -> Judged:
    output = bundle.classifier.outputs[name]
    truth = np.array(labels, dtype=object)
    rows = np.flatnonzero(truth != "")
    probabilities = np.concatenate([one.probabilities for one in found])[rows]
    confidence = np.concatenate([one.confidence for one in found])[rows]
    top = np.concatenate([one.top for one in found])[rows]
    label = np.array(output.classes, dtype=object)[top]
    answered = (confidence >= C.threshold(output, precision)) & accepted[rows]
    return Judged(output.classes, rows, truth[rows], label, probabilities, confidence, answered)


def figures(judged: Judged) -> Figures:
    """Raises ValueError where there is no row."""
    if not len(judged.truth):
        raise ValueError("no row has a label")
    is_right, answered = judged.is_right, judged.answered
    order = np.argsort(-judged.probabilities, axis=1, kind="stable")[:, :3]
    top_3 = (np.array(judged.classes, dtype=object)[order] == judged.truth[:, None]).any(1)
    classes = per_class(judged.truth, judged.label)
    return Figures(
        len(judged.truth),
        float(is_right.mean()),
        float(np.mean([one.f1 for one in classes.values()])),
        float(top_3.mean()),
        calibration_error(judged.confidence, is_right),
        float(answered.mean()),
        float(is_right[answered].mean()) if answered.any() else float("nan"),
        {name: one for name, one in classes.items() if one.rows},
    )


def per_class(truth: NDArray[np.object_], label: NDArray[np.object_]) -> dict[str, ClassFigures]:
    """Every class that is true or answered somewhere, by name."""
    found = {}
    for name in sorted(set(truth) | set(label)):
        is_it, said = truth == name, label == name
        hits = int((is_it & said).sum())
        precision = hits / said.sum() if said.any() else float("nan")
        recall = hits / is_it.sum() if is_it.any() else float("nan")
        found[name] = ClassFigures(int(is_it.sum()), precision, recall, 2 * hits / int(is_it.sum() + said.sum()))
    return found


def calibration_error(confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> float:
    """Over 15 equal bins, weighted by their rows."""
    place = bins(confidence)
    gaps = [abs(confidence[place == k].sum() - is_right[place == k].sum()) for k in range(BINS)]
    return float(sum(gaps) / len(confidence))


def calibration_chance(confidence: NDArray[np.float64], seed: int, draws: int = 100) -> float:
    """The calibration error that answers of these probabilities have when they are right exactly so often: what so few
    rows make of nothing (Broecker 2012, Climate Dynamics)."""
    drawn = np.random.default_rng(seed).random((draws, len(confidence))) < confidence
    return float(np.mean([calibration_error(confidence, is_right) for is_right in drawn]))


def bins(confidence: NDArray[np.float64]) -> NDArray[np.intp]:
    """Which of BINS each probability is in."""
    place: NDArray[np.intp] = np.minimum((confidence * BINS).astype(np.intp), BINS - 1)
    return place


def paired_bootstrap(
    challenger: NDArray[np.float64], champion: NDArray[np.float64], draws: int, seed: int
) -> NDArray[np.float64]:
    """`draws` means of challenger - champion over rows drawn with replacement, sorted (Efron, Tibshirani 1993, ch. 16);
    both scores are of the same rows, so that what is hard for both cancels."""
    difference = challenger - champion
    values, counts = np.unique(difference, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(difference), counts / len(difference), size=draws)
    means: NDArray[np.float64] = np.sort(drawn @ values / len(difference))
    return means
