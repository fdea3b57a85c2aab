"""Who should take a ticket: what the text says of it, and then what is known besides.

The probability from the text (learned, described, or both) is moved in odds by four things, each a reason with its
weight in log odds: services a team owns that the ticket names, or that what it names leans on; who resolved tickets of
this category; whether the team is there at this hour; how much it has on its table. The weights are judgements, round
and fixed; where nothing is known besides, the text alone decides.

The risk that the first team passes it on is the runner-up's share of the two, and what became of earlier tickets routed
to that team: ten tickets weigh as much as the text.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiops.tickets.names import Names, steps_down
from aiops.tickets.teams import Teams
from aiops.tickets.ticket import Reason, Team

OWNS = math.log(8)  # a named service is eight times as probably its owner's
STEP = 0.7  # less for each step of topology
PAST_MAX, PAST_FULL = 1.0, 20  # log odds at most, reached with so many resolved tickets of the category
AWAY = -0.5
LOAD, LOAD_MAX, LOAD_USUAL = 0.1, 0.2, 5  # LOAD_USUAL open tickets are nothing
HISTORY = 10  # tickets that weigh as much as the text
FLOOR = 1e-4  # of a probability: what is known besides can lift what the text did not see


@dataclass(frozen=True, slots=True)
class TeamHistory:
    """What the store knows of teams; empty where nothing is kept."""

    open_count: Mapping[str, int] = field(default_factory=dict)
    resolved: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (category, team)
    routed: Mapping[str, int] = field(default_factory=dict)  # first suggestion -> tickets since assigned
    moved: Mapping[str, int] = field(default_factory=dict)  # of them: to another team


@dataclass(frozen=True, slots=True)
class Asked:
    """What routing looks at besides the text's probabilities."""

    names: Names
    category: str  # "" = not known
    time_ms: int


class Router:
    """`needs`: entity -> entities it needs."""

    def __init__(self, teams: Teams | None, needs: Mapping[str, Sequence[str]]) -> None:
        self._needs = needs
        self._owner = {service: name for name, owned in teams.services.items() for service in owned} if teams else {}
        self._hours = teams.hours if teams else {}
        self._known = tuple(dict.fromkeys([*needs, *(name for below in needs.values() for name in below)]))

    def ranked(self, ranked: Sequence[tuple[str, float]], asked: Asked, history: TeamHistory) -> list[Team]:
        """The teams by falling probability with what moved them; `ranked`: by the text alone."""
        names = [name for name, _ in ranked]
        owned = self._owned(asked.names, names)
        moved = {}
        for name in names:
            told = (owned.get(name), _past(name, names, asked.category, history), self._away(name, asked.time_ms))
            moved[name] = tuple(one for one in (*told, _load(name, names, history)) if one is not None)
        if not any(moved.values()):
            return [Team(name, probability, ()) for name, probability in ranked]
        raised = {name: max(p, FLOOR) * math.exp(sum(r.weight for r in moved[name])) for name, p in ranked}
        total = sum(raised.values())
        teams = [Team(name, share / total, moved[name]) for name, share in raised.items()]
        return sorted(teams, key=lambda team: -team.probability)

    def _owned(self, said: Names, teams: Sequence[str]) -> dict[str, Reason]:
        """By team the surest way from what the ticket names to a service it owns."""
        best: dict[str, Reason] = {}
        if not self._owner:
            return best
        for name in dict.fromkeys((*self._owner, *self._known)):
            strength = said.says(name)
            if not strength:
                continue
            if (reached := steps_down(self._needs, name, self._owner)) is None:
                continue
            count, service = reached
            team, weight = self._owner[service], OWNS * strength * STEP**count
            leans = f"{name}, which the ticket names, needs {service}, which it owns" if count else ""
            if team in teams and (team not in best or weight > best[team].weight):
                best[team] = Reason("service", leans or f"it owns {service}, which the ticket names", weight)
        return best

    def _away(self, name: str, time_ms: int) -> Reason | None:
        if name not in self._hours or self._hours[name].is_there(time_ms):
            return None
        return Reason("hours", f"nobody is there now: {self._hours[name].text}", AWAY)


def _past(name: str, teams: Sequence[str], category: str, history: TeamHistory) -> Reason | None:
    counts = {team: history.resolved.get((category, team), 0) for team in teams}
    total = sum(counts.values())
    if not category or not total:
        return None
    usual = total / len(teams)
    weight = math.log((counts[name] + 1) / (usual + 1)) * min(1.0, total / PAST_FULL)
    weight = max(-PAST_MAX, min(PAST_MAX, weight))
    return Reason("past", f"resolved {counts[name]} of {total} earlier tickets about {category}", weight)


def _load(name: str, teams: Sequence[str], history: TeamHistory) -> Reason | None:
    if len(teams) < 2 or not any(history.open_count.get(team, 0) for team in teams):
        return None
    mine = history.open_count.get(name, 0)
    others = sum(history.open_count.get(team, 0) for team in teams if team != name) / (len(teams) - 1)
    weight = max(-LOAD_MAX, min(LOAD_MAX, -LOAD * math.log((mine + LOAD_USUAL) / (others + LOAD_USUAL))))
    return Reason("load", f"{mine} open tickets, the other teams {others:.0f} on average", weight)


def reassignment_risk(teams: Sequence[Team], history: TeamHistory) -> tuple[float, tuple[Reason, ...]]:
    """How probably the first team passes it on, and why."""
    if not teams:
        return 0.0, ()
    first = teams[0]
    second = teams[1].probability if len(teams) > 1 else 0.0
    share = second / (first.probability + second) if first.probability + second > 0 else 0.5
    routed, moved = history.routed.get(first.name, 0), history.moved.get(first.name, 0)
    risk = (HISTORY * share + moved) / (HISTORY + routed)
    why = []
    if len(teams) > 1:
        why.append(Reason("margin", f"{teams[1].name} has {share:.0%} of the two together", share))
    if routed:
        why.append(
            Reason(
                "past", f"{moved} of {routed} tickets routed to {first.name} went on to another team", moved / routed
            )
        )
    return risk, tuple(why)
