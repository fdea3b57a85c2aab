"""The nearest prototype equals the plain search, however many are in use."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aiops.detection import state as S
from aiops.detection.nearest import nearest
from aiops.errors import SettingsError


def plainly(bank: NDArray[Any], state: tuple[float, ...], used: int) -> tuple[float, int]:
    distances = np.abs(bank[:, :used] - np.array(state, bank.dtype)[:, None]).max(axis=0, initial=0)
    return (float(distances.min()), int(distances.argmin())) if used else (float(np.float32(3e38)), -1)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("used", [0, 1, 15, 16, 17, 31, 32, 95, 96])
def test_nearest_equals_the_plain_search(kind: type[np.floating], used: int) -> None:
    rng = np.random.default_rng(used)
    body = np.zeros((3, S.BODY_SIZE), kind)
    for _ in range(20):
        body[1] = rng.integers(-20, 20, S.BODY_SIZE)  # so coarse that several are equally near
        f0, f1, f2, f3 = state = tuple(np.float32(x) for x in rng.integers(-20, 20, 4))
        distance, index = nearest(body, 1, f0, f1, f2, f3, used, np.zeros(S.BANK_SIZE, np.float32))
        bank = body[1, S.BANK : S.BANK_USED].reshape(4, S.BANK_SIZE)
        assert (distance, index) == plainly(bank, tuple(map(float, state)), used)


def test_more_rows_than_memory_are_a_setting_to_lower() -> None:
    with pytest.raises(SettingsError, match=r"ingest.series_max = 100000000000 needs .* GiB"):
        S.State.allocate(10**11)


def test_rows_begin_with_a_cache_line() -> None:
    state = S.State.allocate(3)
    for row in (0, 1, 2):
        assert state.body[row].ctypes.data % S.LINE_BYTES == 0
        assert state.head[row].ctypes.data % S.LINE_BYTES == 0
        assert state.body[row, S.BANK :].ctypes.data % S.LINE_BYTES == 0
