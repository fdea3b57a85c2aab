"""What people decide of kept tickets over HTTP: history, times, and the reveal of what was sealed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from aiops.config import Settings
from tests.api.test_api import KEY, Client, assert_problem
from tests.api.test_tickets import TICKET, ids, make
from tests.conftest import NOW_S

SEAL = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    yield from make(settings)


@pytest.fixture
def kept(client: Client) -> Client:
    client.post("/v1/tickets", json=TICKET)
    return client


def sealing(settings: Settings, seal: str = SEAL, keys: tuple[str, ...] = (KEY,)) -> Iterator[Client]:
    server = settings.server.model_copy(update={"api_keys": tuple(map(SecretStr, keys))})
    for client in make(settings.model_copy(update={"server": server}), redaction_key=SecretStr(seal)):
        client.headers["X-API-Key"] = KEY
        yield client


def do(client: Client, deed: str, ticket: str = "T-1", **body: Any) -> Any:
    return client.post(f"/v1/tickets/{ticket}/{deed}", json=body)


def test_a_correction_is_in_force_with_its_history(kept: Client) -> None:
    before = kept.get("/v1/tickets/T-1").json()
    reply = do(kept, "correct", category="network", urgency="high", impact="high", who="ann", why="the whole floor")
    body = reply.json()
    assert reply.status_code == 200, reply.text
    assert body["labels"] == before["labels"] | {
        "category": "network", "urgency": "high", "impact": "high", "priority": "P1"
    }  # fmt: skip
    assert body["category"] == before["category"], "what triage said stays as it was said"
    assert body["decided"] == ["category", "urgency", "impact"]
    event = body["timeline"][1]
    assert (event["who"], event["what"], event["field"], event["before"], event["after"], event["why"]) == (
        "ann", "corrected", "category", "access", "network", "the whole floor"
    )  # fmt: skip
    assert ids(kept, category="network") == ids(kept, decided="true") == ["T-1"]
    assert ids(kept, category="access") == ids(kept, decided="false") == []


def test_an_unknown_label_is_asked_about(kept: Client) -> None:
    assert_problem(do(kept, "correct", category="acess"), 400, "category 'acess'", "new_label")
    assert do(kept, "correct", category="cranes", new_label=True).json()["labels"]["category"] == "cranes"
    assert_problem(do(kept, "correct", urgency="critical"), 400, "low, medium, high")
    assert_problem(do(kept, "correct", urgency="critical", new_label=True), 400, "low, medium, high")
    assert_problem(do(kept, "assign", team="ann@example.com", new_label=True), 400, "names no person")
    assert_problem(do(kept, "correct"), 400, "nothing to correct")
    assert_problem(do(kept, "correct", ticket="T-9", category="access"), 404, "T-9")


def test_from_assignment_to_closing_with_all_times(kept: Client) -> None:
    do(kept, "assign", team="identity", who="ann", at=NOW_S - 500)
    do(kept, "assign", team="network", who="bob", at=NOW_S - 400)
    do(kept, "respond", who="bob", at=NOW_S - 300)
    body = do(kept, "resolve", resolution="Routed around the dead switch", who="bob", at=NOW_S - 200).json()
    assert (body["state"], body["reassigned"], body["first_contact"]) == ("resolved", 1, False)
    body = do(kept, "close", at=NOW_S - 100).json()
    times = [body[name][14:19] for name in ("created", "assigned", "first_response", "resolved", "closed")]
    assert times == ["16:40", "18:20", "21:40", "23:20", "25:00"]
    assert_problem(do(kept, "resolve", resolution="again"), 409, "closed")
    body = do(kept, "reopen", why="still down").json()
    assert (body["state"], body["resolved"], body["resolution"], body["reopened"]) == ("open", None, "", 1)
    assert_problem(do(kept, "close", at=NOW_S - 10_000), 400, "before the ticket")


def test_what_comes_with_a_decision_is_redacted_too(kept: Client) -> None:
    body = do(kept, "resolve", resolution="Called bob@example.com, it was ann@example.com's password: Zebra-77x").json()
    assert "example.com" not in json.dumps(body) and "Zebra" not in json.dumps(body)
    assert "[email 2]" in body["resolution"], "numbers go on from those of the ticket"


def test_what_was_sealed_is_revealed_to_who_has_a_key_and_that_is_told(settings: Settings) -> None:
    for client in sealing(settings):
        client.post("/v1/tickets", json=TICKET)
        do(client, "resolve", resolution="Called bob@example.com")
        with capture_logs() as logs:
            body = do(client, "reveal", who="ann", why="call back").json()
        assert body["requester"] == "ann@example.com" and "+49 151 23456789" in body["body"]
        assert body["attributes"] == TICKET["attributes"]
        assert body["resolution"] == "Called bob@example.com"
        (told,) = [line for line in logs if line["event"] == "ticket_revealed"]
        assert told["who"] == "ann" and told["ticket"] == "T-1" and len(told["api_key"]) == 8
        assert "example.com" not in json.dumps(logs)
        event = client.get("/v1/tickets/T-1").json()["timeline"][-1]
        assert (event["what"], event["who"]) == ("revealed", "ann") and told["api_key"] in event["why"]
        assert_problem(do(client, "reveal", who="ann", why=" "), 400, "why")
        del client.headers["X-API-Key"]
        assert_problem(do(client, "reveal", who="ann", why="call back"), 401)


def test_nothing_is_revealed_without_an_api_key_or_without_a_seal(settings: Settings) -> None:
    for client in sealing(settings, keys=()):
        client.post("/v1/tickets", json=TICKET)
        assert_problem(do(client, "reveal", who="ann", why="x"), 409, "server.api_keys")
    for client in sealing(settings, seal=""):
        assert_problem(do(client, "reveal", who="ann", why="x"), 409, "tickets.redaction_key")
    for client in sealing(settings, seal="YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY="):
        assert_problem(do(client, "reveal", who="ann", why="x"), 409, "another key")


def test_no_more_than_the_share_of_a_tenants_tickets_is_critical_by_the_model_alone(settings: Settings) -> None:
    everything = {level: dict.fromkeys(("low", "medium", "high"), "P1") for level in ("low", "medium", "high")}
    for client in make(settings, priority=everything, p1_free=2):
        worst = {"title": "URGENT", "body": "my mouse wheel is a little sticky, most important!!!"}
        sent = [{**worst, "id": f"T-{k}"} for k in range(4)]
        items = client.post("/v1/tickets", json={"tickets": sent}).json()["items"]
        assert [item["priority"]["label"] for item in items] == ["P1", "P1", "P2", "P2"]
        assert items[3]["priority"]["reasons"][0]["what"] == "cap"
        assert client.post("/v1/tickets", json={**worst, "id": "T-4"}).json()["items"][0]["labels"]["priority"] == "P2"
        other = client.post("/v1/tickets", json={**worst, "tenant": "acme"}).json()["items"][0]
        outage = client.post("/v1/tickets", json={"body": "Nobody can work, the whole office is offline!"}).json()
        assert [other["priority"]["label"], outage["items"][0]["priority"]["label"]] == ["P1", "P1"]
