"""A ticket is read one way, by training and by triage."""

from aiops.learning.fit import Table
from aiops.tickets.pipeline import TriagePipeline
from aiops.tickets.reading import read
from aiops.tickets.ticket import Ticket

MAIL = (
    "Hello,\nmy card 4111 1111 1111 1111 was charged twice, write to jane.roe@example.com.\n\n"
    "Kind regards\nJane Roe\n\nOn Mon, 3 Nov 2025 at 10:00, Support <s@example.com> wrote:\n> the printer is on fire"
)


def test_only_the_newest_message_is_read_and_without_personal_data() -> None:
    reading = read("Refund for jane.roe@example.com", MAIL)
    assert "4111" not in reading.joined and "jane.roe" not in reading.joined
    assert "printer" not in reading.body
    assert dict(reading.redactions) == {"card": 1, "email": 2}
    assert reading.title == "Refund for [email 1]" and "[email 1]" in reading.body, "one value, one number"


def test_training_reads_as_triage_does() -> None:
    table = Table(["Refund for jane.roe@example.com"], [MAIL], {})
    titles, texts = table.read()
    reading = read(table.titles[0], table.bodies[0])
    assert (titles, texts) == ([reading.title], [reading.joined])


def test_reasons_never_show_what_was_redacted(pipeline: TriagePipeline) -> None:
    triage = pipeline.triage([Ticket("password", "my password: Tr0ub4dor&3 does not work, call +1 212 555 0142")])[0]
    said = " ".join(reason.text for answer in triage.answers.values() for reason in answer.reasons).lower()
    assert "tr0ub4dor" not in said and "0142" not in said
    assert {kind for kind, _ in triage.redactions} >= {"password", "phone"}


def test_a_language_never_taught_is_abstained_from(pipeline: TriagePipeline) -> None:
    german = "Seit heute Morgen kann ich mich nicht mehr anmelden, das Kennwort wird immer wieder abgelehnt."
    triage = pipeline.triage([Ticket("Anmeldung nicht möglich", german)])[0]
    assert triage.language == "de"
    assert all(answer.abstained for answer in triage.answers.values()) and triage.routing_abstained
    english = pipeline.triage([Ticket("Cannot log in", "Since this morning my password is refused again and again.")])[
        0
    ]
    assert english.language == "en" and not english.answers["category"].abstained


def test_a_pasted_file_is_no_ticket(pipeline: TriagePipeline) -> None:
    assert not pipeline.triage([Ticket("", "PK\x03\x04\x00\x00\x08\x00\x01\x02\x03\x04\x05" * 50)])[0].is_ticket
