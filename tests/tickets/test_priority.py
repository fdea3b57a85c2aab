"""The matrix and the cap against "everything is critical", on and off."""

import pytest

from aiops.tickets.priority import ITIL, capped, is_by_model, matrix, priority
from aiops.tickets.ticket import Priority
from aiops.tickets.urgency_rules import Held

P1 = priority(ITIL, "high", "high")


def test_the_matrix_is_itils_where_it_is_not_changed() -> None:
    changed = matrix({"high": {"low": "P2"}})
    assert priority(ITIL, "high", "low").label == "P3"
    assert priority(changed, "high", "low").label == "P2"
    assert {key: label for key, label in changed.items() if label != ITIL[key]} == {("high", "low"): "P2"}
    assert priority(ITIL, "sehr hoch", "low").label == "P3"


def run(one: Priority, count: int, share_max: float, free: int) -> list[str]:
    """Labels of `count` tickets, all of this priority."""
    labels, by_model = [], 0
    for recent in range(1, count + 1):
        label = capped(one, recent, by_model, share_max, free)
        by_model += is_by_model(label)
        labels.append(label.label)
    return labels


def test_beyond_the_share_what_the_model_alone_calls_critical_is_p2_and_says_so() -> None:
    labels = run(P1, 100, 0.1, 3)
    assert labels[:4] == ["P1", "P1", "P1", "P2"]
    assert labels.count("P1") == 10
    said = capped(P1, 50, 5, 0.1, 3)
    assert (said.label, said.urgency, said.impact) == ("P2", "high", "high")
    assert "5 of this tenant's 50 tickets" in said.reasons[0].text and said.reasons[0].what == "cap"


def test_off_is_off() -> None:
    assert run(P1, 50, 1.0, 0) == ["P1"] * 50
    assert run(P1, 5, 0.0, 0) == ["P2"] * 5


@pytest.mark.parametrize(("floor", "labels"), [("high", ["P1"] * 20), ("medium", ["P1"] * 3 + ["P2"] * 17)])
def test_a_rule_that_asks_for_the_highest_level_is_not_capped(floor: str, labels: list[str]) -> None:
    ruled = priority(ITIL, "high", "high", [Held("urgency", floor, "many people cannot work")])
    assert run(ruled, 20, 0.0, 3) == labels


def test_what_is_not_p1_is_left_alone() -> None:
    low = priority(ITIL, "medium", "high")
    assert capped(low, 10, 10, 0.0, 0) is low
