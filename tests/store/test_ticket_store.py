"""Kept tickets: one contract on SQLite and PostgreSQL."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from aiops.errors import ConflictError, InputError, NotFoundError
from aiops.store.ticket_store import TicketFilter, TicketStore
from aiops.tickets import record as life
from aiops.tickets.record import TicketRecord, TicketState
from tests.tickets.test_record import record


@pytest.fixture
def store(engine: Engine) -> TicketStore:
    return TicketStore(engine)


def make(number: int, **changed: object) -> TicketRecord:
    one = replace(record(f"T-{number}"), created_ms=1000 * number, number=0, version=0)
    return replace(one, **changed)  # type: ignore[arg-type]


def test_what_was_added_is_read_back_whole(store: TicketStore) -> None:
    (added,) = store.add([make(1)])
    assert (added.version, added.number > 0) == (1, True)
    assert store.get("", "T-1") == added


def test_an_id_is_taken_once_within_a_tenant(store: TicketStore) -> None:
    store.add([make(1), make(1, tenant="acme")])
    with pytest.raises(ConflictError, match="another request"):
        store.add([make(2), make(1)])
    assert set(store.find([("", "T-1"), ("acme", "T-1"), ("", "T-2")])) == {("", "T-1"), ("acme", "T-1")}
    with pytest.raises(NotFoundError, match="T-2"):
        store.get("", "T-2")


def test_many_keys_are_found_at_once(store: TicketStore) -> None:
    store.add([make(k) for k in range(1000)])
    assert len(store.find([("", f"T-{k}") for k in range(1200)])) == 1000


def test_only_new_lines_are_added_and_stale_writes_refused(store: TicketStore) -> None:
    (added,) = store.add([make(1)])
    saved = store.save(life.assign(added, "network", "ann", "", 5000))
    assert store.get("", "T-1") == saved
    assert [event.what for event in saved.timeline] == ["received", "assigned"]
    with pytest.raises(ConflictError, match="meanwhile"):
        store.save(life.assign(added, "identity", "bob", "", 6000))


def test_filters_hold_together(store: TicketStore) -> None:
    one, _, three = store.add([make(1), make(2, tenant="acme"), make(3)])
    store.save(life.correct(one, {"category": "network"}, "P3", "ann", "", 9000))
    store.save(life.resolve(three, "ann", "restarted it", 9000))

    def found(**wanted: object) -> list[str]:
        return [one.ticket_id for one in store.list(TicketFilter(**wanted), 10).items]  # type: ignore[arg-type]

    assert found() == ["T-3", "T-2", "T-1"]
    assert found(tenant="acme") == ["T-2"]
    assert found(tenant="") == ["T-3", "T-1"]
    assert found(states=[TicketState.RESOLVED]) == ["T-3"]
    assert found(categories=["network"]) == ["T-1"]
    assert found(categories=["network", "access"], since_ms=2000) == ["T-3", "T-2"]
    assert found(priorities=["P3"], until_ms=3000, tenant="") == ["T-1"]
    assert found(is_decided=True) == ["T-1"]
    assert found(is_decided=False) == ["T-3", "T-2"]
    assert found(teams=["nobody"]) == []
    assert store.counts() == {"open": 2, "resolved": 1}


def test_pages_are_stable_while_tickets_arrive(store: TicketStore) -> None:
    store.add([make(k) for k in range(1, 8)])
    page = store.list(TicketFilter(), 3)
    seen = [one.ticket_id for one in page.items]
    store.add([make(8)])
    while page.cursor:
        page = store.list(TicketFilter(), 3, page.cursor)
        seen += [one.ticket_id for one in page.items]
    assert seen == [f"T-{k}" for k in (7, 6, 5, 4, 3, 2, 1)]
    with pytest.raises(InputError, match="cursor"):
        store.list(TicketFilter(), 3, "x")


def test_a_requester_is_forgotten_and_numbers_are_not_given_again(store: TicketStore) -> None:
    *_, acme = store.add([make(1, requester_key="a" * 64), make(2), make(3, requester_key="a" * 64, tenant="acme")])
    assert store.forget("a" * 64, "acme") == [("acme", "T-3")]
    assert store.forget("a" * 64) == [("", "T-1")]
    assert store.forget("a" * 64) == []
    assert [one.ticket_id for one in store.list(TicketFilter(), 10).items] == ["T-2"]
    (fresh,) = store.add([make(4)])
    assert fresh.number > acme.number


def test_what_is_forgotten_is_not_left_in_the_file(store: TicketStore, tmp_path: Path) -> None:
    word, is_file = "unmistakeable-word", (tmp_path / "aiops.db").exists()  # PostgreSQL has its own, and VACUUM
    (gone, kept) = store.add([make(1, requester_key="a" * 64, body=word * 50), make(2)])
    assert any(word.encode() in path.read_bytes() for path in tmp_path.iterdir()) == is_file
    store.forget("a" * 64)
    assert set(store.find([(one.tenant, one.ticket_id) for one in (gone, kept)])) == {(kept.tenant, kept.ticket_id)}
    assert not any(word.encode() in path.read_bytes() for path in tmp_path.iterdir())
