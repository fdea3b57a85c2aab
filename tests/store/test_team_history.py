"""What the store knows of teams: one contract on SQLite and PostgreSQL."""

from sqlalchemy import Engine

from aiops.store.team_history import StoredTeamHistory
from aiops.store.ticket_store import TicketStore
from aiops.tickets import record as life
from tests.conftest import Clock
from tests.store.test_ticket_store import make


def test_load_past_and_what_was_passed_on(engine: Engine) -> None:
    store, clock = TicketStore(engine), Clock(1000)
    history = StoredTeamHistory(engine, 60, clock)
    assert (history().open_count, history().resolved, history().routed) == ({}, {}, {})
    one, two, three, _ = store.add([make(k) for k in range(4)])
    two = store.save(life.assign(two, "identity", "ann", "", 5000))
    three = store.save(life.assign(three, "network", "ann", "", 5000))
    store.save(life.resolve(three, "ann", "new cable", 6000))
    store.save(life.resolve(one, "ann", "reset", 6000))
    assert history().open_count == {}, "asked once a minute"
    clock.now_s += 61
    found = history()
    assert found.open_count == {"identity": 2}
    assert found.resolved == {("access", "network"): 1, ("access", "identity"): 1}
    assert (found.routed, found.moved) == ({"identity": 2}, {"identity": 1})


def test_where_the_database_is_gone_the_last_answer_stands(engine: Engine) -> None:
    store, clock = TicketStore(engine), Clock(1000)
    store.add([make(1)])
    history = StoredTeamHistory(engine, 0, clock)
    before = history()
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE ticket RENAME TO gone")
    try:
        assert history() == before and before.open_count == {"identity": 1}
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE gone RENAME TO ticket")
