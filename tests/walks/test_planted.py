"""Two hundred tickets full of personal data through a real server: nothing of it is on disk or in the log later."""

from pathlib import Path

import httpx2
import pytest

from aiops.tickets.redaction import redact
from aiops.tickets.text import clean
from tests.processes import running_aiops
from tests.tickets.planted import planted

PER_KIND = 17  # of twelve kinds
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def found_in(folder: Path, values: list[str]) -> list[str]:
    content = b"\0".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    spellings = {value: (value.encode(), value.encode("unicode_escape")) for value in values}
    return [value for value, spelled in spellings.items() if any(one in content for one in spelled)]


@pytest.mark.parametrize("key", ["", KEY], ids=["without a key", "sealed"])
def test_nothing_planted_is_found_on_disk_or_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    items = planted(PER_KIND, 7)
    known = [one for one in items if one.text[one.start : one.end] not in redact(clean(one.text).text, ips=True).text]
    assert len(known) >= 200, "what redaction does not know at all is counted elsewhere"
    values = [one.text[one.start : one.end] for one in known]
    monkeypatch.setenv("AIOPS_TICKETS_REDACT_IPS", "true")
    monkeypatch.setenv("AIOPS_LOG_LEVEL", "debug")
    if key:
        monkeypatch.setenv("AIOPS_TICKETS_REDACTION_KEY", key)
    tickets = [
        {"id": f"T-{k}", "title": one.text[:200] if k % 3 == 0 else "", "body": one.text, "requester": f"requester-{k}"}
        | ({"attributes": {"note": one.text, "deep": {"list": [one.text]}}} if k % 2 else {})
        for k, one in enumerate(known)
    ]
    with running_aiops(tmp_path) as (url, process), httpx2.Client(base_url=url, timeout=60) as client:
        for start in range(0, len(tickets), 50):
            reply = client.post("/v1/tickets", json={"tickets": tickets[start : start + 50]})
            assert reply.status_code == 201, reply.text
        refused = client.post("/v1/tickets", json={"tickets": [{"titel": values[0]}, {"body": values[1]}]})
        assert refused.status_code == 400
        assert len(client.get("/v1/tickets", params={"limit": 500}).json()["items"]) == len(tickets)
        assert found_in(tmp_path, values) == []
        process.terminate()
        process.wait(30)
    assert found_in(tmp_path, ["Please fix soon"]), "what is not personal is there"
    assert found_in(tmp_path, values) == []
    assert found_in(tmp_path, [f"requester-{k}" for k in range(len(tickets))]) == []
