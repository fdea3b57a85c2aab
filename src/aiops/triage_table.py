"""A file of tickets in, the same file with their triage out: the service's pipeline, without the service.

CSV or Parquet with a column `body`, `text` or `description`, perhaps `title` or `subject`; every row comes out where
it went in, with columns added: per output its label, probability and whether it was abstained from, then priority and
teams.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.csv
import pyarrow.parquet

from aiops.errors import TableError
from aiops.tickets.pipeline import TriagePipeline
from aiops.tickets.ticket import Ticket, Triage

BATCH = 256
TITLES, BODIES = ("title", "subject", "summary"), ("body", "text", "description", "message")
PARQUET = (".parquet", ".pq")


def triage_file(
    path: Path,
    to: Path,
    pipeline: TriagePipeline,
    columns: Sequence[str] = (),
    progressed: Callable[[int, int], None] = lambda done, rows: None,
) -> int:
    """Writes `to`; returns the number of rows. `columns` names the text columns (one, or title then body) where they
    are not called as usual. Raises TableError."""
    table = _read(path)
    names = _text_columns(table.column_names, path, columns)
    texts = [["" if value is None else str(value) for value in table[name].to_pylist()] for name in names]
    titles, bodies = texts if len(texts) == 2 else ([""] * len(table), texts[0])
    tickets = [Ticket(title, body) for title, body in zip(titles, bodies, strict=True)]
    found: list[Triage] = []
    for start in range(0, len(tickets), BATCH):
        found += pipeline.triage(tickets[start : start + BATCH], with_reasons=False)
        progressed(len(found), len(tickets))
    for name, values in _columns(found):
        if name in table.column_names:
            name = f"triage_{name}"
        table = table.append_column(name, pyarrow.array(values))
    if to.suffix in PARQUET:
        pyarrow.parquet.write_table(table, to)
    else:
        pyarrow.csv.write_csv(table, to)
    return len(table)


def _read(path: Path) -> Any:
    try:
        if path.suffix in PARQUET:
            return pyarrow.parquet.read_table(path)
        options = pyarrow.csv.ParseOptions(newlines_in_values=True)
        return pyarrow.csv.read_csv(path, parse_options=options)
    except OSError as error:
        raise TableError(f"{path}: {error}") from None
    except pyarrow.ArrowInvalid as error:
        raise TableError(f"{path}: cannot be read: {error}") from None


def _text_columns(there: Sequence[str], path: Path, wanted: Sequence[str]) -> list[str]:
    missing = [name for name in wanted if name not in there]
    if missing:
        raise TableError(f"{path}: no column {missing[0]!r}; there are {', '.join(there)}")
    if wanted:
        return list(wanted[:2])
    lower = {name.lower(): name for name in reversed(there)}
    found = [next((lower[name] for name in names if name in lower), None) for names in (TITLES, BODIES)]
    named = [name for name in found if name]
    if not named:
        usual = ", ".join((*TITLES, *BODIES))
        raise TableError(f"{path}: no column of text ({usual}); there are {', '.join(there)}: name it with --text")
    return named


def _columns(found: Sequence[Triage]) -> Iterator[tuple[str, list[Any]]]:
    for name in found[0].answers if found else ():
        if name == "scope":
            continue
        answers = [one.answers[name] for one in found]
        yield name, [answer.label for answer in answers]
        yield f"{name}_probability", [round(answer.probability, 4) for answer in answers]
        yield f"{name}_abstained", [answer.abstained for answer in answers]
    yield "is_ticket", [one.is_ticket for one in found]
    if found and "urgency" in found[0].answers:
        yield "priority", [one.priority.label for one in found]
    if found and found[0].routing:
        yield "team", [one.routing[0].name for one in found]
        yield "team_probability", [round(one.routing[0].probability, 4) for one in found]
        yield "team_abstained", [one.routing_abstained for one in found]
        yield "teams", [" ".join(team.name for team in one.routing[:3]) for one in found]
