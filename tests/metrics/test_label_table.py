"""The table of known labels equals a dictionary, in whatever order series come."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from numba import njit

from aiops.metrics.label_table import CAPACITY_MIN, NOBODY, LabelTable, find_after


@njit
def walked(before, slots, hashes, followers, wanted):  # type: ignore[no-untyped-def]
    found = np.empty(len(wanted), np.int64)
    for k in range(len(wanted)):
        before = found[k] = find_after(before, slots, hashes, followers, wanted[k])
    return found


def rows_of(table: LabelTable, wanted: list[int]) -> list[int | None]:
    entries = walked(table.last, table.slots, table.hashes, table.followers, np.array(wanted, np.uint64))
    return [None if entry == NOBODY else int(table.rows[entry]) for entry in entries.tolist()]


# few hashes and far apart, many in one slot
HASHES = st.integers(1, 12) | st.integers(0, 5).map(lambda k: 7 + (k << 40)) | st.integers(2**64 - 3, 2**64 - 1)
STEPS: Any = st.lists(
    st.tuples(st.just("look"), st.lists(HASHES, max_size=12))
    | st.tuples(st.just("remember"), st.tuples(HASHES, st.integers(-3, 9)))
    | st.tuples(st.just("forget"), st.integers(-3, 9)),
    max_size=30,
)


@given(STEPS)
@hypothesis_settings(max_examples=300, deadline=None)
def test_table_equals_a_dictionary_whatever_comes_and_goes(steps: list[tuple[str, Any]]) -> None:
    table, plain = LabelTable(1000), dict[int, int]()
    for what, value in steps:
        if what == "look":
            assert rows_of(table, value) == [plain.get(hashed) for hashed in value]
        elif what == "remember":
            table.remember(np.uint64(value[0]), value[1])
            plain[value[0]] = value[1]
        else:
            table.forget(lambda rows, gone=value: rows == gone)  # type: ignore[misc]
            plain = {hashed: row for hashed, row in plain.items() if row != value}
        assert len(table) == len(plain)


def test_thousands_are_found_in_any_order_again() -> None:
    rng = np.random.default_rng(1)
    hashes = rng.integers(1, 2**63, 3 * CAPACITY_MIN).astype(np.uint64)
    table = LabelTable(len(hashes))
    for row, hashed in enumerate(hashes):
        table.remember(hashed, row)
    for order in (np.arange(len(hashes)), rng.permutation(len(hashes)), np.arange(len(hashes))[::-1]):
        for _ in range(2):  # the second time by who followed whom
            assert rows_of(table, hashes[order].tolist()) == order.tolist()


def test_a_full_table_begins_anew() -> None:
    table = LabelTable(3)
    for row in range(4):
        table.remember(np.uint64(100 + row), row)
    assert len(table) == 1
    assert rows_of(table, [100, 103]) == [None, 3]
