"""The HTTP API over a real service, in one process: what users read, decide and get wrong."""

import gzip
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest
from starlette.testclient import TestClient

from aiops.api.app import create_app
from aiops.config import Settings, Tickets
from aiops.desk import Desk
from aiops.detection.scores import Kind
from aiops.metrics.remote_write_encode import encode_labels, encode_series, encode_write_request, pack
from aiops.metrics.series import canonical
from aiops.service import Service
from aiops.store.database import open_database
from aiops.store.incident_store import IncidentStore
from tests.conftest import NOW_S, Clock
from tests.test_service import START_MS, send

WRITE = {"Content-Type": "application/x-protobuf", "Content-Encoding": "snappy"}
UP = canonical({"__name__": "up", "job": "x"})
NOW_MS = int(NOW_S * 1000)
KEY = "correct-horse-battery"


@cache
def shared_desk() -> Desk:
    """Loaded once for all tests: it keeps nothing between requests."""
    desk = Desk(Tickets())
    desk.start()
    return desk


class Client(TestClient):
    """A client with the service behind it."""

    service: Service


def client_of(settings: Settings, clock: Clock, desk: Desk | None = None) -> Iterator[Client]:
    settings.server.data_dir.mkdir(parents=True, exist_ok=True)
    service = Service(settings, IncidentStore(open_database(settings.store_url)), clock)
    with Client(create_app(service, desk or shared_desk())) as client:
        while not service.is_ready:
            client.get("/healthz")
        client.service = service
        yield client


@pytest.fixture
def client(settings: Settings, clock: Clock) -> Iterator[Client]:
    yield from client_of(settings, clock)


@pytest.fixture
def small_client(settings: Settings, clock: Clock) -> Iterator[Client]:
    server = settings.server.model_copy(update={"body_bytes_max": 10_000})
    ingest = settings.ingest.model_copy(update={"series_max": 3, "samples_per_request_max": 20})
    yield from client_of(settings.model_copy(update={"server": server, "ingest": ingest}), clock)


@pytest.fixture
def keyed_client(settings: Settings, clock: Clock) -> Iterator[Client]:
    from pydantic import SecretStr

    server = settings.server.model_copy(update={"api_keys": (SecretStr(KEY),)})
    yield from client_of(settings.model_copy(update={"server": server}), clock)


def assert_problem(reply: Any, status: int, *said: str) -> None:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert body["status"] == status
    for text in said:
        assert text in body["detail"], body["detail"]


def write(client: TestClient, body: bytes, **headers: str) -> Any:
    return client.post("/api/v1/write", content=body, headers=WRITE | headers)


def up(*samples: tuple[int, float]) -> bytes:
    return encode_write_request([(UP, samples)])


# writes


def test_a_write_is_answered_204_and_read_back(client: Client) -> None:
    assert write(client, up((NOW_MS, 1.0), (NOW_MS + 1000, 2.0))).status_code == 204
    (series,) = client.get("/v1/series", params={"match": "up"}).json()["items"]
    assert (series["series"], series["samples_seen"]) == ('up{job="x"}', 2)
    samples = client.get(f"/v1/series/{series['id']}/samples").json()["samples"]
    assert [sample["value"] for sample in samples] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Content-Type": "application/json"}, "application/x-protobuf"),
        ({"Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request"}, "remote write 1.0"),
        ({"Content-Encoding": "gzip"}, "snappy"),
    ],
)
def test_the_wrong_media_type_is_415_before_anything_is_read(
    client: Client, headers: dict[str, str], said: str
) -> None:
    assert_problem(write(client, b"whatever", **headers), 415, said)


def test_the_right_media_type_may_be_spelled_out_or_left_out(client: Client) -> None:
    spelled = {"Content-Type": "application/x-protobuf; proto=prometheus.WriteRequest"}
    assert write(client, up((NOW_MS, 1.0)), **spelled).status_code == 204
    assert client.post("/api/v1/write", content=up((NOW_MS, 1.0))).status_code == 204


@pytest.mark.parametrize("body", [b"not snappy", pack(b"\x0a\x05abc"), up((NOW_MS, 1.0))[:-3]])
def test_corrupt_snappy_and_truncated_protobuf_are_400(client: Client, body: bytes) -> None:
    assert_problem(write(client, body), 400)


