"""What belongs together becomes one incident; what may be chance becomes none."""

import itertools
import time
from dataclasses import replace

import pytest

from aiops.config import Incidents
from aiops.incidents.alert import JOINT, Alert
from aiops.incidents.grouping import Grouper
from aiops.incidents.incident import Incident, State, What, confirm, dismiss
from aiops.incidents.relation import neighbourhood
from aiops.incidents.surprise import chance
from tests.incidents.test_incident import alert

MINUTE = 60_000
TOPOLOGY = {"edge": ("web",), "web": ("checkout",), "checkout": ("db",)}


class Desk:
    """A grouper with ten series of each of some services, and what it has told so far."""

    def __init__(self, services: str = "edge web checkout db far", settings: Incidents | None = None) -> None:
        numbers = itertools.count(1)
        self.grouper = Grouper(settings or Incidents(), TOPOLOGY, lambda: next(numbers))
        for service in services.split():
            for k in range(10):
                self.grouper.known(alert(f"m{k}", service).labels)
        self.told: dict[int, Incident] = {}

    def see(self, *alerts: Alert) -> None:
        now_ms = max(one.time_ms for one in alerts)
        self.grouper.add(alerts, now_ms)
        self.collect(now_ms)

    def collect(self, now_ms: int) -> None:
        incidents = [replace(one, version=one.version + 1) for one in self.grouper.collect(now_ms)]
        self.grouper.stored(incidents, is_stored=True)
        self.told.update({one.incident_id: one for one in incidents})

    def pass_time(self, now_ms: int) -> None:
        self.grouper.advance(now_ms)
        self.collect(now_ms)

    @property
    def states(self) -> list[str]:
        return [one.state.value for one in self.told.values()]


def test_one_weak_alert_is_no_incident() -> None:
    desk = Desk()
    desk.see(alert(score=0.7))
    assert desk.told == {}


def test_one_very_strange_alert_is_an_incident() -> None:
    desk = Desk()
    desk.see(alert(score=0.9))
    assert desk.states == ["candidate"]
    assert "strange enough by itself" in desk.told[1].timeline[0].why


def test_title_and_reason_name_the_same_metric() -> None:
    """Though another, stranger alert is in the group."""
    desk = Desk()
    lasting = replace(alert("m1", score=0.6), sentence="m1 stays high")
    desk.see(lasting, replace(alert("m2", score=0.8, is_novel=False), sentence="m2 jumps"))
    assert desk.told == {}
    desk.grouper.persisted(lasting.fingerprint, 2000)
    desk.collect(2000)
    assert desk.told[1].timeline[0].why == "m1 stays away from its usual course: m1 stays high"
    assert desk.told[1].title == "m1 stays high (and 1 more)"
    desk.see(replace(alert("m3", score=0.95, time_ms=3000), sentence="m3 jumps"))
    assert desk.told[1].title == "m1 stays high (and 2 more)"


def test_a_lasting_anomaly_is_an_incident() -> None:
    desk = Desk()
    one = alert(score=0.6)
    desk.see(one)
    desk.grouper.persisted(one.fingerprint, 2000, lambda told: replace(told, kind="level_shift", sentence="stays high"))
    desk.collect(2000)
    assert desk.states == ["candidate"]
    assert desk.told[1].alerts[0].kind == "level_shift"


def test_different_metrics_of_one_service_support_each_other() -> None:
    desk = Desk()
    desk.see(alert("m1"), alert("m2"))
    assert desk.states == ["candidate"]
    assert len(desk.told[1].alerts) == 2
    assert dict(desk.told[1].labels) == {"service": "web"}


def test_variants_of_one_metric_do_not_support_each_other() -> None:
    desk = Desk()
    one = alert("cpu")
    desk.see(*(replace(one, labels=(*one.labels, ("mode", mode))) for mode in "abcd"))
    assert desk.told == {}


