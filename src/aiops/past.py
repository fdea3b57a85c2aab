"""What the service remembers of past tickets and incidents, to show with a new one: an index in memory, kept on disk.

Saved whole every `tickets.past_save_s` where it changed, and at the end; what was learned since the last save is lost
in a power cut. What is forgotten is gone from disk before `forget` returns. An index that cannot be read is set aside
and told; the service goes on with an empty one.
"""

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from aiops.config import Tickets
from aiops.errors import SnapshotError
from aiops.tickets.encoder import Encoder
from aiops.tickets.reading import Reading
from aiops.tickets.record import TicketRecord
from aiops.tickets.similar import Hit, PastItem, Projection, SimilarIndex
from aiops.tickets.ticket import Ticket

FOLDER = "past"  # in server.data_dir
AT_ONCE = 256  # items encoded and added together
log = structlog.get_logger(__name__)


class Past:
    """Thread-safe. `reference`: vectors of any tickets, (n, width), for an index that is new."""

    def __init__(
        self, folder: Path | None, settings: Tickets, encoder: Encoder, reference: NDArray[np.float32]
    ) -> None:
        self._folder, self._settings, self._encoder = folder, settings, encoder
        self._saving, self._stopping = threading.Lock(), threading.Event()
        self._has_changed = False
        self._thread: threading.Thread | None = None
        self.index = self._found() or SimilarIndex(Projection.fit(reference), encoder.digest, settings.past_items_max)

    def _found(self) -> SimilarIndex | None:
        if self._folder is None or not (self._folder / "manifest.json").exists():
            return None
        try:
            return SimilarIndex.load(self._folder, self._encoder.digest, self._settings.past_items_max)
        except SnapshotError as error:
            aside = self._folder.with_name(f"{self._folder.name}.unreadable")
            k = 1
            while aside.exists():
                aside, k = self._folder.with_name(f"{self._folder.name}.unreadable.{k}"), k + 1
            self._folder.replace(aside)
            log.error("past_unreadable", reason=str(error), action=f"kept in {aside}; index the past again")
            return None

    def start(self) -> None:
        """Compiles what is compiled, and begins to save."""
        tried, ones = SimilarIndex(self.index.projection, self._encoder.digest), np.ones((1, self._encoder.width))
        tried.add([PastItem("warm up", text="compiles what is compiled")], ones.astype(np.float32))
        tried.refit()
        tried.search("compiles", ones[0].astype(np.float32), 1)
        if self._folder is not None:
            self._thread = threading.Thread(target=self._save_often, name="past", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Saves a last time."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self.save()

    def _save_often(self) -> None:
        while not self._stopping.wait(self._settings.past_save_s):
            self.save()

    def save(self) -> None:
        """Saves now, where something changed; what fails is told, and tried again later."""
        with self._saving:
            if self._folder is None or not self._has_changed:
                return
            self._has_changed = False
            try:
                self.index.save(self._folder)
            except OSError as error:
                self._has_changed = True
                log.error("past_not_saved", reason=str(error), action="will try again; free space in server.data_dir")

    def add(self, items: Sequence[PastItem]) -> None:
        """Items whose tenant and id are there already replace those."""
        for start in range(0, len(items), AT_ONCE):
            some = items[start : start + AT_ONCE]
            self.index.add(some, self._encoder.encode([item.joined for item in some]).sentence)
            self._has_changed = True

    def learn(self, record: TicketRecord) -> None:
        """A ticket that is kept, as it stands now."""
        self.add([past_item(record)])

    def forget(self, keys: Sequence[tuple[str, str]]) -> None:
        """(tenant, id) of tickets that are to leave no trace."""
        for tenant in dict.fromkeys(tenant for tenant, _ in keys):
            self.index.remove([ticket_id for of, ticket_id in keys if of == tenant], tenant)
        self._has_changed |= bool(keys)
        self.save()

    def like(self, tickets: Sequence[Ticket], readings: Sequence[Reading]) -> list[list[Hit]]:
        """Per ticket the past items of its tenant most like it, best first."""
        if not len(self.index):
            return [[] for _ in tickets]
        texts = [reading.joined for reading in readings]
        vectors = self._encoder.encode(texts).sentence
        return [
            self._like(ticket, text, vector) if text.strip() and not reading.is_binary else []
            for ticket, reading, text, vector in zip(tickets, readings, texts, vectors, strict=True)
        ]

    def _like(self, ticket: Ticket, text: str, vector: NDArray[np.float32]) -> list[Hit]:
        found = self.index.search(
            text, vector, self._settings.similar_max, ticket.tenant, ticket.created_ms, ticket.ticket_id or None
        )
        return [hit for hit in found if hit.score >= self._settings.similar_score_min]


def past_item(record: TicketRecord) -> PastItem:
    """A kept ticket as the index has it."""
    return PastItem(
        record.ticket_id, "ticket", record.title, record.body, record.tenant, record.created_ms, record.resolution
    )