def test_metadata_only_is_204(client: Client) -> None:
    assert write(client, pack(b"\x1a\x04\x22\x02hi")).status_code == 204


def test_what_is_accepted_stays_when_the_rest_is_refused(client: Client) -> None:
    body = pack(
        encode_series(encode_labels(UP), [(NOW_MS, 1.0), (NOW_MS - 5000, 1.0), (NOW_MS + 10**9, 1.0), (12345, 1.0)])
        + encode_series(encode_labels((("job", "nameless"),)), [(NOW_MS, 1.0)])
        + encode_series(encode_labels(tuple((f"l{k}", "x") for k in range(100))), [(NOW_MS, 1.0)])
    )
    reply = write(client, body)
    assert_problem(reply, 400, "1 sample accepted, 5 refused", 'no __name__: {job="nameless"}', "ahead of the clock")
    assert reply.json()["refused"] == {
        "too_far_in_future": 1, "too_old": 1, "out_of_order": 1, "bad_labels": 1, "too_many_labels": 1,
    }  # fmt: skip
    assert client.get("/v1/series", params={"match": "up"}).json()["items"][0]["samples_seen"] == 1


def test_series_over_the_limit_are_400_and_named(small_client: Client) -> None:
    body = encode_write_request([(canonical({"__name__": f"m{k}"}), [(NOW_MS, 1.0)]) for k in range(5)])
    reply = write(small_client, body)
    assert_problem(reply, 400, "series_max")
    assert (reply.json()["accepted"], reply.json()["refused"]) == (3, {"series_limit": 2})


def test_bodies_over_the_limit_are_413_packed_unpacked_and_in_chunks(small_client: Client) -> None:
    assert_problem(write(small_client, b"x" * 10_001), 413, "body_bytes_max")
    assert_problem(write(small_client, pack(b"\0" * 10_001)), 413, "unpacks")
    chunks = (b"x" * 1000 for _ in range(11))
    assert_problem(small_client.post("/api/v1/write", content=chunks, headers=WRITE), 413, "body_bytes_max")
    assert_problem(write(small_client, up(*((NOW_MS + k, 1.0) for k in range(21)))), 413, "samples_per_request_max")
    bomb = gzip.compress(b" " * 1_000_000)
    reply = small_client.post("/v1/samples", content=bomb, headers={"Content-Encoding": "gzip"})
    assert_problem(reply, 413, "unpacks")


def test_a_million_labels_are_refused_and_the_service_lives(client: Client) -> None:
    labels = encode_labels(tuple((f"l{k}", "x") for k in range(1_000_000)))
    reply = write(client, pack(encode_series(labels, [(NOW_MS, 1.0)])))
    assert_problem(reply, 400, "1000000 labels")
    assert write(client, up((NOW_MS, 1.0))).status_code == 204


def test_special_values_and_duplicates_are_taken(client: Client) -> None:
    body = up((NOW_MS, float("nan")), (NOW_MS + 1, float("inf")), (NOW_MS + 2, -float("inf")), (NOW_MS + 3, 1.0))
    assert write(client, body).status_code == 204
    assert write(client, up((NOW_MS + 3, 1.0))).status_code == 204
    series = client.get("/v1/series").json()["items"][0]["id"]
    values = [sample["value"] for sample in client.get(f"/v1/series/{series}/samples").json()["samples"]]
    assert values == [None, None, None, 1.0]


def test_json_samples_are_scored_in_the_reply(client: Client) -> None:
    sample = {"series": "cpu", "timestamp": NOW_MS, "value": 0.5}
    reply = client.post("/v1/samples", json={"samples": [sample, {"series": "cpu"}]})
    assert reply.status_code == 200
    body = reply.json()
    assert (body["accepted"], body["refused"]) == (1, {"bad_sample": 1})
    assert {"score", "expected", "lower", "upper", "anomalous", "alert", "kind", "incident"} <= set(body["samples"][0])
    assert body["samples"][1]["refused"]["reason"] == "bad_sample"
    assert body["samples"][1]["series"] == "cpu"
    short = client.post("/v1/samples?reply=summary", json=[sample | {"timestamp": NOW_MS + 1}])
    assert short.json() == {"accepted": 1, "refused": {}}


