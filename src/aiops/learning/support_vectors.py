"""Linear support vectors, one class against the rest, on features that are part dense and part sparse.

The same optimum as scikit-learn's LinearSVC (squared hinge loss, L2, bias as one more feature), by the same method:
dual coordinate descent with shrinking (Hsieh et al. 2008, ICML, "A Dual Coordinate Descent Method for Large-scale
Linear SVM"). It stands here because a ticket is some hundred n-grams beside 784 numbers: liblinear stores the numbers
as if they were sparse and uses one core, and takes six times as long. Each class has its own seed, so threads change
nothing.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.03  # of the projected gradient
ROUNDS_MAX = 300
THREADS = 2


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows of features: `dense` float32 (n, d), `sparse` scipy CSR (n, columns)."""

    dense: NDArray[np.float32]
    sparse: Any

    def __len__(self) -> int:
        return len(self.dense)

    def __getitem__(self, rows: NDArray[np.intp]) -> "Matrix":
        return Matrix(self.dense[rows], self.sparse[rows])


@dataclass(frozen=True, slots=True)
class Planes:
    """One per class, rows in the order of `classes`; margins are x @ weights.T + bias."""

    classes: NDArray[np.intp]
    dense: NDArray[np.float32]  # (classes, d)
    sparse: NDArray[np.float32]  # (classes, columns)
    bias: NDArray[np.float32]

    def margins(self, matrix: Matrix) -> NDArray[np.float32]:
        """float32 (n, classes)."""
        found: NDArray[np.float32] = matrix.sparse @ self.sparse.T + matrix.dense @ self.dense.T + self.bias
        return found


def fit_planes(
    matrix: Matrix, index: NDArray[np.intp], cost: float, is_balanced: bool = False, tolerance: float = TOLERANCE
) -> Planes:
    """`index` (n,) is the class of each row, at least two are there; `cost` of an error is C of LinearSVC."""
    classes = np.unique(index)
    used, columns = np.unique(matrix.sparse.indices, return_inverse=True)  # weights of columns never seen stay 0
    columns, starts = columns.astype(np.int32), matrix.sparse.indptr.astype(np.int64)
    values, dense = matrix.sparse.data.astype(np.float32), np.ascontiguousarray(matrix.dense, dtype=np.float32)
    squares = 1 + (dense**2).sum(1) + np.asarray(matrix.sparse.multiply(matrix.sparse).sum(1)).ravel()
    seen = np.bincount(index)
    costs = np.full(len(index), cost, np.float32)
    if is_balanced:
        costs = (cost * len(index) / (len(classes) * seen[index])).astype(np.float32)
    found_sparse = np.zeros((len(classes), len(used)), np.float32)
    found_dense = np.zeros((len(classes), dense.shape[1]), np.float32)
    bias = np.zeros(len(classes), np.float32)

    def learn(k: int) -> None:
        sign = np.where(index == classes[k], 1, -1).astype(np.float32)
        bias[k] = _descend(
            *(dense, starts, columns, values, squares.astype(np.float32), sign, costs),
            *(found_dense[k], found_sparse[k], k, tolerance, ROUNDS_MAX),
        )

    learned: Sequence[int] = [1] if len(classes) == 2 else range(len(classes))
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(learn, learned))
    if len(classes) == 2:
        found_sparse[0], found_dense[0], bias[0] = -found_sparse[1], -found_dense[1], -bias[1]
    sparse = np.zeros((len(classes), matrix.sparse.shape[1]), np.float32)
    sparse[:, used] = found_sparse
    return Planes(classes, found_dense, sparse, bias)


@nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})  # sums in any order: vector instructions
def _descend(dense, starts, columns, values, squares, sign, costs, dense_w, sparse_w, seed, tolerance, rounds_max):
    """Writes the weights of one class; returns its bias. alpha is the dual variable of each row."""
    rows, width = dense.shape
    alpha = np.zeros(rows, np.float32)
    order = np.arange(rows)
    active, bias = rows, np.float32(0)
    high_before = np.inf
    np.random.seed(seed)
    for _ in range(rounds_max):
        high, low = -np.inf, np.inf
        for k in range(active):
            other = k + np.random.randint(active - k)
            order[k], order[other] = order[other], order[k]
        k = 0
        while k < active:
            i = order[k]
            score = bias
            for j in range(width):
                score += dense[i, j] * dense_w[j]
            for j in range(starts[i], starts[i + 1]):
                score += values[j] * sparse_w[columns[j]]
            diagonal = np.float32(0.5) / costs[i]
            gradient = sign[i] * score - np.float32(1) + diagonal * alpha[i]
            projected = gradient
            if alpha[i] == 0:
                if gradient > high_before:  # far on the right side: out of sight until the end
                    active -= 1
                    order[k], order[active] = order[active], order[k]
                    continue
                projected = min(gradient, np.float32(0))
            high, low = max(high, projected), min(low, projected)
            if projected != 0:
                before = alpha[i]
                alpha[i] = max(before - gradient / (squares[i] + diagonal), np.float32(0))
                step = (alpha[i] - before) * sign[i]
                for j in range(width):
                    dense_w[j] += step * dense[i, j]
                for j in range(starts[i], starts[i + 1]):
                    sparse_w[columns[j]] += step * values[j]
                bias += step
            k += 1
        if high - low <= tolerance:
            if active == rows:
                break
            active = rows  # all once more, those put aside too
            high_before = np.inf
        else:
            high_before = high if high > 0 else np.inf
    return bias
