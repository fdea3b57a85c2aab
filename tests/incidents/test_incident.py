"""States, and what may follow what."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from aiops.errors import ConflictError, InputError
from aiops.incidents.alert import Alert
from aiops.incidents.incident import (
    Incident,
    State,
    What,
    confirm,
    dismiss,
    incident_number,
    recover,
    relapse,
    resolve,
)
from aiops.incidents.severity import Severity, severity

Move = Callable[[Incident], Incident]


def alert(
    name: str = "latency", service: str = "web", score: float = 0.6, time_ms: int = 1000, is_novel: bool = True
) -> Alert:
    labels = (("__name__", name), ("service", service))
    return Alert(labels, "spike", score, time_ms, f"{service} {name} is odd", is_novel=is_novel)


def incident(state: State = State.CANDIDATE) -> Incident:
    return Incident(
        7, state, Severity.LOW, "title", (), ("service=web",), 1000, 2000, 2000, None, (alert(),), 1, (), version=1
    )


MOVES: dict[str, Move] = {
    "confirm": lambda one: confirm(one, "ann", "seen", 9000),
    "dismiss": lambda one: dismiss(one, "ann", "load test", 9000),
    "resolve": lambda one: resolve(one, "ann", "rolled back", "bad release", 9000),
    "relapse": lambda one: relapse(one, "again", 9000),
}
ALLOWED = {
    ("candidate", "confirm"): "open",
    ("candidate", "dismiss"): "dismissed",
    ("candidate", "resolve"): "resolved",
    ("open", "dismiss"): "dismissed",
    ("open", "resolve"): "resolved",
    ("recovered", "confirm"): "open",
    ("recovered", "dismiss"): "dismissed",
    ("recovered", "resolve"): "resolved",
    ("recovered", "relapse"): "candidate",
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", MOVES)
def test_every_move_from_every_state(state: State, move: str) -> None:
    expected = ALLOWED.get((state.value, move))
    if expected is None:
        with pytest.raises(ConflictError, match="INC-7"):
            MOVES[move](incident(state))
    else:
        moved = MOVES[move](incident(state))
        assert moved.state == expected
        assert len(moved.timeline) == 1
        assert moved.timeline[0].time_ms == moved.updated_ms == 9000


def test_a_decision_says_who_and_why() -> None:
    moved = resolve(incident(State.OPEN), "ann", "rolled back", "bad release", 9000)
    assert (moved.timeline[0].who, moved.timeline[0].why) == ("ann", "rolled back")
    assert (moved.resolution, moved.cause) == ("rolled back", "bad release")


@pytest.mark.parametrize("move", [lambda i: dismiss(i, "ann", " ", 1), lambda i: resolve(i, "ann", "", "", 1)])
def test_a_final_decision_needs_a_reason(move: Move) -> None:
    with pytest.raises(InputError):
        move(incident())


def test_what_a_person_confirmed_does_not_close_by_itself() -> None:
    assert recover(incident(State.CANDIDATE), "quiet", 9000).state == State.RECOVERED
    still = recover(incident(State.OPEN), "quiet", 9000)
    assert still.state == State.OPEN
    assert still.timeline[0].what == What.RECOVERED


def test_numbers_are_read_from_names() -> None:
    assert [incident_number(text) for text in ("INC-12", "inc-3", "4", "INC-", "x", "INC-" + "9" * 30)] == [
        12, 3, 4, None, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("alerts", "entities", "now_ms", "level"),
    [
        ([alert()], 1, 1000, Severity.LOW),
        ([alert(score=0.9)], 1, 1000, Severity.LOW),
        ([alert(score=0.9), alert("a"), alert("b")], 1, 1000, Severity.MEDIUM),
        ([alert(kind_count) for kind_count in "abcdefgh"] + [alert(score=0.9)], 2, 1000, Severity.HIGH),
        ([alert(c) for c in "abcdefgh"] + [alert(score=0.9)], 4, 31 * 60_000, Severity.CRITICAL),
    ],
)
def test_severity_grows_with_strangeness_breadth_and_time(
    alerts: list[Alert], entities: int, now_ms: int, level: Severity
) -> None:
    assert severity(alerts, entities, now_ms)[0] == level


def deviating(kind: str, value: float | None, expected: float | None = 100.0) -> Alert:
    return Alert((("__name__", "m"),), kind, 0.6, 1000, "odd", value=value, expected=expected)


@pytest.mark.parametrize(
    ("other", "is_like"),
    [
        (deviating("spike", 140.0), True),
        (deviating("level_shift", 240.0), True),  # the same deviation, seen for longer
        (deviating("spike", 1000.0), False),  # another size
        (deviating("dip", 50.0), False),  # another direction
        (deviating("trend", 150.0), False),
        (deviating("missing", None, None), False),
    ],
)
def test_what_is_comparable(other: Alert, is_like: bool) -> None:
    mine = deviating("spike", 150.0)
    assert mine.is_like(other) == other.is_like(mine) == is_like


def test_stuck_and_silent_are_comparable_by_kind() -> None:
    assert deviating("stuck", 5.0, 5.1).is_like(deviating("stuck", 900.0, 800.0))
    assert deviating("trend", 101.0).is_like(deviating("trend", 500.0))
    assert not deviating("trend", 101.0).is_like(deviating("trend", 99.0))
    assert deviating("missing", None, None).is_like(deviating("missing", None, None))


def test_the_strongest_onset_lends_its_words() -> None:
    weak, strong = deviating("spike", 150.0), replace(deviating("spike", 900.0), score=0.9, sentence="very odd")
    assert (weak.again(strong).sentence, weak.again(strong).value) == ("very odd", 900.0)
    assert strong.again(weak).sentence == "very odd"
    assert [weak.again(strong).times, replace(weak, ended_ms=2000).again(strong).times] == [1, 2]
