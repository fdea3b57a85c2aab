"""Which alerts are one cause, and when is the evidence enough for an incident?

Alerts are related when their series have an entity in common (same service, instance, node, ...) or their entities are
neighbours in the topology, and they come within `window_s` of each other. A related set of alerts is held back until
one of three things speaks against chance: one alert is very strange by itself (`solo_score`); one anomaly lasts
(`persist_s` of the detector); or so many different metrics of few series alert together that a Poisson count of chance
alerts reaches that number with a probability below `chance_max`. Held-back sets that get no support are forgotten.

A series that alerted at this time of day on two earlier days of the last eight has a habit (a nightly job, a backup):
its alert is shown where it belongs, but is no evidence.

Time is the time of the samples, never the clock, so a replay groups as the live stream did.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from aiops.config import Incidents as GroupingSettings
from aiops.incidents.alert import JOINT, MISSING, Alert
from aiops.incidents.group import Group
from aiops.incidents.habit import Habits
from aiops.incidents.incident import FINAL, PROGRAM, Event, Incident, State, What, recover, relapse
from aiops.incidents.relation import Entity, entities_of, neighbourhood
from aiops.incidents.severity import AGES_MS, Severity, severity
from aiops.incidents.surprise import Budget, NoBudget, chance, surprise
from aiops.metrics.series import Labels

OUTSHINES = 2.5  # times the strength of what was told before: a thing of its own
STEP_MS, STEPS_MAX = 10_000, 1000  # time passes in steps; a long silence in no more than so many


class Grouper:
    """Alerts in, changed incidents out. Not thread-safe: one caller at a time.

    `next_id`: gives the number of a new incident. `recall`: when the like of an alert was last seen before the incident
    of this number. `known` must hear of every series once, for the count of chance. `budget`: alerts of its series open
    incidents only where it tells them.
    """

    def __init__(
        self,
        settings: GroupingSettings,
        depends_on: Mapping[str, Sequence[str]],
        next_id: Callable[[], int],
        recall: Callable[[Alert, int], int | None] = lambda *_: None,
        budget: Budget | None = None,
    ) -> None:
        self._settings, self._next_id, self._recall, self._budget = settings, next_id, recall, budget or NoBudget()
        self._near = neighbourhood(depends_on)
        self._population: Counter[Entity] = Counter()  # series per entity
        self._population_of_value: Counter[str] = Counter()
        self._by_entity: dict[Entity, Group] = {}
        self._by_value: dict[str, Group] = {}  # entity value -> group, for the topology
        self._by_fingerprint: dict[str, Group] = {}
        self._groups: dict[int, Group] = {}  # by id(): order of appearance
        self._by_incident: dict[int, Group] = {}
        self._changed: dict[int, Group] = {}  # since last told
        self._unjudged: dict[int, Group] = {}  # since evidence was last looked at
        self._leaving: list[Group] = []  # out of sight, but not yet told a last time
        self._clock_ms = 0
        self._habits = Habits()
        self._dismissed: dict[str, tuple[int, float]] = {}  # fingerprint -> quiet until, peak score
        self._set_aside: list[Group] = []  # beyond active_max: told a last time, then out of sight
        self.suppressed_count = 0

    def known(self, labels: Labels) -> None:
        """A series exists: it may alert by chance."""
        for entity in entities_of(labels, self._settings.entity_labels):
            self._population[entity] += 1
            self._population_of_value[entity[1]] += 1

    def forget(self, series: Iterable[Labels]) -> None:
        """These series, known once, are no more: they cannot alert by chance; nor are habits kept that have ended."""
        for labels in series:
            entities = entities_of(labels, self._settings.entity_labels)
            self._population.subtract(entities)
            self._population_of_value.subtract(value for _, value in entities)
        self._population, self._population_of_value = +self._population, +self._population_of_value
        self._habits.forget(self._clock_ms)

    def alerts(self) -> Iterator[Alert]:
        """Those of all living incidents."""
        return (alert for group in self._by_incident.values() for alert in group.alerts.values())

    def restore(self, incidents: Iterable[Incident]) -> None:
        """Takes up incidents of an earlier run, oldest first."""
        for incident in incidents:
            group = Group({alert.fingerprint: alert for alert in incident.alerts}, incident=incident)
            group.last_ms = max(alert.last_ms for alert in group.own)
            group.dropped = incident.alert_count - len(incident.alerts)
            for alert in incident.alerts:
                self._own(group, alert)
            self._by_incident[incident.incident_id] = group
            self._clock_ms = max(self._clock_ms, group.last_ms)

    def living(self, incident_id: int) -> Incident | None:
        """The incident as last told, while it is in sight."""
        group = self._by_incident.get(incident_id)
        return group.incident if group else None

    def incident_of(self, fingerprint: str) -> Incident | None:
        """The living incident this series' alert belongs to."""
        group = self._by_fingerprint.get(fingerprint)
        return group.incident if group else None

    def is_alerting(self, fingerprint: str) -> bool:
        """Whether this series alerts, or did so lately."""
        return fingerprint in self._by_fingerprint

    def add(self, alerts: Sequence[Alert], now_ms: int) -> int:
        """Alerts at their onset. Returns how many a budget holds back."""
        held_back = 0
        for alert in alerts:
            quiet_until, peak = self._dismissed.get(alert.fingerprint, (0, 0.0))
            if alert.time_ms < quiet_until and alert.score < peak + 0.1:
                self.suppressed_count += 1
                held_back += self._budget.scope_of(alert.labels) is not None
                continue
            peak_score = max(alert.score, alert.peak_score)
            is_habitual = self._habits.is_habit(alert)
            alert = replace(alert, peak_score=peak_score, last_ms=alert.time_ms, is_habitual=is_habitual)
            self._place(alert, now_ms)
            held_back += self._budget.scope_of(alert.labels) is not None and not self._is_told_by(alert)
        return held_back

    def persisted(
        self,
        fingerprint: str,
        now_ms: int,
        retold: Callable[[Alert], Alert] = lambda alert: alert,
        is_young: bool = False,
    ) -> bool:
        """The anomaly of this series has lasted; `retold`: the alert in the light of that. A series that `is_young` has
        shown little of what it does, so it needs another metric beside it. True where a budget tells its group now."""
        group = self._by_fingerprint.get(fingerprint)
        if group and (alert := group.alerts.get(fingerprint)) and not alert.is_persistent:
            alert = retold(alert)
            new = replace(alert, is_novel=True, last_ms=now_ms) if is_young else replace(alert, is_persistent=True)
            group.alerts[fingerprint] = new
            group.last_ms = max(group.last_ms, now_ms)
            self._touch(group)
            return self._is_told_by(group.alerts[fingerprint])
        return False

    def retold(self, later: Alert) -> None:
        """News of an alert that runs: its words and numbers, no new onset."""
        group = self._by_fingerprint.get(later.fingerprint)
        if group and (alert := group.alerts.get(later.fingerprint)) and alert.ended_ms is None:
            again = replace(alert.again(later), count=alert.count, peak_score=max(alert.peak_score, alert.score))
            group.alerts[later.fingerprint] = again
            self._touch(group)

    def ended(self, fingerprint: str, now_ms: int, is_accepted: bool = False) -> None:
        """The anomaly of this series is over; `is_accepted`: it stays where it is, and that has become usual."""
        group = self._by_fingerprint.get(fingerprint)
        if group and (alert := group.alerts.get(fingerprint)) and alert.ended_ms is None:
            group.alerts[fingerprint] = replace(alert, ended_ms=now_ms)
            if group.incident and alert.count == 1:  # a series that flaps must not flood the timeline
                now_usual = "has stayed where it is for long: that is its usual now"
                who = alert.name or ("silence" if alert.kind == MISSING else "their relation")
                why = f"{who} {now_usual if is_accepted else 'is back to usual'}"
                group.notes.append(Event(now_ms, PROGRAM, What.ALERT_ENDED, why))
            self._touch(group)

    def stored(self, incidents: Iterable[Incident], is_stored: bool) -> None:
        """What became of the incidents last collected: their new versions, or that they must be told again."""
        for incident in incidents:
            if group := self._by_incident.get(incident.incident_id):
                group.incident = incident
                if not is_stored:
                    self._touch(group)
        if is_stored:
            self._leaving.clear()

    def decided(self, incident: Incident, now_ms: int) -> None:
        """A person moved an incident: what follows builds on that."""
        group = self._by_incident.get(incident.incident_id)
        if group:
            group.incident = incident
            if incident.state in FINAL:
                self._drop(group)
        if incident.state == State.DISMISSED:
            until = now_ms + int(1000 * self._settings.dismissed_quiet_s)
            for alert in incident.alerts:
                self._dismissed[alert.fingerprint] = (until, max(alert.score, alert.peak_score))

    def judge(self, now_ms: int) -> None:
        """Opens an incident for each held-back group that by now has evidence enough."""
        for group in list(self._unjudged.values()):
            if group.incident is None and (evidence := self._evidence(group)):
                self._open(group, *evidence, now_ms)
        self._unjudged.clear()

    def collect(self, now_ms: int) -> list[Incident]:
        """Incidents that are new or changed since the last call."""
        self.judge(now_ms)
        told = [self._told(group, now_ms) for group in [*self._leaving, *self._changed.values()] if group.incident]
        self._changed.clear()
        for group in self._set_aside:
            self._drop(group)
        self._set_aside.clear()
        return told

    def advance(self, now_ms: int) -> None:
        """Lets time pass: held-back alerts are forgotten, quiet incidents recover. Time never runs backwards."""
        step_ms = max(STEP_MS, (now_ms - self._clock_ms) // STEPS_MAX)
        while self._groups and self._clock_ms + step_ms <= now_ms:
            self._clock_ms += step_ms
            for group in list(self._groups.values()):
                self._age(group, self._clock_ms)
        if not self._groups:
            self._clock_ms = max(self._clock_ms, now_ms)
        self._dismissed = {key: entry for key, entry in self._dismissed.items() if entry[0] > now_ms}

    # what follows is private: relation, evidence, age

    def _place(self, alert: Alert, now_ms: int) -> None:
        group = self._related(alert, now_ms) or Group()
        fingerprint = alert.fingerprint
        earlier = group.alerts.get(fingerprint)
        if group.incident and group.incident.state == State.RECOVERED:
            group.incident = relapse(group.incident, alert.sentence, alert.time_ms)
        if earlier is None and len(group.alerts) >= self._settings.alerts_per_incident_max:
            group.dropped += 1
        else:
            group.alerts[fingerprint] = earlier.again(alert) if earlier else alert
            self._own(group, alert)
            if group.incident and earlier is None:
                group.notes.append(Event(alert.time_ms, PROGRAM, What.ALERT, alert.sentence))
        if group.lives_by(alert.kind):
            group.last_ms = max(group.last_ms, alert.time_ms)
        self._touch(group)

    def _own(self, group: Group, alert: Alert) -> None:
        self._groups[id(group)] = group
        self._by_fingerprint[alert.fingerprint] = group
        for entity in entities_of(alert.labels, self._settings.entity_labels):
            group.entities[entity] = None
            self._by_entity[entity] = group
            self._by_value[entity[1]] = group

    def _related(self, alert: Alert, now_ms: int) -> Group | None:
        """The living group this alert belongs to; held-back groups that it connects become one."""
        entities = entities_of(alert.labels, self._settings.entity_labels)
        candidates = [self._by_fingerprint.get(alert.fingerprint)]
        candidates += [self._by_entity.get(entity) for entity in entities]
        near = [value for _, own in entities for value in self._near.get(own, ())]
        candidates += [self._by_value.get(value) for value in near]
        found: list[Group] = []
        for k, group in enumerate(candidates):
            if group and group not in found and self._is_joinable(group, alert, is_same_series=k == 0):
                found.append(group)
        if not found:
            return None
        chosen = next((group for group in found if group.incident), found[0])
        for other in found:
            if other is not chosen and other.incident is None:
                self._absorb(chosen, other)
        return chosen

    def _is_joinable(self, group: Group, alert: Alert, is_same_series: bool) -> bool:
        state = group.incident.state if group.incident else None
        if state in FINAL:
            return False
        if group.told and not group.is_active and alert.worth > OUTSHINES * max(one.worth for one in group.own):
            return False  # what a budget told of little must not take in, untold, what is much more
        if state == State.RECOVERED:
            return is_same_series and group.lives_by(alert.kind)
        if group.incident and is_same_series:
            return True
        age_ms = alert.time_ms - min(own.time_ms for own in group.own)
        is_young = age_ms <= 1000 * self._settings.span_s  # else chance would chain strangers together
        return is_young and alert.time_ms - group.last_ms <= 1000 * self._settings.window_s

    def _absorb(self, group: Group, other: Group) -> None:
        for fingerprint, alert in other.alerts.items():
            if len(group.alerts) < self._settings.alerts_per_incident_max:
                group.alerts.setdefault(fingerprint, alert)
                self._own(group, alert)
                if group.incident:
                    group.notes.append(Event(alert.time_ms, PROGRAM, What.ALERT, alert.sentence))
            else:
                group.dropped += 1
        if group.lives_by(other.own[0].kind):
            group.last_ms = max(group.last_ms, other.last_ms)
        group.told = group.told or other.told
        if other.scope and not group.scope:
            group.scope, group.offered, group.offered_ms = other.scope, other.offered, other.offered_ms
        elif other.scope:  # two things were one
            other.scope.offer(other.offered_ms, 0.0, before=other.offered, is_told=True)
        self._drop(other)

    def _drop(self, group: Group) -> None:
        self._groups.pop(id(group), None)
        self._changed.pop(id(group), None)
        self._unjudged.pop(id(group), None)
        if group.incident:
            self._by_incident.pop(group.incident.incident_id, None)
        for fingerprint in group.alerts:
            if self._by_fingerprint.get(fingerprint) is group:
                del self._by_fingerprint[fingerprint]
        for entity in group.entities:
            if self._by_entity.get(entity) is group:
                del self._by_entity[entity]
            if self._by_value.get(entity[1]) is group:
                del self._by_value[entity[1]]

    def _touch(self, group: Group) -> None:
        self._changed[id(group)] = self._unjudged[id(group)] = group

    def _is_told_by(self, alert: Alert) -> bool:
        """Offers the group of this alert to the budget of the series that began it, once more where it has grown;
        whether it is told by that."""
        group, scope = self._by_fingerprint.get(alert.fingerprint), self._budget.scope_of(alert.labels)
        strength = surprise(group.alerts.values()) if group and scope else 0.0
        if not group or strength <= group.offered:
            return False
        group.scope, group.offered_ms = group.scope or scope, group.offered_ms or alert.time_ms
        assert group.scope
        is_known = bool(group.told or group.incident)
        why = group.scope.offer(group.offered_ms, strength, group.offered, is_known)
        group.offered = strength
        if why:
            group.told = why
            self._touch(group)
        return bool(why)

    def _evidence(self, group: Group) -> tuple[str, Alert] | None:
        """Why this is no chance, in words, and the alert that shows it best; None while it may be."""
        if group.told:
            return group.told, _strongest(list(group.alerts.values()))
        settings, scope_of = self._settings, self._budget.scope_of
        alerts = [alert for alert in group.alerts.values() if not alert.is_habitual and not scope_of(alert.labels)]
        if not alerts:
            return None
        strongest = max(alerts, key=lambda alert: alert.peak_score)
        if strongest.peak_score >= settings.solo_score:
            return f"one alert is strange enough by itself (score {strongest.peak_score:.2f})", strongest
        lasting = next((alert for alert in alerts if alert.is_persistent), None)
        if lasting:
            return f"{lasting.name or 'an anomaly'} stays away from its usual course", lasting
        since = group.last_ms - 1000 * settings.corroborate_s
        fresh = [alert for alert in alerts if alert.last_ms >= since and alert.is_novel]
        by_entity: dict[Entity, list[Alert]] = {}
        for alert in fresh:
            for entity in entities_of(alert.labels, settings.entity_labels):
                by_entity.setdefault(entity, []).append(alert)
        for entity, mine in by_entity.items():
            if self._is_no_chance(mine, self._population[entity]):
                why = f"{_metric_count(mine)} different metrics of {entity[0]} {entity[1]} alert together"
                return why, _strongest(mine)
        if self._is_no_chance(fresh, self._reach(group)):
            why = f"{_metric_count(fresh)} different metrics of {len(group.entities)} related entities alert together"
            return why, _strongest(fresh)
        return None

    def _reach(self, group: Group) -> int:
        """How many series could have alerted into this group by chance."""
        values = {value for _, value in group.entities}
        values |= {near for value in values for near in self._near.get(value, ())}
        return sum(self._population_of_value[value] for value in values)

    def _is_no_chance(self, alerts: Sequence[Alert], population: int) -> bool:
        count = _metric_count(alerts)
        settings = self._settings
        if count < 2:
            return False
        mean = max(population, count) * settings.alerts_per_series_day * settings.corroborate_s / 86400
        return chance(count, mean) < settings.chance_max

    def _open(self, group: Group, reason: str, lead: Alert, now_ms: int) -> None:
        number = self._next_id()
        lead = self._leading(group, lead, number)
        alerts = tuple(group.alerts.values())
        detected_ms = min(now_ms, group.last_ms)  # another sender may be ahead: what it sent told nothing of this
        event = Event(detected_ms, PROGRAM, What.DETECTED, f"{reason}: {lead.sentence}")
        group.incident = Incident(
            incident_id=number,
            state=State.CANDIDATE,
            severity=Severity.LOW,
            title=lead.sentence,
            labels=(),
            entities=(),
            started_ms=min(alert.time_ms for alert in alerts),
            detected_ms=detected_ms,
            updated_ms=now_ms,
            ended_ms=None,
            alerts=(),
            alert_count=0,
            timeline=(event,),
            lead=lead.fingerprint,
        )
        self._by_incident[number] = group
        if len(self._by_incident) > self._settings.active_max:
            others = [g for g in self._by_incident.values() if g.incident and g.incident.state != State.OPEN]
            stalest = min(others, key=lambda other: other.last_ms, default=group)
            if stalest.incident and stalest.incident.state == State.CANDIDATE:
                self._recover(stalest, f"set aside: {self._settings.active_max} incidents are in sight", now_ms)
            self._set_aside.append(stalest)

    def _age(self, group: Group, now_ms: int) -> None:
        settings, incident = self._settings, group.incident
        silent_ms = now_ms - max([group.last_ms, *(alert.ended_ms or 0 for alert in group.own)])
        if incident is None:
            if not group.is_active and now_ms - group.last_ms > 1000 * settings.window_s:
                self._drop(group)  # while it lasts, it may yet be said to persist
        elif incident.state == State.CANDIDATE or (incident.state == State.OPEN and incident.ended_ms is None):
            aged = sum(now_ms - incident.started_ms >= age_ms for age_ms in AGES_MS)
            if group.is_active and aged > group.aged:
                group.aged = aged
                self._touch(group)
            if not group.is_active and silent_ms >= 1000 * settings.quiet_s:
                self._recover(group, f"all series back to usual for {settings.quiet_s:.0f} s", now_ms)
        elif incident.state == State.RECOVERED and silent_ms > 1000 * settings.reopen_s:
            if id(group) in self._changed:
                self._leaving.append(group)
            self._drop(group)

    def _recover(self, group: Group, why: str, now_ms: int) -> None:
        assert group.incident
        group.incident = replace(recover(group.incident, why, now_ms), ended_ms=group.ended_ms)
        for fingerprint, alert in group.alerts.items():
            if alert.kind == JOINT and alert.ended_ms is None:  # nobody waits for its end
                group.alerts[fingerprint] = replace(alert, ended_ms=now_ms)
        self._touch(group)

    def _lead(self, group: Group, incident: Incident) -> Alert:
        """The alert the incident was opened for, so that title and reason name the same metric; only the silence of a
        whole entity takes its place."""
        strongest = _strongest(list(group.alerts.values()))
        if strongest.series_count > 1 and strongest.fingerprint != incident.lead:
            return self._leading(group, strongest, incident.incident_id)
        return group.alerts.get(incident.lead, strongest)

    def _leading(self, group: Group, alert: Alert, number: int) -> Alert:
        group.alerts[alert.fingerprint] = alert = replace(alert, past_ms=self._recall(alert, number))
        return alert

    def _told(self, group: Group, now_ms: int) -> Incident:
        """The incident as it stands now, with everything that happened since it was last told."""
        incident = group.incident
        assert incident
        lead = self._lead(group, incident)
        alerts = tuple(group.alerts.values())
        level, why = severity(alerts, len(_owners(alerts, self._settings.entity_labels)), now_ms)
        notes = list(group.notes)
        if level > incident.severity or not incident.alerts:
            what = What.SEVERITY_RAISED if incident.alerts else What.SEVERITY
            notes.append(Event(now_ms, PROGRAM, what, f"{level.name.lower()}: {why}"))
        shared = set(alerts[0].labels).intersection(*(alert.labels for alert in alerts))
        for event in notes:
            incident = incident.noted(event)
        group.notes.clear()
        group.incident = replace(
            incident,
            severity=max(level, incident.severity),
            title=_title(lead, len(alerts) + group.dropped - 1),
            lead=lead.fingerprint,
            labels=tuple(sorted(shared)),
            entities=tuple(f"{name}={value}" for name, value in group.entities if name != "series"),
            ended_ms=group.ended_ms,
            updated_ms=max(incident.updated_ms, now_ms),
            alerts=alerts,
            alert_count=len(alerts) + group.dropped,
        )
        return group.incident


def _metric_count(alerts: Iterable[Alert]) -> int:
    """Different metrics: many label variants of one metric move together and count once."""
    return len({alert.name for alert in alerts})


def _owners(alerts: Iterable[Alert], entity_labels: Sequence[str]) -> set[Entity]:
    return {entities_of(alert.labels, entity_labels)[0] for alert in alerts}


def _strongest(alerts: Sequence[Alert]) -> Alert:
    return max(alerts, key=lambda alert: (alert.series_count > 1, max(alert.score, alert.peak_score), -alert.time_ms))


def _title(lead: Alert, more: int) -> str:
    return lead.sentence + (f" (and {more} more)" if more else "")
