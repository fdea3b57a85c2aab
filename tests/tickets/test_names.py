"""Names in what people write."""

import pytest

from aiops.tickets.names import ORDINARY, Names, steps_down


@pytest.mark.parametrize(
    ("text", "name", "surely"),
    [
        ("Orders DB is slow", "orders-db", 1.0),
        ("order_db", "orders-db", 1.0),
        ("borders db", "orders-db", 0.0),
        ("node-a rebooted", "node-a", 1.0),
        ("search is broken", "search", ORDINARY),
        ("the searches are broken", "search", 0.0),
        ("the search service is broken", "search", 1.0),
        ("db2 hangs", "db2", 1.0),
        ("die Größe der Bestände", "bestände", ORDINARY),
        ("anything", "", 0.0),
        ("anything", "---", 0.0),
        ("", "search", 0.0),
    ],
)
def test_how_surely_a_name_is_said(text: str, name: str, surely: float) -> None:
    assert Names.of(text, {}).says(name) == surely


def test_an_attribute_counts_where_it_is_the_name() -> None:
    names = Names.of("", {"a": {"b": ["Search", 3]}, "note": "search engines"})
    assert (names.says("search"), names.says("engine")) == (1.0, 0.0)


def test_steps_down_take_the_shortest_way_and_end() -> None:
    needs = {"a": ("b", "c"), "b": ("d",), "c": ("a",), "d": ("e",), "e": ("f",)}
    assert steps_down(needs, "a", {"a"}) == (0, "a")
    assert steps_down(needs, "a", {"d", "e"}) == (2, "d")
    assert steps_down(needs, "a", {"f"}) is None, "out of reach"
    assert steps_down(needs, "c", {"x"}) is None
