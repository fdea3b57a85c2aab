"""Labelled tickets -> a classifier, in seconds to minutes on a CPU.

Linear support vectors, one class against the rest, and beside them the votes of the nearest known tickets. Where a
class has few examples its name is one more. What the answers are worth is learned on held-out folds: each fold's
tickets are scored by heads and neighbours that never saw them, and from these the temperature, the trust model and the
abstention thresholds follow. Tickets that carry a time are folded forward (learn from the past, judge the next part;
the older two thirds are only learned from), since a random fold would let near-copies of next week's tickets leak in.

Needs scikit-learn (the `train` extra); what it returns does not.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize_scalar
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from aiops.errors import InputError
from aiops.learning.support_vectors import Matrix, Planes, fit_planes
from aiops.tickets import classifier as C
from aiops.tickets import ngrams
from aiops.tickets.encoder import Encoder, Vectors
from aiops.tickets.features import Features, Idf
from aiops.tickets.reading import read_all

FOLDS = 3
FEW = 30  # examples per class (mean) up to which a class's name is worth an example, and errors cost more
COST_FEW, COST_SHORT, COST = 1.0, 0.5, 0.2  # C of the support vectors: few examples, many short texts, many long ones
SHORT_TOKENS = 20  # median words of a text up to which it is short
MEMORY_MAX = 32_000  # remembered texts; more are thinned evenly: each ticket is compared with all
VOTES = 0.5  # weight of the neighbours' votes, in temperatures of the heads' margins
SHRINK = 0.2  # of covariances towards the scaled identity
SCOPE_LOST = 0.03  # of held-out tickets refused as no ticket, where nothing else is said
SEED = 0
_ABSENT = -2.0  # margin of a class that a fold never saw
_SEPARATORS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Table:
    """Tickets to learn from. `labels` by output name; "" where a ticket has none of it."""

    titles: Sequence[str]
    bodies: Sequence[str]
    labels: Mapping[str, Sequence[str]]
    times_ms: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.titles)

    def read(self) -> tuple[list[str], list[str]]:
        """Titles and whole texts as triage reads them: cleaned, and without personal data."""
        readings = read_all(self.titles, self.bodies)
        return [one.title for one in readings], [one.joined for one in readings]


@dataclass(frozen=True, slots=True)
class Fitted:
    """A classifier and the idf it reads texts with."""

    idf: Idf
    classifier: C.Classifier


def fit(
    table: Table,
    encoder: Encoder,
    scope_output: str = "",
    balanced: Collection[str] = (),
    progressed: Callable[[str], None] = lambda _: None,
) -> Fitted:
    """Fits every output of the table. `scope_output` names the one whose classes span what a ticket can be; outputs in
    `balanced` weigh rare classes as much as common ones. Raises InputError where an output has fewer
    than two classes.
    """
    progressed("reading texts")
    titles, texts = table.read()
    vectors = encoder.encode(texts)
    idf = Idf.fit(titles, texts)
    features = idf.features(titles, texts, vectors)
    matrix = to_matrix(features)
    kept = _memory_rows(len(texts))
    is_short = np.median([text.count(" ") + 1 for text in texts]) <= SHORT_TOKENS
    outputs: dict[str, C.Output] = {}
    learned: list[Planes] = []
    columns: dict[str, slice] = {}
    held: dict[str, _Held] = {}
    for name, labels in table.labels.items():
        progressed(f"learning {name}")
        label = np.array(labels, dtype=object)
        rows = np.flatnonzero(label != "")
        classes = tuple(sorted(set(label[rows])))
        if len(classes) < 2:
            raise InputError(f"{name}: there is nothing to tell apart: {len(classes)} class in {len(rows)} tickets")
        index = np.searchsorted(np.array(classes, dtype=object), label[rows])
        said = [_SEPARATORS.sub(" ", one) for one in classes]
        named = to_matrix(idf.features([""] * len(said), said, encoder.encode(said)))
        cost = COST_SHORT if is_short else COST
        learner = _learner(index, named, cost, name in balanced)
        planes = learner(matrix[rows], index)
        start = sum(len(one.bias) for one in learned)
        learned.append(planes)
        columns[name] = slice(start, start + len(classes))
        progressed(f"judging {name} on held-out folds")
        order = None if table.times_ms is None else table.times_ms[rows]
        held[name] = _held_out(matrix[rows], index, len(classes), vectors.sentence[rows], learner, order)
        outputs[name] = _output(name, classes, held[name], _memory_labels(label, classes, kept))
    heads = _heads(learned, columns)
    scope = _scope(vectors, table, outputs, held, scope_output) if scope_output else None
    memory = vectors.sentence[kept].astype(np.float32)
    return Fitted(idf, C.Classifier(heads, outputs, memory, scope, scope_output))


def to_matrix(features: Features) -> Matrix:
    """The blocks side by side, (n, 3 * ngrams.SIZE), and what is dense."""
    blocks = [
        sparse.csr_matrix((b.values, b.columns, b.starts), shape=(len(b.starts) - 1, ngrams.SIZE))
        for b in features.blocks
    ]
    return Matrix(features.dense, sparse.hstack(blocks).tocsr())


@dataclass(frozen=True, slots=True)
class _Held:
    """Scores of tickets by heads that never saw them; rows index the labelled tickets of one output."""

    rows: NDArray[np.intp]
    margins: NDArray[np.float32]  # heads and votes together
    truth: NDArray[np.intp]
    known: NDArray[np.int16]  # class of each neighbour, as `near.place` numbers them
    near: C.Neighbours
    votes: float  # weight of the votes


def _learner(
    index: NDArray[np.intp], named: Matrix, cost: float, is_balanced: bool
) -> Callable[[Matrix, NDArray[np.intp]], Planes]:
    """`named` holds the features of the classes' names, in order; taken as examples where there are few others."""
    if np.bincount(index).mean() > FEW:
        return lambda matrix, y: fit_planes(matrix, y, cost, is_balanced)
    classes = np.arange(len(named))
    return lambda matrix, y: fit_planes(
        Matrix(np.vstack([matrix.dense, named.dense]), sparse.vstack([matrix.sparse, named.sparse]).tocsr()),
        np.concatenate([y, classes]),
        COST_FEW,
        is_balanced,
    )


