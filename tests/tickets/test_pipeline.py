"""What the shipped model says of tickets, and that it says why."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aiops.config import Tickets
from aiops.desk import load_pipeline
from aiops.errors import SettingsError
from aiops.tickets import teams
from aiops.tickets.encoder import Encoder
from aiops.tickets.pipeline import TriagePipeline
from aiops.tickets.routing import TeamHistory
from aiops.tickets.ticket import Ticket, Triage
from tests.tickets.independent_figures import INDEPENDENT, figures

SHARE = Ticket(
    "Cannot reach the finance share", "Since this morning I get access denied on the finance share, month end is today."
)


def one(pipeline: TriagePipeline, title: str, body: str = "", **attributes: object) -> Triage:
    return pipeline.triage([Ticket(title, body, attributes=attributes)])[0]


def test_tickets_by_another_hand_are_understood(pipeline: TriagePipeline) -> None:
    told = figures(pipeline)
    assert told["category_accuracy"] >= 0.85
    assert told["urgency_macro_f1"] >= 0.70
    assert told["sentiment_accuracy"] >= 0.80
    assert told["team_in_first_3"] >= 0.90
    assert told["noise_told_apart"] >= 0.90
    assert told["tickets_taken_for_noise"] <= 0.02


def test_every_answer_to_what_is_no_ticket_is_abstained_from(pipeline: TriagePipeline) -> None:
    rows = [json.loads(line) for line in INDEPENDENT.read_text().splitlines()]
    noise = [Ticket(row["title"], row["body"]) for row in rows if row["category"] == "noise"]
    refused = [said for said in pipeline.triage(noise, with_reasons=False) if not said.is_ticket]
    assert refused
    assert all(answer.abstained for said in refused for answer in said.answers.values())


def test_reasons_add_up_to_the_margin(pipeline: TriagePipeline, encoder: Encoder) -> None:
    text = f"{SHARE.title}\n{SHARE.body}"
    classifier, vectors = pipeline.bundle.classifier, encoder.encode([text])
    features = pipeline.bundle.idf.features([SHARE.title], [text], vectors)
    predictions = classifier.predict(features, classifier.neighbours(vectors.sentence))
    triage = pipeline.triage([SHARE])[0]
    for name in ("category", "type", "sentiment"):
        answer = triage.answers[name]
        margin = predictions[name].margins[0, predictions[name].classes.index(answer.label)]
        weights = [reason.weight for reason in answer.reasons if reason.what != "rule"]
        assert sum(weights) == pytest.approx(margin, abs=1e-3)
    words = {reason.text for reason in triage.answers["category"].reasons}
    assert words & {"share", "access", "denied", "reach"}


def test_probabilities_of_an_answer_are_a_distribution(pipeline: TriagePipeline) -> None:
    answer = pipeline.triage([SHARE])[0].answers["urgency"]
    assert answer.probability + sum(choice.probability for choice in answer.alternatives) == pytest.approx(1, abs=1e-6)


def test_a_ticket_is_answered_the_same_alone_and_in_a_batch(pipeline: TriagePipeline) -> None:
    others = [Ticket(f"printer {k}", "paper jam in tray 2 again, " * (k + 1)) for k in range(20)]
    alone, among = pipeline.triage([SHARE])[0], pipeline.triage([*others, SHARE])[-1]
    assert [answer.label for answer in alone.answers.values()] == [answer.label for answer in among.answers.values()]
    assert alone.answers["category"].probability == pytest.approx(among.answers["category"].probability, abs=0.05)


def test_the_more_precision_is_asked_the_more_is_abstained() -> None:
    rows = [json.loads(line) for line in INDEPENDENT.read_text().splitlines()][:150]
    tickets = [Ticket(row["title"], row["body"]) for row in rows if row["category"] != "noise"]
    shares = []
    for precision in (0.0, 0.95, 0.99):
        found = load_pipeline(Tickets(precision=precision)).triage(tickets, with_reasons=False)
        shares.append(np.mean([said.answers["category"].abstained for said in found]))
    assert shares[0] == 0 < shares[1] < shares[2] < 1


def test_rules_lift_and_say_so(pipeline: TriagePipeline) -> None:
    plain = one(pipeline, "question about the portal", "where do I find the holiday calendar?")
    lifted = one(
        pipeline, "question about the portal", "where do I find the holiday calendar?", affected_users=250, vip=True
    )
    assert (plain.answers["impact"].label, lifted.answers["impact"].label) == ("low", "high")
    assert lifted.answers["impact"].reasons[0].what == "rule"
    assert "250 users" in lifted.answers["impact"].reasons[0].text
    assert lifted.priority.label < plain.priority.label, "P2 before P5"
    assert any("250 users" in reason.text for reason in lifted.priority.reasons)


def test_an_outage_for_all_is_urgent_however_calmly_told(pipeline: TriagePipeline) -> None:
    said = one(pipeline, "checkout", "The webshop is down, nobody can pay.")
    assert said.answers["urgency"].label == "high"
    assert said.priority.label in ("P1", "P2")


def test_no_text_is_no_ticket(pipeline: TriagePipeline) -> None:
    for body in ("", "   \n\t"):
        said = one(pipeline, "", body)
        assert not said.is_ticket
        assert said.answers["category"].abstained


@pytest.mark.parametrize(
    "body",
    ["a" * 100_000, "<" * 5000, "\u200b" * 2000, "\x00\x01", "۱۲۳ مرحبا", "\ud83d", "!?" * 4000, "word " * 50_000],
)
def test_odd_text_is_answered(pipeline: TriagePipeline, body: str) -> None:
    said = one(pipeline, "odd", body)
    assert 0 <= said.answers["category"].probability <= 1


def test_described_teams_route_without_any_example(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "teams.toml"
    path.write_text(
        '[crane_electrics]\nowns = "motors, drives and wiring of the harbour cranes"\n'
        '[berth_planning]\nowns = "which ship lies where and when, schedules of the quay"\n'
        '[gate_house]\nowns = "trucks, gates and drivers registration"\nexamples = ["truck cannot enter at gate 3"]\n'
    )
    pipeline = load_pipeline(Tickets(teams_file=str(path)))
    said = one(pipeline, "Drive of crane 4 trips", "The hoist motor stops with an overcurrent fault after ten minutes.")
    assert said.routing[0].name == "crane_electrics"
    assert said.routing[0].reasons[0].what == "description"
    assert sum(team.probability for team in said.routing) == pytest.approx(1, abs=1e-6)
    assert (
        one(pipeline, "", "lorry driver waits at the gate, his plate is not registered").routing[0].name == "gate_house"
    )


def test_a_bad_teams_file_is_told(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "teams.toml"
    for text, told in (
        ("", "0 teams"),
        ("[a", "not TOML"),
        ("[a]\nown = 'x'", r"\[a\]"),
        ("[a]\nowns = ''", "owns"),
        ("[a]\nowns = 'abc'\nhours = '9 to 5'", r"\[a\] hours"),
    ):
        path.write_text(text)
        with pytest.raises(SettingsError, match=told):
            teams.load(path, encoder)
    with pytest.raises(SettingsError, match="No such file"):
        teams.load(tmp_path / "none.toml", encoder)


SHOP = """
[shop]
owns = "the web shop: pages, basket, paying"
services = ["checkout", "catalog"]
hours = "24x7"
[database]
owns = "databases and their backups"
services = ["orders-db"]
[office]
owns = "printers, phones and desks in the office"
"""


def test_described_teams_answer_though_the_bundle_knows_no_teams(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "teams.toml"
    path.write_text(SHOP)
    shipped = load_pipeline(Tickets(teams_file=str(path)))
    classifier = shipped.bundle.classifier
    others = {name: output for name, output in classifier.outputs.items() if name != "team"}
    bare = replace(shipped.bundle, classifier=replace(classifier, outputs=others))
    for precision, is_unsure in ((0.0, False), (0.99, True)):
        pipeline = TriagePipeline(bare, encoder, teams.load(path, encoder), precision)
        said = one(pipeline, "printer jam", "The printer on the second floor of the office is jammed again.")
        assert (said.routing[0].name, said.routing_abstained) == ("office", is_unsure)


def test_the_owner_of_what_a_named_service_needs_is_preferred(encoder: Encoder, tmp_path: Path) -> None:
    path = tmp_path / "teams.toml"
    path.write_text(SHOP)
    owned = teams.load(path, encoder)
    bundle = load_pipeline(Tickets()).bundle
    ticket = Ticket("Something is slow", "It takes a minute to answer.", attributes={"service": "ledger-api"})
    without = TriagePipeline(bundle, encoder, owned).triage([ticket])[0]
    pipeline = TriagePipeline(bundle, encoder, owned, needs={"ledger-api": ("orders-db",)})
    said = pipeline.triage([ticket])[0]
    before = {team.name: team.probability for team in without.routing}
    after = {team.name: team.probability for team in said.routing}
    assert after["database"] > 2 * before["database"]
    told = [reason.text for team in said.routing if team.name == "database" for reason in team.reasons]
    assert "ledger-api, which the ticket names, needs orders-db, which it owns" in told


def test_the_load_of_teams_and_the_risk_of_passing_on_are_told(pipeline: TriagePipeline) -> None:
    history = TeamHistory(open_count={"identity": 40}, routed={"identity": 40}, moved={"identity": 30})
    plain, busy = pipeline.triage([SHARE])[0], pipeline.triage([SHARE], history=history)[0]
    assert plain.reassignment is not None and busy.reassignment is not None
    assert plain.reassignment[0] < 0.5 < busy.reassignment[0]
    first = next(team for team in busy.routing if team.name == "identity")
    assert any(reason.what == "load" and reason.text.startswith("40 open tickets") for reason in first.reasons)
    assert first.probability < plain.routing[0].probability
