"""Tickets and incidents brought together, whichever comes first.

A ticket is linked when it arrives. People often write before the detectors have enough, so incidents that are new, or
have spread to further services, are looked at again with the tickets around them, whenever somebody asks.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from aiops.config import Topology
from aiops.store.ticket_links import IncidentOf, TicketLinks, TicketOf
from aiops.tickets.linking import AFTER_MS, BEFORE_MS, Linker, LiveIncident, Said
from aiops.tickets.record import TicketRecord

SHOWN_MAX = 100
TROUBLE = ("incident", "problem")


class TicketLinking:
    """Thread-safe."""

    def __init__(self, topology: Topology, links: TicketLinks) -> None:
        self._linker, self._links = Linker(topology.depends_on), links
        self._lock = threading.Lock()
        self._looked_at: dict[int, tuple[tuple[str, ...], bool]] = {}  # living incident -> its entities, is it over

    def link(self, records: Sequence[TicketRecord]) -> None:
        """Links tickets that were just stored."""
        if not records:
            return
        times = [record.created_ms for record in records]
        incidents = self._links.around(min(times), max(times))
        found = []
        for record in records:
            trouble = _trouble({name: (a.label, a.probability) for name, a in record.triage.answers.items()})
            said = Said.of(record.title, record.body, record.attributes, record.created_ms, trouble)
            found += [(record.number, link) for link in self._linker.links(said, incidents)]
        self._links.add(found)

    def look_again(self) -> None:
        """Links earlier tickets to incidents that are new or have grown since."""
        with self._lock:
            living = self._links.living()
            changed = [one for one in living if self._looked_at.get(one.incident_id) != _seen(one)]
            for incident in changed:
                last_ms = None if incident.ended_ms is None else incident.ended_ms + AFTER_MS
                found = []
                for ticket in self._links.tickets(incident.started_ms - BEFORE_MS, last_ms):
                    answers = ticket.triage.get("answers", {})
                    trouble = _trouble({name: (one["label"], one["probability"]) for name, one in answers.items()})
                    said = Said.of(ticket.title, ticket.body, ticket.attributes, ticket.created_ms, trouble)
                    found += [
                        (ticket.number, link)
                        for link in self._linker.links(said, living)
                        if link.incident_id == incident.incident_id
                    ]
                self._links.add(found)
            self._looked_at = {one.incident_id: _seen(one) for one in living}

    def incidents(self, records: Sequence[TicketRecord]) -> Mapping[int, tuple[IncidentOf, ...]]:
        """By ticket number."""
        return self._links.of_tickets([record.number for record in records])

    def tickets(self, incident_id: int) -> tuple[int, list[TicketOf]]:
        """How many tickets belong to an incident, and the newest of them."""
        return self._links.of_incident(incident_id, SHOWN_MAX)


def _seen(incident: LiveIncident) -> tuple[tuple[str, ...], bool]:
    return incident.entities, incident.ended_ms is not None


def _trouble(answers: Mapping[str, tuple[str, Any]]) -> float:
    """How probably something is broken; 1 where the model does not tell types."""
    if "type" not in answers:
        return 1.0
    label, probability = answers["type"]
    return float(probability) if label in TROUBLE else 1.0 - float(probability)
