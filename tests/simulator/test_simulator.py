"""The fleet is what it says: seasonal, deterministic, disturbed only where a fault is."""

import itertools

import numpy as np
import pytest

from aiops.simulator.fault import JOINT_KINDS, SINGLE_KINDS, FaultKind, Op, callers, make_fault, schedule
from aiops.simulator.fleet import DAY_MS, DEPENDS_ON, MINUTE_MS, SERVICES, START_MS, Fleet
from aiops.simulator.judge import FoundAlert, FoundIncident, judge
from aiops.simulator.simulation import Simulation
from aiops.simulator.tickets import write_tickets

FLEET = Fleet(3)


def matrix(simulation: Simulation, minutes: int = 1440) -> np.ndarray:
    """float64 (series, minutes of all days), NaN = no sample."""
    out = np.full((len(FLEET.series), simulation.days * 1440), np.nan)
    for chunk in simulation.chunks(minutes):
        out[chunk.series, (chunk.time_ms - START_MS) // MINUTE_MS] = chunk.values
    return out


@pytest.fixture(scope="module")
def calm() -> np.ndarray:
    return matrix(Simulation(FLEET, [], 3))


def test_the_same_seed_is_the_same_fleet_however_it_is_asked_for(calm: np.ndarray) -> None:
    np.testing.assert_array_equal(matrix(Simulation(Fleet(3), [], 3), minutes=7), calm)
    assert not np.array_equal(matrix(Simulation(Fleet(4), [], 3)), calm)


def test_chunks_are_in_order_of_time() -> None:
    for chunk in Simulation(FLEET, [], 1).chunks(30):
        assert (np.diff(chunk.time_ms) >= 0).all()


@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_changes_its_series_while_it_lasts_and_nothing_else(kind: FaultKind, calm: np.ndarray) -> None:
    fault = make_fault(FLEET, kind, START_MS + DAY_MS + 600 * MINUTE_MS, np.random.default_rng(1))
    disturbed = matrix(Simulation(FLEET, [fault], 3))
    differs = ~((disturbed == calm) | (np.isnan(disturbed) & np.isnan(calm)))
    assert set(np.flatnonzero(differs.any(axis=1)).tolist()) <= set(fault.series)
    assert differs.any()
    first, last = ((moment - START_MS) // MINUTE_MS for moment in (fault.start_ms, fault.end_ms))
    assert not differs[:, :first].any()
    gauges = ~FLEET.is_counter()
    assert not differs[gauges, last:].any()


def test_counters_fall_only_at_deploys(calm: np.ndarray) -> None:
    row = FLEET.index["http_requests_total", "checkout"]
    falls = np.flatnonzero(np.diff(calm[row]) < 0) + 1
    deploys = [day * 1440 + minute for day in range(3) for minute in FLEET.deploy_minutes("checkout", day)]
    assert falls.tolist() == deploys


def test_missing_data_is_absent_and_counters_count_on() -> None:
    fault = make_fault(FLEET, FaultKind.MISSING_DATA, START_MS + 600 * MINUTE_MS, np.random.default_rng(1))
    values = matrix(Simulation(FLEET, [fault], 1))
    row = FLEET.index["http_requests_total", fault.where]
    minutes = slice(600, (fault.end_ms - START_MS) // MINUTE_MS)
    assert np.isnan(values[row, minutes]).all()
    calm = matrix(Simulation(FLEET, [], 1))
    assert values[row, -1] == calm[row, -1]


def test_days_repeat_and_weekends_are_quieter() -> None:
    values = matrix(Simulation(FLEET, [], 7))[FLEET.index["request_rate", "web"]]
    monday, tuesday, saturday = values[:1440], values[1440:2880], values[5 * 1440 : 6 * 1440]
    assert np.corrcoef(monday, tuesday)[0, 1] > 0.9
    assert saturday.mean() < 0.85 * tuesday.mean()


def test_the_topology_has_no_cycles_and_knows_its_services() -> None:
    def depth(service: str, seen: tuple[str, ...] = ()) -> int:
        assert service not in seen
        return 1 + max((depth(below, (*seen, service)) for below in DEPENDS_ON.get(service, ())), default=0)

    assert max(depth(service) for service in SERVICES) >= 4
    assert {below for all_below in DEPENDS_ON.values() for below in all_below} <= set(SERVICES)
    assert callers("payments") == ["checkout"]


def test_a_schedule_holds_every_kind_with_room_between() -> None:
    faults = schedule(FLEET, START_MS, START_MS + 10 * DAY_MS, 27, 5)
    assert {fault.kind for fault in faults} == set(SINGLE_KINDS)
    others = schedule(FLEET, START_MS, START_MS + 10 * DAY_MS, 9, 5, JOINT_KINDS)
    assert {fault.kind for fault in others} == {FaultKind.UNSERVED_LOAD}
    assert all(b.start_ms - a.end_ms >= 3 * 3_600_000 for a, b in itertools.pairwise(faults))
    assert schedule(FLEET, START_MS, START_MS + 10 * DAY_MS, 27, 5) == faults
    with pytest.raises(ValueError, match="do not fit"):
        schedule(FLEET, START_MS, START_MS + DAY_MS, 27, 5)


def found(name: str, time_ms: int, row: int) -> FoundIncident:
    return FoundIncident(name, time_ms, [FoundAlert(FLEET.series[row], time_ms)])


def test_the_judge_is_strict_and_fair() -> None:
    faults = schedule(FLEET, START_MS, START_MS + 10 * DAY_MS, 9, 5)
    rows = [min(fault.series) for fault in faults]
    perfect = [found(f"INC-{k}", f.start_ms + 60_000, rows[k]) for k, f in enumerate(faults)]
    verdict = judge(FLEET, faults, perfect)
    assert (verdict.found_count, verdict.false_incidents, verdict.duplicates) == (9, [], [])
    assert verdict.median_delay_s == 60
    nothing = judge(FLEET, faults, [])
    assert (nothing.found_count, nothing.median_delay_s) == (0, None)
    stranger = next(row for row in range(len(FLEET.series)) if row not in faults[0].series)
    others = [
        found("wrong series", faults[0].start_ms + 1, stranger),
        found("too early", faults[0].start_ms - 1, rows[0]),
        found("too late", faults[0].end_ms + 31 * 60_000, rows[0]),
    ]
    assert sorted(judge(FLEET, faults, others).false_incidents) == ["too early", "too late", "wrong series"]
    twice = [found("first", faults[0].start_ms, rows[0]), found("second", faults[0].start_ms + 1, rows[0])]
    assert judge(FLEET, faults, twice).duplicates == ["second"]


def test_every_incident_is_accounted_for_and_a_missed_fault_names_the_incident_it_joined() -> None:
    fault = schedule(FLEET, START_MS, START_MS + 10 * DAY_MS, 9, 5)[0]
    row, stranger = min(fault.series), next(k for k in range(len(FLEET.series)) if k not in fault.series)
    before = FoundAlert(FLEET.series[stranger], fault.start_ms - 60_000)
    joined = FoundAlert(FLEET.series[row], fault.start_ms + 60_000)
    earlier = FoundIncident("INC-1", before.time_ms, [before, joined])
    verdict = judge(FLEET, [fault], [earlier])
    assert [(one.incident, one.joined) for one in verdict.findings] == [(None, "INC-1")]
    late = found("INC-2", fault.end_ms + 20 * 60_000, row)
    verdict = judge(FLEET, [fault], [earlier, late])
    assert (verdict.found_count, verdict.false_incidents, verdict.duplicates) == (0, ["INC-1"], ["INC-2"])


def test_a_silent_entity_is_found_by_the_labels_its_series_share() -> None:
    fault = make_fault(FLEET, FaultKind.MISSING_DATA, START_MS, np.random.default_rng(1))
    assert all(effect.op == Op.DROP for effect in fault.effects)
    silence = FoundIncident("INC-1", START_MS, [FoundAlert((("service", fault.where),), START_MS)])
    assert judge(FLEET, [fault], [silence]).found_count == 1


def test_people_write_after_a_fault_began_and_the_same_for_the_same_seed() -> None:
    faults = schedule(FLEET, START_MS + 2 * DAY_MS, START_MS + 14 * DAY_MS, 30, 3)
    tickets = write_tickets(FLEET, faults, 14, 3)
    assert tickets == write_tickets(FLEET, faults, 14, 3)
    assert tickets != write_tickets(FLEET, faults, 14, 4)
    about = [(ticket, ticket.fault) for ticket in tickets if ticket.fault]
    assert all(fault.start_ms < ticket.created_ms < fault.end_ms + 30 * MINUTE_MS for ticket, fault in about)
    assert len(tickets) == 2 * len(about)
    assert 15 <= len({fault.start_ms for _, fault in about}) <= 25
    assert len({ticket.body for ticket in tickets}) > 0.7 * len(tickets)
    assert [ticket.created_ms for ticket in tickets] == sorted(ticket.created_ms for ticket in tickets)
    assert not any("{" in ticket.title + ticket.body for ticket in tickets)
