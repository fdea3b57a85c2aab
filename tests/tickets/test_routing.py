"""What moves a team up or down besides the text, that each says so, and how probably the first passes it on."""

import numpy as np
import pytest

from aiops.tickets.hours import hours
from aiops.tickets.names import Names
from aiops.tickets.routing import Asked, Router, TeamHistory, reassignment_risk
from aiops.tickets.teams import Teams
from aiops.tickets.ticket import Team

NEEDS = {"web": ("checkout",), "checkout": ("orders-db",)}
TEAMS = Teams(
    ("network", "database", "shop"),
    np.zeros((3, 2), np.float32),
    np.arange(3),
    {"database": ("orders-db", "users-db"), "shop": ("checkout",)},
    {"database": hours("Mon-Fri 08:00-18:00")},
)
TEXT = [("network", 0.5), ("database", 0.3), ("shop", 0.2)]
MONDAY_NOON = 1_767_614_400_000
ROUTER = Router(TEAMS, NEEDS)


def asked(text: str = "it is slow", category: str = "network", time_ms: int = MONDAY_NOON, **attributes: str) -> Asked:
    return Asked(Names.of(text, attributes), category, time_ms)


def ranked(what: Asked, history: TeamHistory = TeamHistory()) -> dict[str, Team]:  # noqa: B008
    teams = ROUTER.ranked(TEXT, what, history)
    assert [team.probability for team in teams] == sorted((team.probability for team in teams), reverse=True)
    assert sum(team.probability for team in teams) == pytest.approx(1)
    return {team.name: team for team in teams}


def test_where_nothing_is_known_besides_the_text_decides() -> None:
    assert [(name, team.probability) for name, team in ranked(asked()).items()] == TEXT
    assert all(not team.reasons for team in ranked(asked()).values())


def test_a_named_service_is_its_owners() -> None:
    for what in (asked("orders-db times out"), asked(service="Orders DB")):
        team = next(iter(ranked(what).values()))
        assert team.name == "database" and team.probability > 0.75
        assert [(one.what, one.text) for one in team.reasons] == [
            ("service", "it owns orders-db, which the ticket names")
        ]


def test_what_a_named_service_leans_on_counts_less_and_the_nearest_owner_most() -> None:
    teams = ranked(asked("the web server is down"))
    assert teams["shop"].reasons[0].text == "web, which the ticket names, needs checkout, which it owns"
    direct = ranked(asked("the checkout service is down"))["shop"]
    assert teams["shop"].reasons[0].weight < direct.reasons[0].weight


def test_who_resolved_such_tickets_gets_the_next() -> None:
    history = TeamHistory(resolved={("network", "shop"): 18, ("network", "network"): 2, ("access", "database"): 50})
    teams = ranked(asked(), history)
    assert "resolved 18 of 20 earlier tickets about network" in teams["shop"].reasons[0].text
    assert teams["shop"].probability > 0.2 and teams["network"].probability < 0.5
    few = ranked(asked(), TeamHistory(resolved={("network", "shop"): 1}))
    assert few["shop"].probability == pytest.approx(0.2, abs=0.02), "one ticket proves little"
    assert ranked(asked(category=""), history)["shop"].probability == 0.2


def test_who_is_away_or_busy_stands_back_a_little() -> None:
    night = ranked(asked(time_ms=MONDAY_NOON + 12 * 3_600_000))
    assert night["database"].probability < 0.3 and "Mon-Fri 08:00-18:00" in night["database"].reasons[0].text
    busy = ranked(asked(), TeamHistory(open_count={"network": 60, "database": 2}))
    assert busy["network"].probability < 0.5
    assert busy["network"].reasons[0].text == "60 open tickets, the other teams 1 on average"
    assert next(iter(busy)) == "network", "but what the text says stays strongest"


def test_the_risk_of_passing_on_is_the_margin_and_the_past() -> None:
    close, clear = [Team("a", 0.4, ()), Team("b", 0.38, ())], [Team("a", 0.9, ()), Team("b", 0.05, ())]
    assert reassignment_risk(clear, TeamHistory())[0] < 0.1 < 0.45 < reassignment_risk(close, TeamHistory())[0]
    risk, why = reassignment_risk(clear, TeamHistory(routed={"a": 90}, moved={"a": 45}))
    assert risk == pytest.approx(0.455, abs=0.01)
    assert [one.text for one in why] == [
        "b has 5% of the two together", "45 of 90 tickets routed to a went on to another team"
    ]  # fmt: skip
    assert reassignment_risk([], TeamHistory()) == (0.0, ())
    assert reassignment_risk([Team("a", 1.0, ())], TeamHistory())[0] == 0
