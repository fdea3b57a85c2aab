"""What the store knows of teams, for routing: open tickets, who resolved what, and what was passed on.

Asked at most every `every_s`; of the newest tickets only, since teams change. Where the database cannot be used, the
last answer stands.
"""

import threading
from collections.abc import Callable

import structlog
from sqlalchemy import Connection, Engine, case, func, select
from sqlalchemy.exc import SQLAlchemyError

from aiops.store import schema
from aiops.tickets.record import TicketState
from aiops.tickets.routing import TeamHistory

TICKETS_MAX = 5000  # that were assigned or resolved, the newest
log = structlog.get_logger(__name__)


class StoredTeamHistory:
    """Thread-safe. `now_s`: the clock."""

    def __init__(self, engine: Engine, every_s: float, now_s: Callable[[], float]) -> None:
        self._engine, self._every_s, self._now_s = engine, every_s, now_s
        self._lock = threading.Lock()
        self._history, self._asked_s = TeamHistory(), float("-inf")

    def __call__(self) -> TeamHistory:
        """As of at most `every_s` ago."""
        with self._lock:
            now_s = self._now_s()
            if not 0 <= now_s - self._asked_s < self._every_s:
                self._asked_s = now_s
                try:
                    with self._engine.connect() as connection:
                        self._history = _history(connection)
                except SQLAlchemyError as error:
                    log.warning("team_history_unknown", reason=type(error).__name__)
            return self._history


def _history(connection: Connection) -> TeamHistory:
    c = schema.ticket.c
    is_open = c.state == TicketState.OPEN
    opened = connection.execute(select(c.team, func.count()).where(is_open, c.team != "").group_by(c.team))
    open_count = {row[0]: row[1] for row in opened}
    decided = (
        select(c.category, c.team, c.triage[("routing", 0, "name")].as_string().label("first"), c.state, c.assigned_ms)
        .where(c.team != "", (c.assigned_ms.is_not(None)) | (c.state != TicketState.OPEN))
        .order_by(c.created_ms.desc())
        .limit(TICKETS_MAX)
        .subquery()
    )
    d = decided.c
    resolved = select(d.category, d.team, func.count()).where(d.state != TicketState.OPEN, d.category != "")
    by_category = {(row[0], row[1]): row[2] for row in connection.execute(resolved.group_by(d.category, d.team))}
    went_on = func.sum(case((d.team != d.first, 1), else_=0))
    passed = select(d.first, func.count(), went_on).where(d.assigned_ms.is_not(None), d.first.is_not(None))
    rows = connection.execute(passed.group_by(d.first)).all()
    routed, moved = {row[0]: row[1] for row in rows}, {row[0]: int(row[2]) for row in rows}
    return TeamHistory(open_count, by_category, routed, moved)
