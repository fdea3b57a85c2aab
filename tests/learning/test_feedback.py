"""Examples from what people decided: which label, how sure, and what is held out and why."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from aiops.errors import TableError
from aiops.incidents.incident import confirm, dismiss, resolve
from aiops.learning import feedback
from aiops.learning.feedback import Example, incident_examples, learnable, of_ticket, ticket_examples
from aiops.store.database import open_database
from aiops.store.incident_store import Change, IncidentStore
from aiops.store.ticket_store import TicketStore
from aiops.tickets import record as life
from aiops.tickets.record import TicketRecord
from tests.store.test_incident_store import make as incident
from tests.tickets.test_record import record

DAY = 86_400_000
NOW = 100 * DAY


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_database(f"sqlite:///{tmp_path / 'aiops.db'}")
    yield opened
    opened.dispose()


def ticket(number: int, title: str = "", **changed: object) -> TicketRecord:
    one = replace(record(f"T-{number}"), title=title or f"ticket {number}", created_ms=DAY * number)
    return replace(one, **changed)  # type: ignore[arg-type]


def said(one: TicketRecord, output: str, label: str, who: str = "ann", day: int = 50) -> TicketRecord:
    return life.correct(one, {output: label}, "P3", who, "", DAY * day)


def by_output(one: TicketRecord) -> dict[str, tuple[str, str, float]]:
    return {e.output: (e.label, e.provenance, e.weight) for e in of_ticket(one)}


def test_nothing_is_learned_from_what_nobody_decided() -> None:
    assert list(of_ticket(ticket(1))) == []


def test_a_correction_and_a_confirmation_are_worth_most() -> None:
    one = said(said(ticket(1), "category", "network"), "team", "identity")
    assert by_output(one) == {"category": ("network", "corrected", 1.0), "team": ("identity", "confirmed", 1.0)}


def test_who_solved_it_is_the_team_and_what_nobody_objected_to_counts_little() -> None:
    one = life.assign(ticket(1), "network", "ann", "", DAY * 2)
    one = life.resolve(life.assign(one, "sre", "bob", "", DAY * 3), "bob", "restarted", DAY * 4)
    assert by_output(one) == {"category": ("access", "accepted", 0.3), "team": ("sre", "solved by", 0.8)}
    nobody = life.resolve(ticket(2), "bob", "went away", DAY * 4)
    assert by_output(nobody)["team"] == ("identity", "accepted", 0.3)
    assert [one.output for one in learnable(list(of_ticket(one)))] == ["team"]


def test_what_is_reopened_is_not_solved() -> None:
    one = life.resolve(life.assign(ticket(1), "sre", "bob", "", DAY * 3), "bob", "restarted", DAY * 4)
    assert list(of_ticket(life.reopen(one, "ann", "again", DAY * 5))) == []


def test_the_last_word_counts_unless_two_people_fight_over_it() -> None:
    once = said(said(ticket(1), "category", "network"), "category", "hardware", "bob", 51)
    (example,) = of_ticket(once)
    assert (example.label, example.held_out, example.decided_ms) == ("hardware", "", DAY * 51)
    (fought,) = of_ticket(said(once, "category", "network", "ann", 52))
    assert fought.held_out == feedback.CHANGED


def test_too_recent_and_contradicting_labels_are_held_out(engine: Engine) -> None:
    store = TicketStore(engine)
    tickets = [
        said(ticket(1, "Printer  jams"), "category", "hardware"),
        said(ticket(2, "printer jams"), "category", "software"),
        said(ticket(3, "printer jams", tenant="acme"), "category", "software"),
        said(ticket(4), "category", "network", day=100),
        said(ticket(5), "category", "network", day=98),
        life.resolve(ticket(6, "printer jams"), "ann", "cleaned", DAY * 60),  # nobody looked at its category
    ]
    store.add(tickets)
    found = {(e.tenant, e.id): e.held_out for e in ticket_examples(store, NOW) if e.output == "category"}
    assert found == {
        ("", "T-1"): feedback.CONFLICTING,
        ("", "T-2"): feedback.CONFLICTING,
        ("acme", "T-3"): "",
        ("", "T-4"): feedback.TOO_RECENT,
        ("", "T-5"): "",
        ("", "T-6"): feedback.CONFLICTING,
    }
    assert [e.id for e in learnable(ticket_examples(store, NOW))] == ["T-3", "T-5"]
    assert [e.id for e in learnable(ticket_examples(store, NOW), tenant="acme")] == ["T-3"]
    assert {e.id for e in ticket_examples(store, NOW, settle_ms=0) if not e.held_out} >= {"T-4"}


def test_more_tickets_than_a_page_are_read(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "PAGE", 7)
    store = TicketStore(engine)
    store.add([said(ticket(k), "category", "network") for k in range(1, 31)])
    found = ticket_examples(store, NOW)
    assert [e.id for e in found] == [f"T-{k}" for k in range(1, 31)]


def test_incidents_say_whether_they_were_any_and_why(engine: Engine) -> None:
    store = IncidentStore(engine)
    one, two, _, four = store.save([Change(incident(k)) for k in range(1, 5)])
    store.save([Change(resolve(one, "ann", "rolled back", "bad deploy", DAY))])
    store.save([Change(dismiss(two, "ann", "load test", DAY))])
    store.save([Change(confirm(four, "bob", "", NOW))])
    found = [(e.id, e.output, e.label, e.held_out) for e in incident_examples(store, NOW)]
    assert found == [
        ("INC-1", "cause", "bad deploy", ""),
        ("INC-1", "outcome", "confirmed", ""),
        ("INC-2", "outcome", "noise", ""),
        ("INC-4", "outcome", "confirmed", feedback.TOO_RECENT),
    ]
    assert learnable(incident_examples(store, NOW)) == [], "an incident is no ticket"


def test_an_export_comes_back_and_forgets_who_is_forgotten(engine: Engine, tmp_path: Path) -> None:
    store = TicketStore(engine)
    store.add([said(ticket(k, requester_key="amira" if k < 3 else ""), "category", "network") for k in range(1, 6)])
    path = tmp_path / "examples.parquet"
    examples = ticket_examples(store, NOW)
    kept = [Example("incident", "", "INC-1", "outcome", "noise", "t", "b", 1, 2, "ann", "dismissed", 1.0)]
    feedback.write_parquet([*examples, *kept], path)
    assert feedback.read_parquet(path) == [*examples, *kept]
    assert feedback.pruned(path, store) == 0
    store.forget("amira")
    assert [e.id for e in ticket_examples(store, NOW)] == ["T-3", "T-4", "T-5"]
    assert feedback.pruned(path, store) == 2
    assert [e.id for e in feedback.read_parquet(path)] == ["T-3", "T-4", "T-5", "INC-1"]
    assert b"T-1" not in path.read_bytes()


def test_what_is_no_export_is_told(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="cannot be read"):
        feedback.read_parquet(tmp_path / "none.parquet")
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(TableError, match="no export of examples"):
        feedback.read_parquet(tmp_path / "other.parquet")