def test_what_alerts_at_the_same_hour_every_day_is_no_incident_from_the_third_day_on() -> None:
    desk = Desk()
    day = 24 * 60 * MINUTE
    for number in range(5):
        one = alert(score=0.95, time_ms=1000 + number * day + (number % 2) * 10 * MINUTE)
        desk.see(one)
        desk.grouper.ended(one.fingerprint, one.time_ms + MINUTE)
        desk.pass_time(one.time_ms + 30 * MINUTE)
        desk.pass_time(one.time_ms + 120 * MINUTE)
    assert len(desk.told) == 2
    desk.see(alert(score=0.95, time_ms=1000 + 5 * day + 180 * MINUTE))
    assert len(desk.told) == 3


def test_states_that_were_seen_before_do_not_support() -> None:
    desk = Desk()
    desk.see(alert("m1", is_novel=False), alert("m2", is_novel=False))
    assert desk.told == {}


def test_alerts_far_apart_in_time_do_not_support_each_other() -> None:
    desk = Desk()
    desk.see(alert("m1"))
    desk.see(alert("m2", time_ms=8 * MINUTE))
    assert desk.told == {}


def test_the_more_series_the_more_support_is_needed() -> None:
    desk = Desk()
    for k in range(3000):
        desk.grouper.known(alert(f"n{k}", "big").labels)
    desk.see(alert("m1", "big"), alert("m2", "big"))
    assert desk.told == {}
    desk.see(*(alert(f"n{k}", "big", time_ms=2000) for k in range(12)))
    assert desk.states == ["candidate"]


def test_unrelated_services_are_not_one_incident() -> None:
    desk = Desk()
    desk.see(alert("m1", "web", 0.9), alert("m1", "far", 0.9))
    assert len(desk.told) == 2


def test_neighbours_in_the_topology_are_one_incident() -> None:
    desk = Desk()
    desk.see(alert("m1", "db", 0.9))
    desk.see(alert("m1", "checkout", time_ms=2 * MINUTE), alert("m1", "web", time_ms=3 * MINUTE))
    assert len(desk.told) == 1
    assert desk.told[1].entities == ("service=db", "service=checkout", "service=web")


def test_without_a_topology_they_are_not() -> None:
    desk = Desk()
    desk.grouper = Grouper(Incidents(), {}, itertools.count(1).__next__)
    desk.see(alert("m1", "db", 0.9), alert("m1", "checkout", 0.9))
    assert len(desk.told) == 2


def test_reach_ends_after_two_hops() -> None:
    reach = neighbourhood(TOPOLOGY)
    assert reach["db"] == {"checkout", "web"}
    assert reach["web"] == {"edge", "checkout", "db"}


def test_the_same_series_again_is_the_same_alert() -> None:
    desk = Desk()
    desk.see(alert(score=0.9))
    desk.see(alert(score=0.95, time_ms=5 * MINUTE))
    (only,) = desk.told[1].alerts
    assert (only.count, only.peak_score, only.time_ms) == (2, 0.95, 1000)


def test_an_incident_recovers_when_all_is_quiet() -> None:
    desk = Desk()
    one = alert(score=0.9)
    desk.see(one)
    desk.pass_time(30 * MINUTE)
    assert desk.states == ["candidate"]
    desk.grouper.ended(one.fingerprint, 30 * MINUTE)
    desk.pass_time(39 * MINUTE)
    assert desk.states == ["candidate"]
    desk.pass_time(41 * MINUTE)
    assert desk.states == ["recovered"]
    assert desk.told[1].ended_ms == 30 * MINUTE


def test_the_same_series_within_the_hour_is_a_relapse_and_later_a_new_incident() -> None:
    desk = Desk()
    one = alert(score=0.9)
    desk.see(one)
    desk.grouper.ended(one.fingerprint, 2 * MINUTE)
    desk.pass_time(13 * MINUTE)
    desk.see(replace(one, time_ms=40 * MINUTE))
    assert desk.states == ["candidate"]
    assert What.RELAPSED in [event.what for event in desk.told[1].timeline]
    desk.grouper.ended(one.fingerprint, 41 * MINUTE)
    desk.pass_time(52 * MINUTE)
    desk.pass_time(150 * MINUTE)
    desk.see(replace(one, time_ms=151 * MINUTE))
    assert desk.states == ["recovered", "candidate"]


