"""The walk of a ticket, and nothing else: limits -> pipeline -> answer. The models are loaded once, in the background.

Where a bundle cannot be loaded, metrics and incidents go on; triage answers 503 with the reason, and the log says it.
"""

import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import structlog

from aiops.config import Tickets
from aiops.errors import BundleError, InputError, OverloadError, SettingsError, TooLargeError
from aiops.past import Past
from aiops.tickets import bundle, language, teams
from aiops.tickets.encoder import Encoder
from aiops.tickets.pipeline import TriagePipeline
from aiops.tickets.priority import matrix
from aiops.tickets.reading import Reading, read
from aiops.tickets.record import TicketRecord
from aiops.tickets.routing import TeamHistory
from aiops.tickets.similar import Hit
from aiops.tickets.ticket import Ticket, Triage

ENCODER, CLASSIFIER = Path("encoder/1"), Path("triage/1")
log = structlog.get_logger(__name__)


def shipped_models() -> Path:
    """The folder of the models that come with aiops: beside the source, or where pip put them."""
    beside = Path(__file__).resolve().parents[2] / "models"
    return beside if beside.is_dir() else Path(sysconfig.get_path("data")) / "share" / "aiops" / "models"


def load_encoder(settings: Tickets, threads: int = 1) -> Encoder:
    """The encoder that the settings name. Raises BundleError."""
    return Encoder.load(Path(settings.encoder or shipped_models() / ENCODER), threads, settings.cache_texts_max)


def load_pipeline(
    settings: Tickets, threads: int = 1, needs: Mapping[str, Sequence[str]] | None = None
) -> TriagePipeline:
    """The pipeline that the settings name; `needs`: the topology. Raises BundleError, SettingsError."""
    encoder = load_encoder(settings, threads)
    loaded = bundle.load(Path(settings.bundle or shipped_models() / CLASSIFIER), encoder)
    described = teams.load(Path(settings.teams_file), encoder) if settings.teams_file else None
    reader = partial(
        read, ips=settings.redact_ips, chars_max=settings.text_chars_max, raw_chars_max=settings.raw_chars_max
    )
    return TriagePipeline(loaded, encoder, described, settings.precision, reader, matrix(settings.priority), needs)


class Desk:
    """Triages tickets; thread-safe. `start` loads the models, and the past items kept in `folder` (None: nowhere).
    `needs`: the topology; `now_s`: the wall clock."""

    def __init__(
        self,
        settings: Tickets,
        needs: Mapping[str, Sequence[str]] | None = None,
        now_s: Callable[[], float] = time.time,
        folder: Path | None = None,
    ) -> None:
        self._settings, self._needs, self._now_s, self._folder = settings, needs, now_s, folder
        self.team_history: Callable[[], TeamHistory] = TeamHistory  # empty, until there is a store
        self._past: Past | None = None
        self._pipeline: TriagePipeline | None = None
        self._why_not = "the models are being loaded"
        self.is_loading = True

    @property
    def pipeline(self) -> TriagePipeline:
        """Raises OverloadError until the models are loaded, or where they cannot be."""
        if self._pipeline is None:
            raise OverloadError(f"no triage now: {self._why_not}")
        return self._pipeline

    def labels(self, output: str) -> frozenset[str]:
        """What the models can say for an output, or `team`; empty where they are not loaded or say nothing of it."""
        return self._pipeline.labels(output) if self._pipeline else frozenset()

    def start(self) -> None:
        """Loads the models once; what is wrong with them is logged and told to whoever asks for triage."""
        if self._pipeline is not None:
            return
        try:
            with ThreadPoolExecutor(1, "language") as beside:  # unpacked without Python's lock
                beside.submit(language.prepare)
                pipeline = load_pipeline(self._settings, needs=self._needs)
            pipeline.triage([Ticket("warm up", "compiles what is compiled")])
            self._past = Past(self._folder, self._settings, pipeline.encoder, pipeline.bundle.classifier.memory)
            self._past.start()
            self._pipeline = pipeline
        except (BundleError, SettingsError) as error:
            self._why_not = str(error)
            log.error("triage_off", reason=str(error), action="set tickets.bundle and tickets.encoder to sound folders")
            return
        finally:
            self.is_loading = False
        log.info(
            "triage_ready", model=pipeline.model_version, outputs=list(pipeline.outputs), past=len(self._past.index)
        )

    def stop(self) -> None:
        """Saves the past items."""
        if self._past is not None:
            self._past.stop()

    def triage(self, tickets: Sequence[Ticket], readings: Sequence[Reading] | None = None) -> list[Triage]:
        """Answers in order; `readings`: as they were read already. Raises TooLargeError, InputError, OverloadError."""
        self.check_count(tickets)
        now_ms = int(1000 * self._now_s())
        return self.pipeline.triage(tickets, readings=readings, history=self.team_history(), now_ms=now_ms)

    def read(self, tickets: Sequence[Ticket]) -> list[Reading]:
        """The tickets as triage sees them. Raises as `triage`."""
        self.check_count(tickets)
        return self.pipeline.read(tickets)

    def similar(self, tickets: Sequence[Ticket], readings: Sequence[Reading]) -> list[list[Hit]]:
        """Per ticket the past items most like it, best first; none where there is no past to be read."""
        return self._past.like(tickets, readings) if self._past is not None else [[] for _ in tickets]

    @property
    def past(self) -> Past:
        """Raises OverloadError until it is loaded, or where the models cannot be."""
        if self._past is None:
            raise OverloadError(f"no past tickets now: {self._why_not}")
        return self._past

    def check(self) -> None:
        """Raises OverloadError where nothing can be learned or forgotten now."""
        _ = self.past

    def learn(self, record: TicketRecord) -> None:
        """Remembers a ticket that is kept, as it stands now. Raises OverloadError."""
        self.past.learn(record)

    def forget(self, keys: Sequence[tuple[str, str]]) -> None:
        """Forgets tickets, by (tenant, id), for good. Raises OverloadError."""
        self.past.forget(keys)

    def check_count(self, tickets: Sequence[Ticket]) -> None:
        """Raises OverloadError without models, TooLargeError for too many, InputError for none."""
        _ = self.pipeline
        if len(tickets) > self._settings.batch_max:
            raise TooLargeError(
                f"{len(tickets)} tickets, more than tickets.batch_max = {self._settings.batch_max}: send them in parts"
            )
        if not tickets:
            raise InputError("no ticket: send a ticket, or tickets as a list of at least one")
