"""The example set of the service's own store: what teams corrected and resolved, beside the tickets we wrote.

    python -m training.from_store ./data --out examples.parquet       export, held-out examples and their reasons too
    python -m training.from_store ./data --prune examples.parquet     take out tickets that were deleted since

A store is a data_dir or a database URL. It is only read.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from aiops.errors import AiopsError, InputError
from aiops.learning import feedback
from aiops.learning.feedback import Example, learnable
from aiops.learning.fit import Table
from aiops.store.database import open_database
from aiops.store.incident_store import IncidentStore
from aiops.store.ticket_store import TicketStore

FILE = "aiops.db"
SEED = 0


def open_store(place: str) -> Engine:
    """Of a data_dir or a database URL. Raises InputError where there is none."""
    url = place
    if "://" not in place:
        path = Path(place) / FILE
        if not path.is_file():
            raise InputError(f"{place}: no {FILE} there: name the service's data_dir, or its store.url")
        url = f"sqlite:///{path}"
    try:
        return open_database(url)
    except SQLAlchemyError as error:
        raise InputError(f"the store cannot be opened: {getattr(error, 'orig', error)}") from None


def examples_of_store(place: str, now_ms: int | None = None, settle_ms: int = feedback.SETTLE_MS) -> list[Example]:
    """Tickets' and incidents', with those held out. Raises InputError."""
    now_ms = int(1000 * time.time()) if now_ms is None else now_ms
    engine = open_store(place)
    try:
        found = feedback.ticket_examples(TicketStore(engine), now_ms, settle_ms)
        return found + feedback.incident_examples(IncidentStore(engine), now_ms, settle_ms)
    finally:
        engine.dispose()


def table_of_examples(examples: Sequence[Example], tenant: str | None = None) -> Table:
    """One row a ticket, oldest first; "" where nothing was decided. Outputs of one label alone are left out. Raises
    InputError where nothing is to be learned, and says what was held out."""
    chosen = learnable(examples, tenant)
    if not chosen:
        raise InputError(f"no decision to learn from in the store: {_held(examples)}; correct tickets with "
                         "POST /v1/tickets/{id}/correct, or name a table with --data")  # fmt: skip
    outputs = sorted({one.output for one in chosen})
    rows = sorted({(one.created_ms, one.tenant, one.id): one for one in chosen}.items())
    place = {key[1:]: k for k, (key, _) in enumerate(rows)}
    labels = {output: [""] * len(rows) for output in outputs}
    for one in chosen:
        labels[one.output][place[one.tenant, one.id]] = one.label
    told = {output: column for output, column in labels.items() if len(set(column) - {""}) > 1}
    if not told:
        raise InputError(f"every output in the store has one label alone: {_held(examples)}")
    times = np.array([key[0] for key, _ in rows], np.int64)
    return Table([one.title for _, one in rows], [one.body for _, one in rows], told, times)


def joined(written: Table, decided: Table) -> Table:
    """Our own tickets, shuffled and older than everything, then the store's; labels missing on one side are ""."""
    order = np.random.default_rng(SEED).permutation(len(written))
    names = [*written.labels, *(name for name in decided.labels if name not in written.labels)]
    labels = {}
    for name in names:
        mine, theirs = written.labels.get(name), decided.labels.get(name)
        first = [mine[k] for k in order] if mine else [""] * len(written)
        if name == "scope":
            theirs = ["ticket"] * len(decided)
        labels[name] = [*first, *(theirs or [""] * len(decided))]
    times = np.concatenate([np.zeros(len(written), np.int64), _times(decided)])
    titles = [*(written.titles[k] for k in order), *decided.titles]
    return Table(titles, [*(written.bodies[k] for k in order), *decided.bodies], labels, times)


def _times(table: Table) -> NDArray[np.int64]:
    assert table.times_ms is not None
    return table.times_ms


def _held(examples: Sequence[Example]) -> str:
    held = Counter(one.held_out for one in examples if one.held_out)
    accepted = sum(one.weight < feedback.WEIGHT_MIN and not one.held_out for one in examples)
    parts = [f"{count} {why}" for why, count in held.most_common()]
    return ", ".join([f"{len(examples)} examples", *parts, f"{accepted} that nobody looked at"])


def summary(examples: Sequence[Example]) -> str:
    """One line: how many, and why some are held out."""
    return f"{_held(examples)}, {len(learnable(examples))} to learn from"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 done, 2 the input is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="data_dir of the service, or store.url")
    parser.add_argument("--out", type=Path, help="Parquet file to write")
    parser.add_argument("--prune", type=Path, help="an earlier export to take deleted tickets out of")
    given = parser.parse_args(arguments)
    try:
        if given.prune:
            engine = open_store(given.store)
            print(f"{feedback.pruned(given.prune, TicketStore(engine))} rows taken out")
            engine.dispose()
        examples = examples_of_store(given.store)
        if given.out:
            feedback.write_parquet(examples, given.out)
        print(summary(examples))
    except AiopsError as error:
        print(f"from_store: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