def _folds(
    index: NDArray[np.intp], times_ms: NDArray[np.int64] | None
) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    if times_ms is not None:
        order = np.argsort(times_ms, kind="stable")
        ends = np.linspace(len(order) * 2 // 3, len(order), FOLDS + 1).astype(int)
        return [(order[:start], order[start:end]) for start, end in pairwise(ends)]
    rare = np.bincount(index)[index] < FOLDS  # too few to be in every fold: one group of their own
    strata = np.where(rare, -1, index)
    split = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    return list(split.split(np.zeros(len(index)), strata))


def _held_out(
    matrix: Matrix,
    index: NDArray[np.intp],
    classes: int,
    sentence: NDArray[np.float32],
    learner: Callable[[Matrix, NDArray[np.intp]], Planes],
    times_ms: NDArray[np.int64] | None,
) -> _Held:
    parts = []
    for train, test in _folds(index, times_ms):
        if len(np.unique(index[train])) < 2 or not len(test):
            continue
        planes = learner(matrix[train], index[train])
        margins = np.full((len(test), classes), _ABSENT, np.float32)
        margins[:, planes.classes] = planes.margins(matrix[test])
        kept = train[_memory_rows(len(train))]
        near = C.nearest(sentence[test], sentence[kept])
        parts.append((test, margins, index[test], index[kept][near.place].astype(np.int16), near.cosine))
    if not parts:
        raise InputError("too few tickets to judge: give at least 3 of each class")
    nearest = min(part[-1].shape[1] for part in parts)  # the first folds of a small table remember few
    parts = [(*part[:3], part[3][:, :nearest], part[4][:, :nearest]) for part in parts]
    rows, margins, truth, known, cosine = (np.concatenate(part) for part in zip(*parts, strict=True))
    near = C.Neighbours(np.arange(known.size).reshape(known.shape), cosine)
    weight = VOTES * _temperature(margins, truth)
    voted = margins + np.float32(weight) * C.votes(near, known.ravel(), classes)
    return _Held(rows, voted, truth, known.ravel(), near, weight)


def _output(name: str, classes: tuple[str, ...], held: _Held, memory_labels: NDArray[np.int16]) -> C.Output:
    temperature = _temperature(held.margins, held.truth)
    signs = C.trust_signs(held.margins, temperature, held.near, held.known)
    is_right = held.margins.argmax(1) == held.truth
    if 0 < is_right.sum() < len(is_right):
        model = LogisticRegression(C=1.0, max_iter=1000).fit(signs, is_right)
        trust = np.concatenate([model.coef_[0], model.intercept_])
    else:  # nothing to learn from: the temperature-scaled probability as it is
        trust = np.array([1.0, 0, 0, 0, 0, 0])
    confidence = 1 / (1 + np.exp(-(signs @ trust[:-1] + trust[-1])))
    return C.Output(name, classes, temperature, trust, _thresholds(confidence, is_right), memory_labels, held.votes)


def _temperature(margins: NDArray[np.float32], truth: NDArray[np.intp]) -> float:
    def loss(log_t: float) -> float:
        p = C.softmax(margins, float(np.exp(log_t)))[np.arange(len(truth)), truth]
        return float(-np.log(p.clip(1e-9)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.02), np.log(20)), method="bounded").x))


