"""Which incidents a ticket is linked to, and that the reason says why."""

import pytest

from aiops.tickets.linking import HOUR_MS, MINUTE_MS, Linker, LiveIncident, Said

TOPOLOGY = {"web": ("checkout", "search"), "checkout": ("payments", "orders-db"), "payments": ("ledger",)}
BEGAN = 100 * HOUR_MS
LINKER = Linker(TOPOLOGY)


def incident(number: int, *names: str, ended_ms: int | None = None) -> LiveIncident:
    return LiveIncident(number, "title", tuple(f"service={name}" for name in names), BEGAN, ended_ms)


def said(text: str, after_minutes: float = 10, trouble: float = 1.0, **attributes: object) -> Said:
    return Said.of("", text, attributes, BEGAN + int(after_minutes * MINUTE_MS), trouble)


def linked(text: Said, *incidents: LiveIncident) -> list[int]:
    return [link.incident_id for link in LINKER.links(text, incidents)]


def test_a_named_service_links_and_the_reason_says_so() -> None:
    (link,) = LINKER.links(said("Orders DB times out again"), [incident(7, "orders-db"), incident(8, "search")])
    assert link.incident_id == 7 and link.score == pytest.approx(1, abs=0.01)
    assert link.reason == "names orders-db of the incident; written 10 minutes after it began"


@pytest.mark.parametrize("text", ["ORDERS_DB is slow", "orders-db?", "the order db", "see orders.db."])
def test_spelling_does_not_matter(text: str) -> None:
    assert linked(said(text), incident(7, "orders-db")) == [7]


@pytest.mark.parametrize("text", ["borders-db", "orders are slow", "everything is slow", ""])
def test_what_is_not_named_is_not_linked_however_near(text: str) -> None:
    assert linked(said(text), incident(7, "orders-db")) == []


def test_what_needs_the_failing_part_is_linked_less_surely() -> None:
    links = LINKER.links(said("checkout fails"), [incident(7, "orders-db"), incident(8, "ledger")])
    assert [link.incident_id for link in links] == [7]
    assert links[0].reason.startswith("names checkout, which needs orders-db of the incident")
    assert linked(said("checkout fails"), incident(8, "search")) == [], "what it does not need"
    direct = LINKER.links(said("checkout fails"), [incident(9, "checkout")])[0]
    assert direct.score > links[0].score
    assert linked(said("checkout fails"), incident(7, "orders-db"), incident(9, "checkout")) == [9]


def test_an_ordinary_word_counts_less_unless_it_is_called_a_service() -> None:
    question = {"trouble": 0.05}
    assert linked(said("how do I search in my mail?", **question), incident(7, "search")) == []
    assert linked(said("search is broken", trouble=0.9), incident(7, "search")) == [7]
    assert linked(said("what is the search service?", **question), incident(7, "search")) == [7]


def test_an_attribute_that_is_the_name_counts_fully() -> None:
    assert linked(said("it hangs", service="search"), incident(7, "search")) == [7]
    assert linked(said("it hangs", ci={"names": ["Search"]}), incident(7, "search")) == [7]
    assert linked(said("it hangs", service="search engine optimisation"), incident(7, "search")) == []


@pytest.mark.parametrize(
    ("minutes", "ended_minutes", "is_linked"),
    [(-20, None, True), (-40, None, False), (60, 70, True), (90, 70, True), (130, 70, False), (300, 70, False)],
)
def test_the_ticket_must_be_near_in_time(minutes: float, ended_minutes: float | None, is_linked: bool) -> None:
    ended_ms = None if ended_minutes is None else BEGAN + int(ended_minutes * MINUTE_MS)
    assert linked(said("orders-db", minutes), incident(7, "orders-db", ended_ms=ended_ms)) == [7] * is_linked


def test_the_reason_says_when() -> None:
    over = incident(7, "orders-db", ended_ms=BEGAN + HOUR_MS)
    reasons = [LINKER.links(said("orders-db", minutes), [over])[0].reason for minutes in (-1, 0, 61)]
    assert [reason.partition("; ")[2] for reason in reasons] == [
        "written 1 minute before it was seen", "written 0 minutes after it began", "written 1 minute after it ended"
    ]  # fmt: skip


def test_a_loop_in_the_topology_ends() -> None:
    assert Linker({"a1": ("b1",), "b1": ("a1",)}).links(said("a1 is down"), [incident(7, "c1")]) == []