def test_a_confirmed_incident_stays_open_when_all_is_quiet() -> None:
    desk = Desk()
    one = alert(score=0.9)
    desk.see(one)
    desk.grouper.decided(confirm(desk.told[1], "ann", "", 2 * MINUTE), 2 * MINUTE)
    desk.grouper.ended(one.fingerprint, 3 * MINUTE)
    desk.pass_time(20 * MINUTE)
    desk.pass_time(40 * MINUTE)
    assert desk.states == ["open"]
    assert [event.what for event in desk.told[1].timeline].count(What.RECOVERED) == 1


def test_what_was_dismissed_stays_quiet_for_an_hour() -> None:
    desk = Desk()
    one = alert(score=0.9)
    desk.see(one)
    desk.grouper.decided(dismiss(desk.told[1], "ann", "load test", 2 * MINUTE), 2 * MINUTE)
    desk.see(replace(one, time_ms=30 * MINUTE))
    assert len(desk.told) == 1
    assert desk.grouper.suppressed_count == 1
    desk.see(replace(one, time_ms=70 * MINUTE))
    assert len(desk.told) == 2


def test_alerts_held_back_are_forgotten_after_the_window() -> None:
    desk = Desk()
    desk.see(alert("m1"))
    desk.pass_time(11 * MINUTE)
    desk.see(alert("m1", time_ms=12 * MINUTE))
    assert desk.told == {}


def test_severity_is_raised_and_never_lowered() -> None:
    desk = Desk()
    desk.see(alert("m1", score=0.9))
    before = desk.told[1].severity
    desk.see(*(alert(f"m{k}", time_ms=2 * MINUTE) for k in range(2, 10)))
    raised = desk.told[1].severity
    assert raised > before
    assert What.SEVERITY_RAISED in [event.what for event in desk.told[1].timeline]
    for k in range(1, 10):
        desk.grouper.ended(alert(f"m{k}").fingerprint, 3 * MINUTE)
    desk.pass_time(20 * MINUTE)
    assert desk.told[1].severity == raised


def test_strangers_do_not_chain_one_incident_for_ever() -> None:
    desk = Desk()
    desk.see(alert("m0", "web", 0.9))
    for k in range(1, 20):
        desk.see(alert(f"m{k % 10}", "checkout", 0.9, time_ms=k * 8 * MINUTE))
    assert len(desk.told) > 1


def test_a_flapping_series_and_a_flood_do_not_fill_the_timeline() -> None:
    desk = Desk(settings=Incidents(alerts_per_incident_max=5))
    desk.see(alert("m0", score=0.9))
    for k in range(1, 60):
        desk.grouper.ended(alert("m0").fingerprint, k * MINUTE)
        desk.see(alert("m0", score=0.9, time_ms=k * MINUTE + 1), alert(f"n{k}", time_ms=k * MINUTE + 1))
    assert desk.told[1].alert_count > 50
    assert len(desk.told[1].timeline) < 15


def test_alerts_beyond_the_limit_are_counted() -> None:
    desk = Desk(settings=Incidents(alerts_per_incident_max=5))
    desk.see(*(alert(f"m{k}", score=0.9) for k in range(9)))
    assert (len(desk.told[1].alerts), desk.told[1].alert_count) == (5, 9)


def test_incidents_beyond_the_limit_leave_the_stalest_first() -> None:
    desk = Desk(settings=Incidents(active_max=2))
    for k in range(3):
        desk.see(alert("m1", f"s{k}", 0.9, time_ms=k * MINUTE))
    assert desk.states == ["recovered", "candidate", "candidate"]
    assert "active_max" not in desk.states
    assert desk.grouper.living(1) is None


def test_a_restart_goes_on_with_the_living_incidents() -> None:
    desk, again = Desk(), Desk()
    desk.see(alert("m1", score=0.9))
    again.grouper.restore(desk.told.values())
    again.see(alert("m2", time_ms=2 * MINUTE))
    assert [one.incident_id for one in again.told.values()] == [1]
    assert len(again.told[1].alerts) == 2
    assert again.told[1].state == State.CANDIDATE


