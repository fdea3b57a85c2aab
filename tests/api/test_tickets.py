"""POST /v1/tickets over HTTP: kept once, without personal data, found again; and what a sender hears who errs."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aiops.config import Settings
from aiops.desk import Desk
from aiops.past import Past
from aiops.store.incident_store import Change
from aiops.tickets.pipeline import TriagePipeline
from aiops.tickets.priority import matrix
from tests.api.test_api import Client, assert_problem, client_of, shared_desk
from tests.conftest import NOW_S, Clock
from tests.store.test_incident_store import make as make_incident

TICKET: dict[str, Any] = {
    "id": "T-1",
    "title": "Cannot reach the finance share",
    "body": "Access denied since this morning, month end is today. Call me at +49 151 23456789 or ann@example.com.",
    "requester": "ann@example.com",
    "channel": "mail",
    "created_at": NOW_S - 600,
    "attributes": {"affected_users": 12, "callback": "+49 151 23456789"},
}


def make(settings: Settings, **tickets: Any) -> Iterator[Client]:
    ingest = settings.ingest.model_copy(update={"series_max": 100, "recent_samples_max": 1000})
    changed = settings.model_copy(update={"ingest": ingest, "tickets": settings.tickets.model_copy(update=tickets)})
    desk = Desk(changed.tickets)
    shared = shared_desk().pipeline
    rows = matrix(changed.tickets.priority)
    desk._pipeline = TriagePipeline(shared.bundle, shared.encoder, matrix=rows)
    desk._past = Past(None, changed.tickets, shared.encoder, shared.bundle.classifier.memory)
    desk.is_loading = False
    yield from client_of(changed, Clock(NOW_S), desk)


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    yield from make(settings)


@pytest.fixture
def small(settings: Settings) -> Iterator[Client]:
    server = settings.server.model_copy(update={"body_bytes_max": 50_000})
    yield from make(
        settings.model_copy(update={"server": server}), batch_max=5, tenants=("acme", ""), attributes_chars_max=200
    )


def ids(client: Client, **params: Any) -> list[str]:
    return [one["id"] for one in client.get("/v1/tickets", params=params).json()["items"]]


def test_a_ticket_is_triaged_kept_and_found_again(client: Client) -> None:
    reply = client.post("/v1/tickets", json=TICKET)
    assert reply.status_code == 201, reply.text
    (item,) = reply.json()["items"]
    assert item["is_new"] and item["category"]["label"] == "access" and item["routing"][0]["team"] == "identity"
    assert item["labels"]["category"] == "access" and item["state"] == "open"
    assert item["created"] == "2026-05-28T20:16:40.000Z"
    kept = client.get("/v1/tickets/T-1").json()
    assert kept == item | {"is_new": None}
    assert item["similar"] == []
    assert ids(client) == ["T-1"]
    assert ids(client, category="access", priority=item["priority"]["label"], state="open") == ["T-1"]
    assert ids(client, category="network") == []


def test_personal_data_is_replaced_alike_in_text_and_attributes(client: Client) -> None:
    (item,) = client.post("/v1/tickets", json=TICKET).json()["items"]
    assert "[phone 1]" in item["body"] and "[email 1]" in item["body"]
    assert item["attributes"] == {"affected_users": 12, "callback": "[phone 1]"}
    assert item["redactions"] == {"email": 1, "phone": 2}
    assert "ann@example.com" not in json.dumps(item)


def test_the_same_again_gets_the_same_answer_and_is_kept_once(client: Client) -> None:
    first = client.post("/v1/tickets", json=TICKET).json()["items"][0]
    reply = client.post("/v1/tickets", json=TICKET)
    assert reply.status_code == 200
    assert reply.json()["items"][0] == first | {"is_new": False}
    other = {**TICKET, "tenant": "acme"}
    assert client.post("/v1/tickets", json={"tickets": [other, other]}).json()["items"][1]["is_new"] is False
    assert len(ids(client)) == 2 and ids(client, tenant="acme") == ["T-1"]
    assert client.get("/v1/tickets/T-1", params={"tenant": "acme"}).status_code == 200


def test_the_same_sent_at_the_same_moment_is_kept_once_and_answered_alike(client: Client) -> None:
    for k in range(5):
        sent = {"id": f"S-{k}", "title": f"printer {k} is broken", "created_at": "2026-01-31T12:00:00Z"}
        with ThreadPoolExecutor(4) as pool:
            replies = list(pool.map(lambda _: client.post("/v1/tickets", json=sent), range(4)))  # noqa: B023
        assert sorted(reply.status_code for reply in replies) == [200, 200, 200, 201]
        assert len({reply.json()["items"][0]["id"] for reply in replies}) == 1


def test_other_content_under_the_same_id_is_told_and_nothing_is_kept(client: Client) -> None:
    client.post("/v1/tickets", json=TICKET)
    changed = {**TICKET, "title": "Printer jam"}
    reply = client.post("/v1/tickets", json={"tickets": [{"id": "T-2", "body": "new"}, changed]})
    assert_problem(reply, 409, "tickets[1]", "'T-1'", "nothing of this request was kept")
    twice = [{"id": "T-3", "body": "printer jam"}, {"id": "T-3", "body": "VPN drops"}]
    assert_problem(client.post("/v1/tickets", json={"tickets": twice}), 409, "tickets[1]", "'T-3'")
    assert ids(client) == ["T-1"]
    assert client.get("/v1/tickets/T-1").json()["title"] == TICKET["title"]


def test_a_ticket_without_an_id_gets_one(client: Client) -> None:
    items = client.post("/v1/tickets", json={"tickets": [{"body": "printer jam"}] * 2}).json()["items"]
    assert len({item["id"] for item in items}) == 2 == len(ids(client))


def test_an_id_that_tells_a_person_or_breaks_a_path_is_replaced(client: Client) -> None:
    for odd in ("mail-from-ann@example.com", "2026/05/7", ".."):
        sent = {"id": odd, "body": "printer jam"}
        (item,) = client.post("/v1/tickets", json=sent).json()["items"]
        assert item["id"].startswith("id-") and odd not in json.dumps(item)
        assert client.get(f"/v1/tickets/{item['id']}").status_code == 200
        assert client.post("/v1/tickets", json=sent).json()["items"][0]["is_new"] is False


def test_a_batch_is_answered_in_order_and_paged_newest_first(client: Client) -> None:
    sent = [{"id": f"T-{k}", "body": f"printer {k} jams", "created_at": NOW_S - 100 + k} for k in range(7)]
    items = client.post("/v1/tickets", json={"tickets": sent}).json()["items"]
    assert [item["id"] for item in items] == [f"T-{k}" for k in range(7)]
    seen, cursor = [], None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/tickets", params=params).json()
        seen += [one["id"] for one in page["items"]]
        if not (cursor := page["next_cursor"]):
            break
    assert seen == [f"T-{k}" for k in reversed(range(7))]
    assert ids(client, since=NOW_S - 98, until=NOW_S - 95) == ["T-4", "T-3", "T-2"]


def test_a_requester_is_forgotten_whatever_the_case(client: Client) -> None:
    client.post("/v1/tickets", json={"tickets": [TICKET, {"id": "T-2", "body": "x y z", "requester": "bob"}]})
    reply = client.post("/v1/requesters/forget", json={"requester": " Ann@Example.com "})
    assert reply.json() == {"tickets_deleted": 1}
    assert ids(client) == ["T-2"]
    assert_problem(client.get("/v1/tickets/T-1"), 404, "T-1")
    assert client.post("/v1/requesters/forget", json={"requester": "ann@example.com"}).json() == {"tickets_deleted": 0}


@pytest.mark.parametrize(
    ("sent", "status", "told"),
    [
        ({"tickets": []}, 400, "no ticket"),
        ({"tickets": [{"body": "x"}] * 6}, 413, "batch_max = 5"),
        ({"titel": "x"}, 400, "titel"),
        ({"title": 3}, 400, "title"),
        ({"title": "x", "created_at": "yesterday"}, 400, "yesterday"),
        ({"title": "x", "created_at": 10}, 400, "created_at"),
        ({"title": "x", "created_at": "2031-01-01"}, 400, "created_at"),
        ({"title": "x", "attributes": []}, 400, "attributes"),
        ({"title": "x", "attributes": {"a": "b" * 300}}, 413, "attributes_chars_max = 200"),
        ({"title": " ", "body": "\n"}, 400, "neither title nor body"),
        ({"tickets": [{"body": "x"}, {"body": ""}]}, 400, "tickets[1]: neither"),
        ({"title": "x", "tenant": "nobody"}, 400, "'nobody' is unknown"),
        ({"title": "x", "id": "x" * 201}, 400, "id: 201 characters"),
        ({"title": "x", "body": "y" * 60_000}, 413, "body_bytes_max = 50000"),
        ([], 400, "body"),
        ("x", 400, "body"),
        (None, 400, "body"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_lost(small: Client, sent: Any, status: int, told: str) -> None:
    small.post("/v1/tickets", json={"id": "before", "body": "printer jam"})
    assert_problem(small.post("/v1/tickets", json=sent), status, told)
    assert ids(small) == ["before"]


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (bytes(range(256)), "application/json", 400),
        (bytes(range(256)), "application/octet-stream", 415),
        (b'{"title": "x"}', "text/plain", 415),
    ],
)
def test_what_is_no_json_is_told(small: Client, body: bytes, kind: str, status: int) -> None:
    assert_problem(small.post("/v1/tickets", content=body, headers={"Content-Type": kind}), status)


def test_ten_megabytes_are_read_as_far_as_the_limit_says(client: Client) -> None:
    reply = client.post("/v1/tickets", json={"id": "big", "body": "tray 2 is empty. " * 620_000})
    assert reply.status_code == 201
    assert len(client.get("/v1/tickets/big").json()["body"]) <= 20_000


def test_odd_text_is_kept(client: Client) -> None:
    odd = ["a\x00b", "\u202etxt\u200b", "<p>hi</p>", "\U0001f600 \u0645\u0631\u062d\u0628\u0627", "!?" * 4000]
    sent = [{"id": f"O-{k}", "title": text, "body": text, "channel": text[:50]} for k, text in enumerate(odd)]
    assert client.post("/v1/tickets", json={"tickets": sent}).status_code == 201
    raw = b'{"id": "half", "body": "printer \\ud83d jam", "attributes": {"a": "\\ud83d"}}'
    reply = client.post("/v1/tickets", content=raw, headers={"Content-Type": "application/json"})
    assert reply.status_code in (201, 400), reply.text
    assert len(ids(client)) == len(odd) + (reply.status_code == 201)


def test_a_damaged_secret_is_told_and_nothing_is_kept(settings: Settings) -> None:
    settings.server.data_dir.mkdir(parents=True)
    (settings.server.data_dir / "tickets.key").write_bytes(b"short")
    for client in make(settings):
        assert_problem(client.post("/v1/tickets", json=TICKET), 503, "tickets.key is damaged")
        assert ids(client) == []


def test_the_secret_is_readable_for_its_owner_alone(client: Client, settings: Settings) -> None:
    client.post("/v1/tickets", json=TICKET)
    path: Path = settings.server.data_dir / "tickets.key"
    assert path.stat().st_mode & 0o777 == 0o600


def incident(client: Client, number: int, service: str, after_s: float = 0) -> None:
    moment = int(1000 * (NOW_S - 1800 + after_s))
    one = make_incident(number, service=service)
    client.service.store.save([Change(replace(one, started_ms=moment, detected_ms=moment, updated_ms=moment))])


SLOW: dict[str, Any] = {"id": "S-1", "body": "Checkout fails with a timeout since half an hour, we lose sales."}


def test_a_ticket_and_its_incident_show_each_other(client: Client) -> None:
    incident(client, 1, "checkout")
    incident(client, 2, "search")
    (item,) = client.post("/v1/tickets", json=SLOW).json()["items"]
    (link,) = item["incidents"]
    assert (link["id"], link["state"]) == ("INC-1", "candidate")
    assert link["reason"] == "names checkout of the incident; written 30 minutes after it began"
    client.post("/v1/tickets", json={"id": "S-2", "body": "Where do I find the holiday calendar?"})
    shown = client.get("/v1/incidents/INC-1").json()
    assert (shown["ticket_count"], [one["id"] for one in shown["tickets"]]) == (1, ["S-1"])
    assert shown["tickets"][0]["reason"] == link["reason"]
    assert client.get("/v1/incidents/INC-2").json()["ticket_count"] == 0
    assert ids(client, incident="INC-1") == ["S-1"]
    listed = client.get("/v1/tickets").json()["items"]
    assert {one["id"]: one["incidents"] for one in listed} == {"S-1": ["INC-1"], "S-2": []}
    client.service.resolve(1, "ann", "rolled back", "")
    assert client.get("/v1/tickets/S-1").json()["incidents"][0]["state"] == "resolved"
    assert_problem(client.get("/v1/tickets", params={"incident": "X"}), 400, "INC-12")


def test_who_writes_before_the_incident_is_seen_is_linked_once_it_is(client: Client) -> None:
    sent = {**SLOW, "created_at": NOW_S - 2400}
    assert client.post("/v1/tickets", json=sent).json()["items"][0]["incidents"] == []
    incident(client, 1, "checkout")
    assert client.get("/v1/incidents/INC-1").json()["ticket_count"] == 1
    reason = client.get("/v1/tickets/S-1").json()["incidents"][0]["reason"]
    assert reason.endswith("written 10 minutes before it was seen")
    assert client.post("/v1/tickets", json=sent).json()["items"][0]["incidents"][0]["id"] == "INC-1"


def test_what_an_incident_spreads_to_later_links_too(client: Client) -> None:
    incident(client, 1, "search")
    assert client.post("/v1/tickets", json=SLOW).json()["items"][0]["incidents"] == []
    stored = client.service.store.get(1)
    client.service.store.save([Change(replace(stored, entities=("service=search", "service=checkout")))])
    assert [one["id"] for one in client.get("/v1/tickets/S-1").json()["incidents"]] == ["INC-1"]


def test_a_ticket_shows_who_said_the_same_before_and_what_helped(client: Client) -> None:
    texts = ("The finance share denies me access.", "finance share denies me access!", "printer jam in tray 2")
    for k, text in enumerate(texts):
        sent = {"id": f"OLD-{k}", "body": text, "created_at": NOW_S - 9000 + k}
        assert client.post("/v1/tickets", json=sent).status_code == 201
    client.post("/v1/tickets/OLD-0/resolve", json={"resolution": "added to group FIN"})
    (item,) = client.post("/v1/tickets", json=TICKET).json()["items"]
    first = item["similar"][0]
    assert (first["id"], first["resolution"], first["duplicates"]) in (
        ("OLD-0", "added to group FIN", 1),
        ("OLD-1", "added to group FIN", 1),
    )
    assert "finance share" in first["passage"]
    asked = client.post("/v1/triage", json={"title": "no access to the finance share"}).json()["items"][0]
    assert asked["similar"][0]["id"] in ("OLD-0", "OLD-1", "T-1")
    assert client.post("/v1/tickets/OLD-0/reopen", json={"why": "again"}).status_code == 200
    (other,) = client.post("/v1/triage", json={"title": "no access to the finance share"}).json()["items"]
    assert all(one["resolution"] == "" for one in other["similar"]), "it did not help"
    foreign = client.post("/v1/triage", json={"title": "no access to the finance share", "tenant": "acme"}).json()
    assert foreign["items"][0]["similar"] == []
    unlike = client.post("/v1/triage", json={"title": "when is the canteen open on Friday?"}).json()
    assert unlike["items"][0]["similar"] == []


def test_who_is_forgotten_is_in_no_similar_ticket(client: Client) -> None:
    client.post("/v1/tickets", json={"id": "A", "body": "the blue kettle sings", "requester": "ann@example.com"})
    asked = {"body": "a kettle that sings"}
    assert client.post("/v1/triage", json=asked).json()["items"][0]["similar"][0]["id"] == "A"
    client.post("/v1/requesters/forget", json={"requester": "ann@example.com"})
    assert client.post("/v1/triage", json=asked).json()["items"][0]["similar"] == []
