"""The planes are those of LinearSVC, which solves the same problem the slow way."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.svm import LinearSVC

from aiops.learning.support_vectors import Matrix, fit_planes


def drawn(classes: int, rows: int = 300) -> tuple[Matrix, np.ndarray]:
    rng = np.random.default_rng(classes)
    index = rng.integers(classes, size=rows)
    dense = (rng.normal(size=(rows, 12)) + 2 * rng.normal(size=(classes, 12))[index]).astype(np.float32)
    words = sparse.random(rows, 400, 0.03, format="csr", dtype=np.float32, random_state=1)
    return Matrix(dense / np.float32(8), words), index  # lengths like those of real features


@pytest.mark.parametrize("is_balanced", [False, True])
@pytest.mark.parametrize("classes", [2, 5])
def test_the_planes_are_those_of_linear_svc(classes: int, is_balanced: bool) -> None:
    matrix, index = drawn(classes)
    index[: len(index) // 3] = 0  # one class is common, so that balancing matters
    planes = fit_planes(matrix, index, 0.5, is_balanced, tolerance=1e-4)
    weight = len(index) / classes / np.bincount(index)[index] if is_balanced else None
    model = LinearSVC(C=0.5, tol=1e-6, max_iter=100_000, random_state=0)
    whole = sparse.hstack([sparse.csr_matrix(matrix.dense), matrix.sparse]).tocsr()
    expected = model.fit(whole, index, sample_weight=weight).decision_function(whole)
    expected = np.column_stack([-expected, expected]) if classes == 2 else expected
    np.testing.assert_allclose(planes.margins(matrix), expected, atol=5e-3)


def test_the_same_rows_give_the_same_bytes() -> None:
    matrix, index = drawn(7)
    once, again = (fit_planes(matrix, index, 0.5) for _ in range(2))
    assert once.sparse.tobytes() == again.sparse.tobytes() and once.dense.tobytes() == again.dense.tobytes()


def test_a_class_that_is_not_there_has_no_plane() -> None:
    matrix, index = drawn(3)
    index[index == 1] = 2
    assert fit_planes(matrix, index, 0.5).classes.tolist() == [0, 2]
