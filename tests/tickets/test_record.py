"""The life of a kept ticket: who decided what, when, and the times that service figures are made of."""

from collections.abc import Callable

import pytest

from aiops.errors import ConflictError, InputError
from aiops.tickets import record as life
from aiops.tickets.record import TicketEvent, TicketRecord, TicketState
from aiops.tickets.ticket import Answer, Choice, Priority, Reason, Team, Triage

ANSWER = Answer("access", 0.8, (Choice("network", 0.2),), False, (Reason("word", "share", 1.5),))
TRIAGE = Triage(
    {"category": ANSWER, "sentiment": Answer("neutral", 0.5, (), True, ())},
    Priority("P4", "low", "medium", (Reason("matrix", "urgency low x impact medium", 0.0),)),
    (Team("identity", 0.7, ()), Team("network", 0.3, ())),
    False,
    True,
    0.9,
    "en",
    (("email", 1),),
    "triage/1",
)


def record(ticket_id: str = "T-1") -> TicketRecord:
    return TicketRecord(
        ticket_id=ticket_id,
        tenant="",
        title="Cannot reach the share",
        body="access denied, [email 1]",
        channel="mail",
        attributes={"affected_users": 3},
        created_ms=1000,
        received_ms=1000,
        requester_key="",
        digest="0" * 64,
        sealed="",
        triage=TRIAGE,
        labels=life.labels_of(TRIAGE),
        timeline=(TicketEvent(1000, "aiops", life.Deed.RECEIVED),),
    )


def test_what_triage_abstained_from_is_not_in_force() -> None:
    assert record().labels == {"category": "access", "sentiment": "", "priority": "P4", "team": "identity"}


def test_a_correction_says_who_what_and_when_and_stands() -> None:
    done = life.correct(record(), {"category": "network", "urgency": "high"}, "P2", "ann", "DNS", 5000)
    assert done.labels["category"] == "network" and done.labels["priority"] == "P2"
    assert done.decided == ("category", "urgency")
    assert done.timeline[1] == TicketEvent(5000, "ann", life.Deed.CORRECTED, "DNS", "category", "access", "network")
    again = life.correct(done, {"category": "network"}, "P2", "bob", "yes", 6000)
    assert again.decided == done.decided and len(again.timeline) == 4
    with pytest.raises(InputError, match="priority"):
        life.correct(record(), {"priority": "P1"}, "P1", "ann", "", 5000)


def test_the_first_team_is_an_assignment_and_each_further_one_a_reassignment() -> None:
    one = life.assign(record(), "identity", "ann", "", 2000)
    assert (one.assigned_ms, one.reassigned) == (2000, 0)
    assert life.assign(one, "identity", "bob", "", 3000) == one
    two = life.correct(one, {"team": "network"}, "P4", "bob", "not ours", 4000)
    assert (two.assigned_ms, two.reassigned, two.labels["team"]) == (2000, 1, "network")
    assert [event.what for event in two.timeline[1:]] == ["assigned", "corrected", "reassigned"]


def test_from_open_to_closed_and_back() -> None:
    one = life.resolve(record(), "ann", "reset the password", 3000)
    assert (one.state, one.resolved_ms, one.first_response_ms) == (TicketState.RESOLVED, 3000, 3000)
    done = life.close(one, "ann", "", 4000)
    assert (done.state, done.closed_ms) == (TicketState.CLOSED, 4000)
    back = life.reopen(done, "ann", "still locked", 5000)
    assert (back.state, back.resolved_ms, back.resolution, back.reopened) == (TicketState.OPEN, None, "", 1)
    wrongs: list[Callable[[], TicketRecord]] = [
        lambda: life.close(record(), "ann", "", 1),
        lambda: life.resolve(done, "ann", "x", 1),
        lambda: life.reopen(record(), "ann", "", 1),
        lambda: life.assign(done, "network", "ann", "", 1),
        lambda: life.respond(done, "ann", "", 1),
    ]
    for wrong in wrongs:
        with pytest.raises(ConflictError):
            wrong()
    with pytest.raises(InputError, match="resolution"):
        life.resolve(record(), "ann", " ", 1)


def test_first_contact_is_solved_by_the_first_answer_for_good() -> None:
    assert record().is_first_contact is None
    assert life.resolve(record(), "ann", "done", 3000).is_first_contact is True
    answered = life.respond(record(), "ann", "looking", 2000)
    assert life.respond(answered, "ann", "still looking", 2500).first_response_ms == 2000
    assert life.resolve(answered, "ann", "done", 3000).is_first_contact is False
    moved = life.assign(life.assign(record(), "a", "ann", "", 1), "b", "ann", "", 2)
    assert life.resolve(moved, "ann", "done", 3).is_first_contact is False


def test_the_team_of_a_closed_ticket_can_still_be_corrected_for_learning() -> None:
    done = life.close(life.resolve(record(), "ann", "x", 2), "ann", "", 3)
    corrected = life.correct(done, {"team": "network"}, "P4", "bob", "", 4)
    assert (corrected.labels["team"], corrected.reassigned, corrected.assigned_ms) == ("network", 0, None)
