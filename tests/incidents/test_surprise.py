"""What a group is worth before a budget, and what grouping makes of the budget's answers."""

import itertools
from dataclasses import replace

import pytest

from aiops.config import Detection, Incidents
from aiops.detection.budget import AlertBudget
from aiops.incidents.alert import Alert
from aiops.incidents.grouping import Grouper
from aiops.incidents.incident import Incident, dismiss
from aiops.incidents.surprise import surprise
from aiops.metrics.series import canonical

START_MS = 1_767_571_200_000
MINUTE_MS = 60_000


def alert(strength: float, name: str = "m", service: str = "web", minute: int = 0, **more: object) -> Alert:
    labels = canonical({"__name__": name, "service": service})
    time_ms = START_MS + minute * MINUTE_MS
    made = Alert(labels, "spike", strength / (1 + strength), time_ms, f"{name} of {service}", strength=strength)
    return replace(made, **more)  # type: ignore[arg-type]


def test_metrics_add_up_and_variants_of_one_do_not() -> None:
    assert surprise([alert(1.5)]) == 1.5
    assert surprise([alert(1.5), alert(2.0, "n")]) == 3.5
    assert surprise([alert(1.5), alert(2.0, "m", "db")]) == 2.0


def test_an_alert_without_a_strength_is_worth_its_score() -> None:
    untold = replace(alert(3.0), strength=None)
    assert untold.worth == pytest.approx(3.0)
    assert alert(0.0).worth == 0.0
    assert replace(untold, score=1.0).worth > 900
    assert untold.again(alert(2.0)).worth == pytest.approx(3.0)


def test_what_lasts_weighs_more_and_habits_and_known_states_less() -> None:
    assert (
        surprise([alert(1.0, is_persistent=True)]) > surprise([alert(2.0)]) > surprise([alert(2.0, is_habitual=True)])
    )
    assert surprise([alert(2.0, is_novel=False)]) == 1.0
    assert surprise([alert(2.0, is_novel=False, is_persistent=True)]) == 6.0


class Desk:
    """A grouper under the budgets of some settings, and what became of each alert."""

    def __init__(self, settings: Detection) -> None:
        numbers = itertools.count(1)
        self.budget = AlertBudget(settings)
        self.budget.advance(START_MS)
        self.grouper = Grouper(Incidents(), {}, lambda: next(numbers), budget=self.budget)
        for service in ("web", "db", "bank"):
            for name in ("m", "n", "o", "p"):
                self.grouper.known(canonical({"__name__": name, "service": service}))

    def add(self, one: Alert) -> bool:
        """Whether it is told."""
        self.grouper.advance(one.time_ms)
        self.budget.advance(one.time_ms)
        return not self.grouper.add([one], one.time_ms)

    def incidents(self, minute: int = 0) -> list[Incident]:
        return self.grouper.collect(START_MS + minute * MINUTE_MS)


FLEET = Detection(alert_budget="3 per day")


@pytest.mark.parametrize(("strength", "is_new"), [(2.0, False), (4.0, True)])
def test_what_a_budget_told_of_little_takes_nothing_in_that_is_much_more(strength: float, is_new: bool) -> None:
    desk = Desk(FLEET)
    little = alert(1.2)
    assert desk.add(little)
    desk.grouper.ended(little.fingerprint, little.time_ms + MINUTE_MS)
    assert len(desk.incidents(1)) == 1
    assert desk.add(alert(strength, minute=5)) == is_new
    assert {one.incident_id for one in desk.incidents(5)} == ({2} if is_new else {1})


def test_what_the_budget_tells_is_an_incident_and_nothing_else_is() -> None:
    desk = Desk(FLEET)
    assert not desk.add(alert(0.8))
    assert desk.incidents() == []
    assert desk.add(alert(1.3, service="db"))
    (incident,) = desk.incidents()
    assert "budget of 3 per day" in incident.timeline[0].why
    assert [one.strength for one in incident.alerts] == [1.3]


def test_alerts_of_one_cause_are_told_once() -> None:
    desk = Desk(FLEET)
    told = [desk.add(alert(1.3, name, minute=k)) for k, name in enumerate("mnop")]
    assert told == [True, False, False, False]
    (incident,) = desk.incidents(4)
    assert len(incident.alerts) == 4
    assert desk.budget.scopes[0].told_count == 1
    assert desk.budget.scopes[0].tail.counts.sum() == 1


def test_weak_alerts_of_several_metrics_reach_the_bar_together() -> None:
    desk = Desk(FLEET)
    assert [desk.add(alert(0.6, name, minute=k)) for k, name in enumerate("mn")] == [False, True]


def test_an_alert_is_told_once_it_lasts() -> None:
    desk = Desk(FLEET)
    weak = alert(0.7)
    assert not desk.add(weak)
    assert desk.grouper.persisted(weak.fingerprint, START_MS + 10 * MINUTE_MS)
    assert len(desk.incidents(10)) == 1


def test_what_ends_before_its_incident_opens_has_ended() -> None:
    desk = Desk(FLEET)
    moment = alert(1.3)
    assert desk.add(moment)
    desk.grouper.ended(moment.fingerprint, moment.time_ms)
    assert [one.ended_ms for one in desk.incidents()[0].alerts] == [START_MS]


def test_series_without_a_budget_are_told_as_ever() -> None:
    desk = Desk(Detection.model_validate({"budgets": [{"match": '{service="bank"}', "alerts": "1 per week"}]}))
    assert desk.add(alert(9.0, "m"))
    assert not desk.add(alert(0.9, "m", "bank"))
    assert [one.entities for one in desk.incidents()] == [("service=web",)]


def test_an_alert_is_charged_to_the_budget_of_the_series_that_began_it() -> None:
    budgets = [{"match": '{__name__="n"}', "alerts": "2 per week"}]
    desk = Desk(Detection.model_validate({"alert_budget": "3 per day", "budgets": budgets}))
    told = [desk.add(alert(strength, name, minute=k)) for k, (strength, name) in enumerate([(0.6, "n"), (0.6, "m")])]
    assert told == [False, True]
    assert [one.told_count for one in desk.budget.scopes] == [1, 0]
    (incident,) = desk.incidents(1)
    assert 'budget of 2 per week for {__name__="n"} (strength 1.2, told from 1 on)' in incident.timeline[0].why


def test_what_a_person_dismissed_is_not_told_again() -> None:
    desk = Desk(FLEET)
    desk.add(alert(1.3))
    (incident,) = desk.incidents()
    desk.grouper.decided(dismiss(incident, "ann", "load test", incident.detected_ms), incident.detected_ms)
    assert not desk.add(alert(1.3, minute=5))


def test_two_things_that_prove_to_be_one_are_counted_once() -> None:
    desk = Desk(FLEET)
    desk.add(alert(0.5, "m", "web"))
    desk.add(alert(0.5, "m", "db"))
    assert desk.budget.scopes[0].tail.counts.sum() == 2
    joined = replace(alert(0.5), labels=canonical({"__name__": "n", "host": "web", "service": "db"}))
    desk.grouper._near["db"] = frozenset({"web"})
    desk.add(joined)
    assert desk.budget.scopes[0].tail.counts.sum() == pytest.approx(1)
