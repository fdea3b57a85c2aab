"""Links of tickets and incidents: one contract on SQLite and PostgreSQL."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from aiops.incidents.incident import State
from aiops.store.incident_store import Change, IncidentStore
from aiops.store.ticket_links import TicketLinks
from aiops.store.ticket_store import TicketFilter, TicketStore
from aiops.tickets.linking import AFTER_MS, BEFORE_MS, Link
from tests.store.test_incident_store import make as make_incident
from tests.store.test_ticket_store import make as make_ticket


@pytest.fixture
def links(engine: Engine) -> TicketLinks:
    return TicketLinks(engine)


def test_links_are_shown_on_both_sides_and_go_with_the_ticket(engine: Engine, links: TicketLinks) -> None:
    IncidentStore(engine).save([Change(make_incident(1)), Change(make_incident(2, State.OPEN))])
    store = TicketStore(engine)
    one, two = store.add([make_ticket(1, requester_key="a" * 64), make_ticket(2)])
    links.add([(one.number, Link(1, 0.5, "so")), (one.number, Link(2, 0.9, "why")), (two.number, Link(2, 0.8, "x"))])
    links.add([(one.number, Link(2, 0.1, "again"))])
    links.add([])
    mine = links.of_tickets([one.number, two.number])
    assert [(x.link, x.state) for x in mine[one.number]] == [
        (Link(2, 0.9, "why"), State.OPEN), (Link(1, 0.5, "so"), State.CANDIDATE)
    ]  # fmt: skip
    count, newest = links.of_incident(2, 1)
    assert (count, [x.ticket_id for x in newest], newest[0].reason) == (2, ["T-2"], "x")
    assert [x.ticket_id for x in store.list(TicketFilter(incident_id=1), 10).items] == ["T-1"]
    store.forget("a" * 64)
    assert links.of_incident(2, 10)[0] == 1 and links.of_incident(1, 10) == (0, [])


def test_incidents_are_found_around_the_time_of_a_ticket(engine: Engine, links: TicketLinks) -> None:
    hour = 3_600_000
    states = [State.CANDIDATE, State.RECOVERED, State.RESOLVED, State.DISMISSED, State.RESOLVED]
    ended = [None, 20 * hour, 20 * hour, 20 * hour, None]
    made = [make_incident(number, state) for number, state in enumerate(states, 1)]
    moved = [replace(m, started_ms=10 * hour, ended_ms=e) for m, e in zip(made, ended, strict=True)]
    IncidentStore(engine).save([Change(one) for one in moved])

    def found(at_ms: int) -> list[int]:
        return sorted(one.incident_id for one in links.around(at_ms, at_ms))

    assert found(10 * hour - BEFORE_MS - 1) == []
    assert found(10 * hour - BEFORE_MS) == [1, 2, 3]
    assert found(20 * hour + AFTER_MS) == [1, 2, 3]
    assert found(20 * hour + AFTER_MS + 1) == [1]
    assert sorted(one.incident_id for one in links.living()) == [1, 2]
    assert links.living()[0].names == ("web",)