def _thresholds(confidence: NDArray[np.float64], is_right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Per asked precision the least confidence at which all answers above it were right so often; 1.01 = never."""
    order = np.argsort(-confidence, kind="stable")
    precision = np.cumsum(is_right[order]) / np.arange(1, len(order) + 1)
    found = np.full(len(C.PRECISIONS), 1.01)
    for k, asked in enumerate(C.PRECISIONS):
        reached = np.flatnonzero(precision >= asked)
        if len(reached):
            found[k] = confidence[order[reached[-1]]]
    return found


def _memory_rows(texts: int) -> NDArray[np.intp]:
    return np.unique(np.linspace(0, texts - 1, min(texts, MEMORY_MAX)).round().astype(np.intp))


def _memory_labels(label: NDArray[np.object_], classes: tuple[str, ...], kept: NDArray[np.intp]) -> NDArray[np.int16]:
    place = {name: k for k, name in enumerate(classes)}
    return np.array([place.get(name, -1) for name in label[kept]], np.int16)


def _heads(learned: Sequence[Planes], columns: dict[str, slice]) -> C.Heads:
    size = ngrams.SIZE
    weights = np.vstack([one.sparse for one in learned])
    blocks = tuple(np.ascontiguousarray(weights[:, k * size : (k + 1) * size].T).astype(np.float16) for k in range(3))
    dense = np.ascontiguousarray(np.vstack([one.dense for one in learned]).T)
    return C.Heads(blocks, dense, np.concatenate([one.bias for one in learned]), columns)  # type: ignore[arg-type]


def _scope(
    vectors: Vectors, table: Table, outputs: Mapping[str, C.Output], held: Mapping[str, _Held], name: str
) -> C.Scope:
    output, seen = outputs[name], held[name]
    label = np.array(table.labels[name], dtype=object)
    rows = np.flatnonzero(label != "")
    x = vectors.sentence[rows].astype(np.float64)
    index = np.searchsorted(np.array(output.classes, dtype=object), label[rows])
    means = np.stack([x[index == k].mean(0) for k in range(len(output.classes))])
    center = x.mean(0)
    draft = C.Scope(
        center.astype(np.float32),
        _whitening(x - center),
        _whitening(x - means[index]),
        means.astype(np.float32),
        np.zeros(3),
        np.ones(3),
        0.0,
    )
    signs = C.scope_signs(draft, vectors.sentence[rows][seen.rows], seen.near, seen.margins, output.temperature)
    means_, scales = signs.mean(0), signs.std(0).clip(1e-6)
    scores = ((signs - means_) / scales).sum(1)
    return C.Scope(
        draft.center,
        draft.whole,
        draft.within,
        draft.class_means,
        means_,
        scales,
        float(np.quantile(scores, SCOPE_LOST)),
    )


def _whitening(centered: NDArray[np.float64]) -> NDArray[np.float32]:
    """float32 (d, d): centered @ it has unit covariance, the covariance shrunk towards the scaled identity."""
    covariance = centered.T @ centered / max(1, len(centered) - 1)
    d = len(covariance)
    shrunk = (1 - SHRINK) * covariance + SHRINK * np.trace(covariance) / d * np.eye(d)
    values, directions = np.linalg.eigh(shrunk)
    whitening: NDArray[np.float32] = (directions / np.sqrt(values)).astype(np.float32)
    return whitening
