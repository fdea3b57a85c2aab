"""One contract for every database: SQLite always, a real PostgreSQL among the interop tests."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from aiops.errors import ConflictError, InputError, NotFoundError
from aiops.incidents.incident import Event, Incident, State, What, confirm, dismiss, resolve
from aiops.incidents.severity import Severity
from aiops.store.database import open_database, upgrade
from aiops.store.incident_store import Change, IncidentFilter, IncidentStore
from aiops.store.schema import metadata
from tests.incidents.test_incident import alert


@pytest.fixture
def store(engine: Engine) -> IncidentStore:
    return IncidentStore(engine)


def make(
    number: int, state: State = State.CANDIDATE, severity: Severity = Severity.LOW, service: str = "web"
) -> Incident:
    moment = 1000 * number
    return Incident(
        incident_id=number,
        state=state,
        severity=severity,
        title=f"{service} is slow, number {number}",
        labels=(("service", service),),
        entities=(f"service={service}",),
        started_ms=moment,
        detected_ms=moment,
        updated_ms=moment,
        ended_ms=None,
        alerts=(alert("latency", service, time_ms=moment), alert("errors", service, time_ms=moment)),
        alert_count=2,
        timeline=(Event(1000, "aiops", What.DETECTED, "odd"),),
    )


def test_what_was_saved_is_read_back_whole(store: IncidentStore) -> None:
    saved = store.save([Change(make(1))])[0]
    assert saved.version == 1
    assert store.get(1) == saved
    assert store.last_id() == 1


def test_evidence_is_kept_per_alert_and_only_replaced_when_given(store: IncidentStore) -> None:
    one = make(1)
    first, second = (a.fingerprint for a in one.alerts)
    saved = store.save([Change(one, {first: [{"value": 1.5, "score": None}]})])[0]
    changed = replace(saved, alerts=(saved.alerts[0].again(saved.alerts[0]), saved.alerts[1]))
    store.save([Change(changed, {second: [{"value": 2.5}]})])
    assert store.evidence(1) == {first: [{"value": 1.5, "score": None}], second: [{"value": 2.5}]}
    assert [a.count for a in store.get(1).alerts] == [2, 1]


def test_only_new_lines_are_added_to_the_timeline(store: IncidentStore) -> None:
    saved = store.save([Change(make(1))])[0]
    store.save([Change(confirm(saved, "ann", "seen", 5000))])
    assert [event.what for event in store.get(1).timeline] == [What.DETECTED, What.CONFIRMED]


def test_stale_write_is_a_conflict(store: IncidentStore) -> None:
    saved = store.save([Change(make(1))])[0]
    store.save([Change(confirm(saved, "ann", "", 5000))])
    with pytest.raises(ConflictError, match="meanwhile"):
        store.save([Change(confirm(saved, "bob", "", 5000))])
    with pytest.raises(ConflictError, match="exists already"):
        store.save([Change(make(1))])


def test_a_save_is_all_or_nothing(store: IncidentStore) -> None:
    store.save([Change(make(1))])
    with pytest.raises(ConflictError):
        store.save([Change(make(2)), Change(make(1))])
    with pytest.raises(NotFoundError, match="INC-2"):
        store.get(2)


def test_filters_hold_together(store: IncidentStore) -> None:
    store.save(
        [
            Change(make(1, State.OPEN, Severity.HIGH)),
            Change(make(2, State.OPEN, Severity.LOW, "db")),
            Change(make(3, State.RESOLVED, Severity.CRITICAL)),
            Change(make(4, State.CANDIDATE, Severity.MEDIUM)),
        ]
    )

    def found(**wanted: object) -> list[int]:
        return [one.incident_id for one in store.list(IncidentFilter(**wanted), 10).items]  # type: ignore[arg-type]

    assert found() == [4, 3, 2, 1]
    assert found(states=[State.OPEN]) == [2, 1]
    assert found(states=[State.OPEN, State.RESOLVED], severity_min=Severity.HIGH) == [3, 1]
    assert found(labels=[("service", "db")]) == [2]
    assert found(labels=[("service", "web"), ("__name__", "errors")]) == [4, 3, 1]
    assert found(labels=[("service", "nobody")]) == []
    assert found(since_ms=2000, until_ms=4000) == [3, 2]
    assert found(text="NUMBER 3") == [3]
    assert found(text="%") == []


def test_pages_are_stable_while_new_incidents_arrive(store: IncidentStore) -> None:
    store.save([Change(make(number)) for number in range(1, 8)])
    page = store.list(IncidentFilter(), 3)
    seen = [one.incident_id for one in page.items]
    store.save([Change(make(8))])
    while page.cursor:
        page = store.list(IncidentFilter(), 3, page.cursor)
        seen += [one.incident_id for one in page.items]
    assert seen == [7, 6, 5, 4, 3, 2, 1]


def test_a_foreign_cursor_is_refused(store: IncidentStore) -> None:
    for cursor in ("x", "AAAA", "MTIz"):
        with pytest.raises(InputError, match="cursor"):
            store.list(IncidentFilter(), 3, cursor)


def test_the_living_are_found_after_a_restart(store: IncidentStore) -> None:
    states = [State.CANDIDATE, State.OPEN, State.RECOVERED, State.RECOVERED, State.RESOLVED, State.DISMISSED]
    store.save([Change(make(number, state)) for number, state in enumerate(states, 1)])
    living = store.living(since_ms=4000)
    assert [one.incident_id for one in living] == [1, 2, 4]
    assert all(one.alerts and one.timeline for one in living)


def test_counts_are_by_state_and_severity(store: IncidentStore) -> None:
    store.save([Change(make(1)), Change(make(2)), Change(make(3, State.OPEN, Severity.HIGH))])
    assert store.counts() == {("candidate", "low"): 2, ("open", "high"): 1}


def test_migrations_make_exactly_the_tables_the_code_uses(store: IncidentStore) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    upgrade(store._engine)  # twice is harmless
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_sqlite_survives_power_loss_and_lets_readers_read(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'deep' / 'aiops.db'}")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    engine.dispose()


def test_the_past_of_a_series_and_what_became_of_it(store: IncidentStore) -> None:
    saved = store.save([Change(make(number)) for number in (1, 2, 3, 4)])
    resolved = resolve(saved[1], "ann", "rolled back", "bad release", 9000)
    store.save([Change(dismiss(saved[0], "ann", "load test", 9000)), Change(resolved)])
    latency, errors = (one.fingerprint for one in saved[0].alerts)
    past = store.past([latency, errors], 4, limit=2)
    assert {f: [one.incident for one in events] for f, events in past.items()} == {
        latency: ["INC-3", "INC-2"],
        errors: ["INC-3", "INC-2"],
    }
    told = [(one.alert.time_ms, one.state, one.resolution) for one in store.past([latency], 4, limit=9)[latency]]
    assert told == [(3000, "candidate", ""), (2000, "resolved", "rolled back"), (1000, "dismissed", "load test")]
    assert store.past([latency], 1, limit=9) == {}


def test_a_listed_incident_carries_the_alert_of_its_title(store: IncidentStore) -> None:
    one = make(1)
    store.save([Change(replace(one, lead=one.alerts[1].fingerprint)), Change(make(2))])
    second, first = store.list(IncidentFilter(), 10).items
    assert (second.alerts, first.alerts) == ((), (one.alerts[1],))
