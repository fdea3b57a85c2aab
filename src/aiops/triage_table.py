"""A file of tickets in, the same file with their triage out: the service's pipeline, without the service.

CSV or Parquet with a column `body`, `text` or `description`, perhaps `title` or `subject`; every row comes out where
it went in, with columns added. Per output: `<output>` its label, `<output>_probability`, `<output>_abstained`, and
`<output>_top`, a JSON list of `[label, probability]`, likeliest first; then `is_ticket` and priority. A column of the
file that has such a name already comes out as `<name>_given`.
"""

import json
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow

from aiops.errors import TableError
from aiops.tickets.pipeline import TriagePipeline
from aiops.tickets.table import BODIES, TITLES, read_table, write_table
from aiops.tickets.ticket import Ticket, Triage

BATCH = 256


def triage_file(
    path: Path,
    to: Path,
    pipeline: TriagePipeline,
    columns: Sequence[str] = (),
    progressed: Callable[[int, int], None] = lambda done, rows: None,
    told: Callable[[str], None] = lambda note: None,
) -> int:
    """Writes `to`; returns the number of rows. `columns` names the text columns (one, or title then body); else they
    are those that the model was trained on, or called as usual. `told` hears what is to be known of how the file was
    read. Raises TableError."""
    read = read_table(path)
    for note in read.notes:
        told(note)
    trained = [name for name in pipeline.bundle.about.get("text", ()) if isinstance(name, str)]
    if not columns and trained and set(trained) <= set(read.columns.column_names):
        columns = trained
    titles, bodies = read.titles_and_bodies(columns or _usual(read.columns.column_names, path))
    tickets = [Ticket(title, body) for title, body in zip(titles, bodies, strict=True)]
    found: list[Triage] = []
    for start in range(0, len(tickets), BATCH):
        found += pipeline.triage(tickets[start : start + BATCH], with_reasons=False)
        progressed(len(found), len(tickets))
    added = dict(triage_columns(found))
    table = read.columns.rename_columns(_kept(read.columns.column_names, added))
    for name, values in added.items():
        table = table.append_column(name, pyarrow.array(values))
    try:
        write_table(table, to)
    except OSError as error:
        raise TableError(f"{to}: {error.strerror or error}") from None
    return len(read)


def _kept(given: Sequence[str], added: Container[str]) -> list[str]:
    kept: list[str] = []
    for name in given:
        while name in added or name in kept:
            name = f"{name}_given"
        kept.append(name)
    return kept


def _usual(there: Sequence[str], path: Path) -> list[str]:
    lower = {name.lower(): name for name in reversed(there)}
    found = [next((lower[name] for name in names if name in lower), None) for names in (TITLES, BODIES)]
    named = [name for name in found if name]
    if not named:
        usual = ", ".join((*TITLES, *BODIES))
        raise TableError(f"{path}: no column of text ({usual}); there are {', '.join(there)}: name it with --text")
    return named


def triage_columns(found: Sequence[Triage]) -> Iterator[tuple[str, list[Any]]]:
    """Name and values of every column that the triage of a file adds."""
    for name in found[0].answers if found else ():
        if name == "scope":
            continue
        answers = [one.answers[name] for one in found]
        yield name, [answer.label for answer in answers]
        yield f"{name}_probability", [answer.probability for answer in answers]
        yield f"{name}_abstained", [answer.abstained for answer in answers]
        tops = [[(a.label, a.probability), *((o.label, o.probability) for o in a.alternatives)] for a in answers]
        yield f"{name}_top", [_ranked(top) for top in tops]
    yield "is_ticket", [one.is_ticket for one in found]
    if found and "urgency" in found[0].answers:
        yield "priority", [one.priority.label for one in found]
    if found and found[0].routing:
        yield "team", [one.routing[0].name for one in found]
        yield "team_probability", [one.routing[0].probability for one in found]
        yield "team_abstained", [one.routing_abstained for one in found]
        yield "team_top", [_ranked([(team.name, team.probability) for team in one.routing]) for one in found]


def _ranked(choices: Sequence[tuple[str, float]]) -> str:
    return json.dumps([[label, round(p, 9)] for label, p in choices], ensure_ascii=False)