def test_what_could_not_be_stored_is_told_again() -> None:
    desk = Desk()
    desk.grouper.add([alert(score=0.9)], 1000)
    first = desk.grouper.collect(1000)
    desk.grouper.stored(first, is_stored=False)
    assert [one.incident_id for one in desk.grouper.collect(2000)] == [1]
    assert desk.grouper.collect(3000) == []


def test_ten_thousand_alerts_at_once_are_grouped_in_seconds() -> None:
    desk = Desk()
    alerts = [alert(f"m{k}", f"s{k % 50}", 0.6 + k % 40 / 100) for k in range(10_000)]
    started = time.perf_counter()
    desk.see(*alerts)
    assert time.perf_counter() - started < 5
    assert len(desk.told) == 50


@pytest.mark.parametrize(("count", "mean", "expected"), [(0, 1.0, 1.0), (1, 0.1, 0.0952), (2, 0.1, 0.00468)])
def test_chance_is_the_tail_of_a_poisson_count(count: int, mean: float, expected: float) -> None:
    assert chance(count, mean) == pytest.approx(expected, rel=0.01)


def test_chance_keeps_its_digits_where_one_minus_almost_one_has_none() -> None:
    assert 0 < chance(12, 1e-3) < 1e-40


def test_the_leading_alert_remembers_when_its_like_was_last_seen() -> None:
    asked: list[tuple[str, int]] = []

    def recall(one: Alert, number: int) -> int | None:
        asked.append((one.name, number))
        return 500

    grouper = Grouper(Incidents(), {}, lambda: 7, recall)
    grouper.add([alert("m0", score=0.9), alert("m1", score=0.6)], 1000)
    (incident,) = grouper.collect(1000)
    assert asked == [("m0", 7)]
    assert [(one.name, one.past_ms) for one in incident.alerts] == [("m0", 500), ("m1", None)]
    assert incident.lead == incident.alerts[0].fingerprint


def joint(service: str, time_ms: int, score: float = 0.7, is_novel: bool = True) -> Alert:
    return Alert((("service", service),), JOINT, score, time_ms, f"{service} as a whole", is_novel=is_novel)


def test_a_joint_alert_supports_another_but_a_weak_one_does_not() -> None:
    for is_novel in (True, False):
        desk = Desk()
        desk.see(alert("m1", "web", score=0.7))
        assert desk.told == {}
        desk.see(joint("web", 2 * MINUTE, is_novel=is_novel))
        assert desk.states == (["candidate"] if is_novel else [])


def test_a_joint_alert_does_not_keep_an_incident_alive_or_joinable() -> None:
    desk = Desk()
    first = alert("m1", "web", score=0.9)
    desk.see(first)
    desk.see(joint("web", 1 * MINUTE))
    desk.grouper.ended(first.fingerprint, 2 * MINUTE)
    desk.pass_time(9 * MINUTE)
    desk.see(joint("web", 9 * MINUTE, 0.85))  # shown there, but no sign of life
    assert len(desk.told[1].alerts) == 2
    desk.see(alert("m2", "web", score=0.9, time_ms=11 * MINUTE))
    assert len(desk.told) == 2
    desk.pass_time(13 * MINUTE)
    assert desk.told[1].state == State.RECOVERED
    assert desk.told[1].ended_ms == 2 * MINUTE
    assert all(one.ended_ms is not None for one in desk.told[1].alerts)


def test_a_joint_alert_revives_only_what_it_opened() -> None:
    for opener in (alert("m1", "web", score=0.9), joint("web", 0, 0.9)):
        desk = Desk()
        desk.see(opener)
        if opener.kind != JOINT:
            desk.see(joint("web", 1 * MINUTE))
        desk.grouper.ended(opener.fingerprint, 2 * MINUTE)
        desk.grouper.ended(joint("web", 0).fingerprint, 2 * MINUTE)
        desk.pass_time(13 * MINUTE)
        assert desk.states == ["recovered"]
        desk.see(joint("web", 20 * MINUTE))
        assert desk.states == (["candidate"] if opener.kind == JOINT else ["recovered"])