def test_ndjson_and_gzip_are_read(client: Client) -> None:
    lines = b'{"series": "a", "value": 1}\n{"series": "b", "value": 2}\n'
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    assert client.post("/v1/samples", content=gzip.compress(lines), headers=headers).json()["accepted"] == 2


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b'{"wrong": 1}', {}, 400),
        (b'{"samples": ' + b"[" * 5000 + b"]" * 5000 + b"}", {}, 400),
        (b"[" * 5000, {}, 400),
        (b'[{"series": "a", "value": NaN}', {}, 400),
        (b'{"samples": [], "source": "x"}', {}, 400),
        (b'[{"series": "a", "value": "x"}]', {}, 400),
        (b"a,b\n1,2", {"Content-Type": "text/csv"}, 415),
        (b"[]", {"Content-Encoding": "br"}, 415),
        (b"not gzip", {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(b"[]" * 100)[:-10], {"Content-Encoding": "gzip"}, 400),
    ],
)
def test_wrong_json_requests_get_their_answer(
    client: Client, body: bytes, headers: dict[str, str], status: int
) -> None:
    headers = {"Content-Type": "application/json"} | headers
    assert_problem(client.post("/v1/samples", content=body, headers=headers), status)
    assert client.get("/healthz").json() == {"status": "alive"}


# incidents


def jump(client: Client) -> None:
    send(client.service, 0, 200)
    send(client.service, 200, 10, jump=500)


def test_an_incident_is_listed_read_and_decided(client: Client) -> None:
    jump(client)
    page = client.get("/v1/incidents", params={"state": "candidate", "label": "service=web", "severity": "low"}).json()
    assert [one["id"] for one in page["items"]] == ["INC-1"]
    assert page["next_cursor"] is None
    one = client.get("/v1/incidents/INC-1").json()
    assert len(one["alerts"]) == 6
    assert len(one["alerts"][0]["evidence"]) > 10
    assert one["timeline"][0]["what"] == "detected"
    confirmed = client.post("/v1/incidents/INC-1/confirm", json={"who": "ann", "note": "seen"}).json()
    assert (confirmed["state"], confirmed["timeline"][-1]["who"]) == ("open", "ann")
    evidence = [alert["evidence"] for alert in one["alerts"]]
    assert [alert["evidence"] for alert in confirmed["alerts"]] == evidence
    assert_problem(client.post("/v1/incidents/1/confirm"), 409, "is open")
    assert_problem(client.post("/v1/incidents/1/dismiss", json={}), 400, "reason")
    assert_problem(client.post("/v1/incidents/1/dismiss", json={"reason": " "}), 400, "reason")
    resolved = client.post("/v1/incidents/1/resolve", json={"who": "ann", "resolution": "rolled back"}).json()
    assert (resolved["state"], resolved["resolution"]) == ("resolved", "rolled back")
    assert [alert["evidence"] for alert in resolved["alerts"]] == evidence
    assert client.get("/v1/incidents", params={"state": "candidate"}).json()["items"] == []


def test_an_incident_says_who_speaks_for_how_long_and_what_became_of_its_like(client: Client) -> None:
    send(client.service, 0, 200)
    send(client.service, 200, 12, jump=500)
    send(client.service, 212, 60)
    client.post("/v1/incidents/INC-1/resolve", json={"resolution": "rolled back", "cause": "bad release"})
    send(client.service, 272, 300)
    send(client.service, 572, 13, jump=1200)
    first, last = (client.get(f"/v1/incidents/INC-{number}").json() for number in (1, 2))
    assert all(alert["past"] == [] for alert in first["alerts"])
    assert "last time" not in first["reason"]
    lead = next(alert for alert in last["alerts"] if alert["reason"] == last["reason"])
    assert lead["past"] == [
        {"incident": "INC-1", "when": first["started"], "state": "resolved", "resolution": "rolled back"}
    ]
    assert re.fullmatch(
        r"web m\d is 2\dx its usual level: 1\d{3}, expected .+ \(.+ to .+\), for 3 minutes; "
        r"last time: \d+ \w{3} \d\d:\d\d",
        last["reason"],
    )
    for alert in last["alerts"]:
        assert alert["contributions"]
        assert sum(one["share"] for one in alert["contributions"]) == pytest.approx(1, abs=0.01)
    newest, oldest = client.get("/v1/incidents").json()["items"]
    assert (newest["reason"], oldest["reason"]) == (last["reason"], first["reason"])


