"""POST /v1/triage over HTTP: what an intake system gets, and what it hears when it sends something else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aiops.config import Settings, Tickets
from aiops.desk import Desk
from aiops.errors import OverloadError
from tests.api.test_api import Client, assert_problem, client_of
from tests.conftest import Clock

TICKET = {
    "id": "T-1",
    "title": "Cannot reach the finance share",
    "body": "Since this morning I get access denied, month end is today. I am annoyed, this is the second time.",
    "created_at": "2026-01-31T12:00:00Z",
    "attributes": {"affected_users": 40},
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("triage")
    settings = Settings().with_data_in(folder)
    ingest = settings.ingest.model_copy(update={"series_max": 10, "recent_samples_max": 1000})
    desk = Desk(Tickets(batch_max=5))
    desk.start()
    yield from client_of(settings.model_copy(update={"ingest": ingest}), Clock(1.78e9), desk)


def test_one_ticket_gets_every_answer(client: Client) -> None:
    reply = client.post("/v1/triage", json=TICKET)
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["took_ms"] > 0
    (item,) = body["items"]
    assert item["id"] == "T-1" and item["is_ticket"]
    for name in ("category", "type", "urgency", "impact", "sentiment"):
        answer = item[name]
        assert 0 < answer["probability"] <= 1 and answer["label"] and answer["reasons"]
        assert answer["label"] not in [other["label"] for other in answer["alternatives"]]
    assert item["category"]["label"] == "access"
    assert item["sentiment"]["label"] == "negative"
    assert item["priority"]["label"] in ("P1", "P2", "P3")
    assert item["routing"][0]["team"] == "identity"
    assert item["model_version"] == "triage/1"


def test_tickets_are_answered_in_the_order_sent(client: Client) -> None:
    tickets = [{"id": str(k), "body": text} for k, text in enumerate(("printer jam", "refund my invoice", "VPN drops"))]
    items = client.post("/v1/triage", json={"tickets": tickets}).json()["items"]
    assert [item["id"] for item in items] == ["0", "1", "2"]
    assert [item["category"]["label"] for item in items] == ["hardware", "billing_purchase", "network"]


def test_more_tickets_than_allowed_are_refused_whole(client: Client) -> None:
    reply = client.post("/v1/triage", json={"tickets": [{"body": "x"}] * 6})
    assert_problem(reply, 413, "batch_max = 5")


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"tickets": []}, "no ticket"),
        ({"titel": "x"}, "titel"),
        ({"title": 3}, "title"),
        ({"title": "x", "created_at": "yesterday"}, "yesterday"),
        ({"title": "x", "attributes": []}, "attributes"),
    ],
)
def test_what_is_wrong_is_told(client: Client, sent: dict[str, object], told: str) -> None:
    assert_problem(client.post("/v1/triage", json=sent), 400, told)


def test_a_desk_without_models_says_so(tmp_path: Path) -> None:
    desk = Desk(Tickets(bundle=str(tmp_path)))
    desk.start()
    with pytest.raises(OverloadError, match="No such file"):
        desk.triage([])
