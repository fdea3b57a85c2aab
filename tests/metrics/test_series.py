"""Labels, selectors and the table of series."""

import numpy as np
import pytest

from aiops.errors import InputError, OverloadError
from aiops.metrics.series import SeriesTable, canonical, display, parse_matchers


def test_labels_are_sorted_and_empty_ones_are_absent() -> None:
    assert canonical({"b": "2", "a": "1", "c": ""}) == (("a", "1"), ("b", "2"))


def test_repeated_and_unnamed_labels_are_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        canonical([("a", "1"), ("a", "2")])
    with pytest.raises(InputError, match="empty name"):
        canonical([("", "1")])


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("up", [0, 1]),
        ('up{job="node"}', [0]),
        ('up{job!="node"}', [1]),
        ('{job=~"no.*|db"}', [0, 1]),
        ('{job!~"no.*"}', [1, 2]),
        ('{job=""}', [2]),
        ("", [0, 1, 2]),
        ('{job="node",}', [0]),
    ],
)
def test_selectors_match_as_in_prometheus(selector: str, found: list[int]) -> None:
    table = SeriesTable(5)
    for labels in ({"__name__": "up", "job": "node"}, {"__name__": "up", "job": "db"}, {"__name__": "down"}):
        table.row(canonical(labels))
    assert table.match(parse_matchers(selector)) == found


@pytest.mark.parametrize("selector", ['up{job="node"', "up{job=node}", 'up{job=~"("}', 'up{="x"}'])
def test_unreadable_selectors_are_refused(selector: str) -> None:
    with pytest.raises(InputError, match="selector"):
        parse_matchers(selector)


def test_display_is_what_prometheus_writes() -> None:
    assert display(canonical({"__name__": "up", "job": "a"})) == 'up{job="a"}'
    assert display(canonical({"__name__": "up"})) == "up"


def test_the_table_is_bounded() -> None:
    table = SeriesTable(1)
    assert table.row(canonical({"__name__": "a"})) == table.row(canonical({"__name__": "a"})) == 0
    with pytest.raises(OverloadError, match="series_max"):
        table.row(canonical({"__name__": "b"}))


def test_freed_rows_are_given_out_again_lowest_first_and_told_as_new() -> None:
    table = SeriesTable(4)
    for name in "abcd":
        table.row(canonical({"__name__": name}))
    given = table.given
    table.free(np.array([2, 0]))
    assert (table.series_count, len(table), table.new_since(given)) == (2, 4, [])
    assert list(table.items()) == [(1, (("__name__", "b"),)), (3, (("__name__", "d"),))]
    assert table.find(canonical({"__name__": "a"})) is None
    assert table.match(()) == [1, 3]
    assert [table.row(canonical({"__name__": name})) for name in "xby"] == [0, 1, 2]
    assert table.new_since(given) == [0, 2]
    assert table.new_since(0) == [1, 3, 0, 2]
    with pytest.raises(OverloadError, match="series_max"):
        table.row(canonical({"__name__": "z"}))