def test_the_sentence_grows_older_while_the_incident_lives(client: Client) -> None:
    send(client.service, 0, 200)
    send(client.service, 200, 13, jump=500)
    assert ", for 3 minutes" in client.get("/v1/incidents/INC-1").json()["reason"]
    send(client.service, 213, 8, jump=500)
    assert ", for 5 minutes" in client.get("/v1/incidents").json()["items"][0]["reason"]


def test_pages_of_incidents(client: Client) -> None:
    jump(client)
    assert client.get("/v1/incidents", params={"limit": 1, "since": "2020-01-01"}).json()["next_cursor"] is None
    assert client.get("/v1/incidents", params={"until": START_MS}).json()["items"] == []


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/v1/incidents/INC-99", 404, "INC-99"),
        ("/v1/incidents/abc", 404, "INC-12"),
        ("/v1/incidents?state=closed", 400, "state"),
        ("/v1/incidents?limit=0", 400, "limit"),
        ("/v1/incidents?since=later", 400, "ISO 8601"),
        ("/v1/incidents?label=web", 400, "name=value"),
        ("/v1/incidents?cursor=zz", 400, "cursor"),
        ("/v1/series?match=up{", 400, "selector"),
        ("/v1/series?match=service=search", 400, "no braces"),
        ("/v1/series?cursor=x", 400, "cursor"),
        ("/v1/series/77/samples", 404, "series 77"),
        ("/nowhere", 404, "/docs"),
        ("/api/v1/write", 405, "Method Not Allowed"),
    ],
)
def test_wrong_questions_get_a_problem(client: Client, path: str, status: int, said: str) -> None:
    assert_problem(client.get(path), status, said)


# the service itself


