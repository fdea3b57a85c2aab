"""What the service remembers of past tickets: over a restart, until it is told to forget."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from aiops.config import Tickets
from aiops.past import Past
from aiops.tickets.pipeline import TriagePipeline
from aiops.tickets.reading import Reading
from aiops.tickets.similar import PastItem
from aiops.tickets.ticket import Ticket
from tests.api.test_api import shared_desk

ITEMS = [
    PastItem("1", title="VPN drops", text="It disconnects every ten minutes.", tenant="acme", resolution="new MTU"),
    PastItem("2", title="Printer jam", text="Paper is stuck in tray 2."),
    PastItem("1", title="Coffee", text="The machine leaks."),
]


@pytest.fixture(scope="module")
def pipeline() -> TriagePipeline:
    return shared_desk().pipeline


@pytest.fixture
def opened(pipeline: TriagePipeline, tmp_path: Path) -> Past:
    past = Past(tmp_path / "past", Tickets(), pipeline.encoder, pipeline.bundle.classifier.memory)
    past.add(ITEMS)
    return past


def again(pipeline: TriagePipeline, tmp_path: Path, **settings: object) -> Past:
    return Past(
        tmp_path / "past", Tickets.model_validate(settings), pipeline.encoder, pipeline.bundle.classifier.memory
    )


def like(past: Past, text: str, tenant: str = "", ticket_id: str = "", created_ms: int | None = None) -> list[str]:
    ticket = Ticket("", text, ticket_id, tenant=tenant, created_ms=created_ms)
    return [hit.item_id for hit in past.like([ticket], [Reading("", text)])[0]]


def test_a_restart_remembers(opened: Past, pipeline: TriagePipeline, tmp_path: Path) -> None:
    opened.start()
    opened.stop()
    assert like(again(pipeline, tmp_path), "vpn connection lost", "acme") == ["1"]
    assert len(again(pipeline, tmp_path, past_items_max=2).index) == 2


def test_a_ticket_is_not_like_itself_nor_like_those_of_others(opened: Past) -> None:
    assert like(opened, "the vpn drops", "acme", "1") == []
    assert like(opened, "the vpn drops", "", "2") == ["1"], "which is the coffee machine"
    assert like(opened, "", "acme") == []


def test_what_is_forgotten_is_gone_from_disk_at_once(opened: Past, tmp_path: Path) -> None:
    opened.save()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "past").iterdir())
    assert b"disconnects" in kept
    opened.forget([("acme", "1")])
    kept = b"".join(path.read_bytes() for path in (tmp_path / "past").iterdir())
    assert b"disconnects" not in kept
    assert b"The machine leaks" in kept, "of another tenant under the same id"


def test_an_index_that_cannot_be_read_is_set_aside_and_told(
    opened: Past, pipeline: TriagePipeline, tmp_path: Path
) -> None:
    opened.save()
    (tmp_path / "past" / "manifest.json").write_text("{")
    with capture_logs() as logs:
        assert len(again(pipeline, tmp_path).index) == 0
    assert logs[0]["event"] == "past_unreadable"
    assert (tmp_path / "past.unreadable" / "manifest.json").exists()


def test_a_full_disk_is_told_and_tried_again(opened: Past, tmp_path: Path) -> None:
    (tmp_path / "past").write_text("a file where the folder should be")
    with capture_logs() as logs:
        opened.save()
    assert logs[0]["event"] == "past_not_saved"
    (tmp_path / "past").unlink()
    opened.save()
    assert (tmp_path / "past" / "manifest.json").exists()