def test_health_readiness_metrics_and_documentation(client: Client) -> None:
    assert client.get("/readyz").json() == {"status": "ready"}
    write(client, up((NOW_MS, 1.0), (NOW_MS - 1, 1.0)))
    text = client.get("/metrics").text
    assert 'aiops_samples_total{protocol="remote_write"} 1.0' in text
    assert 'aiops_samples_refused_total{protocol="remote_write",reason="out_of_order"} 1.0' in text
    assert 'route="/api/v1/write",status="400"' in text
    paths = client.get("/openapi.json").json()["paths"]
    body = paths["/v1/samples"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert client.post("/v1/samples", content=json.dumps(body)).json()["accepted"] == len(body["samples"])


def test_the_documentation_lists_the_answers_that_come(client: Client) -> None:
    document = client.get("/openapi.json").json()
    operations = {(path, verb): one for path, verbs in document["paths"].items() for verb, one in verbs.items()}
    assert not any("422" in one["responses"] for one in operations.values())
    for path in ("/v1/samples", "/api/v1/write"):
        assert {"400", "413", "415", "503"} <= set(operations[path, "post"]["responses"])
    assert "ValidationError" not in client.get("/openapi.json").text
    alert, sample = (document["components"]["schemas"][name]["properties"] for name in ("AlertView", "Sample"))
    kinds = [kind.name.lower() for kind in Kind if kind]
    assert alert["kind"]["enum"] == kinds
    assert {"type": "string", "enum": kinds} in sample["kind"]["anyOf"]


def test_the_documentation_needs_no_other_host(client: Client) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "http://" not in page.text.replace("http://testserver", "") and "https://" not in page.text
    for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
        assert client.get(asset).status_code == 200, asset


def test_ids_do_not_make_endless_metrics(client: Client) -> None:
    for k in range(5):
        client.get(f"/v1/incidents/INC-{k}")
        client.get(f"/x{k}")
    routes = {
        line.split('route="')[1].split('"')[0] for line in client.get("/metrics").text.splitlines() if 'route="' in line
    }
    assert routes <= {"/v1/incidents/{incident_id}", "other", "/healthz", "/metrics"}


def test_the_request_id_comes_back(client: Client) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": "abc"}).headers["x-request-id"] == "abc"
    assert len(client.get("/healthz").headers["x-request-id"]) == 16


def test_without_a_key_only_health_is_told(keyed_client: Client) -> None:
    for path in ("/v1/incidents", "/metrics", "/nowhere", "/docsx"):
        reply = keyed_client.get(path)
        assert_problem(reply, 401, "Authorization")
        assert reply.headers["www-authenticate"] == "Bearer"
    assert_problem(write(keyed_client, up((NOW_MS, 1.0))), 401)
    assert keyed_client.get("/healthz").status_code == keyed_client.get("/readyz").status_code == 200
    assert keyed_client.get("/v1/incidents", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    assert keyed_client.get("/v1/incidents", headers={"X-API-Key": KEY}).status_code == 200
    assert keyed_client.get("/v1/incidents", headers={"X-API-Key": KEY + "x"}).status_code == 401


def test_the_documentation_needs_no_key_and_asks_for_one(keyed_client: Client, client: Client) -> None:
    page = keyed_client.get("/")
    assert page.status_code == 200
    for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
        assert keyed_client.get(asset).status_code == 200, asset
    assert "HTTPBearer" in keyed_client.get("/openapi.json").json()["components"]["securitySchemes"]
    assert "securitySchemes" not in client.get("/openapi.json").json()["components"]


def test_a_bug_answers_500_and_the_service_lives(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr(client.service, "incident", broken)
    reply = client.get("/v1/incidents/1")
    assert_problem(reply, 500, "request")
    assert "secret detail" not in reply.text
    assert client.get("/readyz").status_code == 200


def test_more_writes_than_may_wait_are_told_to_come_back(settings: Settings, clock: Clock) -> None:
    server = settings.server.model_copy(update={"in_flight_max": 1})
    for client in client_of(settings.model_copy(update={"server": server}), clock):
        with ThreadPoolExecutor(2) as senders:
            with client.service._lock:  # the service is busy with something long
                first = senders.submit(write, client, up((NOW_MS, 1.0)))
                while "aiops_writes_in_flight 1.0" not in client.get("/metrics").text:
                    assert not first.done()
                assert_problem(write(client, up((NOW_MS + 1, 1.0))), 503, "in_flight_max")
            assert first.result().status_code == 204
        assert write(client, up((NOW_MS + 1, 1.0))).status_code == 204


def test_writes_that_find_no_room_are_told_to_come_back(client: Client) -> None:
    client.service.is_ready = False
    reply = write(client, up((NOW_MS, 1.0)))
    assert_problem(reply, 503, "again")
    assert reply.headers["retry-after"] == "1"
    assert_problem(client.get("/readyz"), 503)
    client.service.is_ready = True


def test_a_misspelt_filter_is_refused_with_the_known_ones(client: Client) -> None:
    assert_problem(client.get("/v1/incidents?stat=open"), 400, "'stat'", "known here: state, severity")
    assert_problem(client.get("/v1/series?macth=up"), 400, "'macth'", "match")
    assert_problem(client.get("/v1/series/0/samples?begin=0"), 400, "'begin'", "start")
    assert_problem(client.post("/v1/samples?replies=summary", content=b"[]"), 400, "'replies'", "reply")
    assert client.get("/healthz?from=balancer").status_code == 200


@pytest.mark.parametrize(("decision", "part"), [("dismiss", "reason"), ("resolve", "resolution")])
def test_a_decision_without_its_words_says_which_are_needed(client: Client, decision: str, part: str) -> None:
    path = f"/v1/incidents/INC-1/{decision}"
    assert_problem(client.post(path), 400, f'"{part}"')
    assert_problem(client.post(path, json={}), 400, part)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert_problem(client.post(path, content=b'{"reason": "test"}', headers=form), 415, "send application/json")
    as_json = {"Content-Type": "application/json"}
    assert_problem(client.post(path, content=b'{"reason', headers=as_json), 400, "not JSON")
