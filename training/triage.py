"""Labelled tickets -> a bundle that serving loads.

    python -m training.triage --out models/triage/1          the default model, from the tickets we wrote
    python -m training.triage --data tickets.parquet --target category=assignment_group --out models/acme/1

Tables are CSV or Parquet. The same data gives the same digest: seeds are fixed, and time and place are not recorded.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet

from aiops.errors import AiopsError, InputError
from aiops.learning.fit import Table, fit
from aiops.tickets import bundle
from aiops.tickets.encoder import Encoder
from aiops.tickets.pipeline import NOISE
from training import tickets as authored

ENCODER = Path(__file__).parent.parent / "models" / "encoder" / "1"


def default_table(tickets: Sequence[authored.AuthoredTicket]) -> Table:
    """Our own tickets; noise teaches `scope` alone."""
    labels = {
        name: [getattr(one, name) if one.category != NOISE else "" for one in tickets] for name in authored.OUTPUTS
    }
    labels["scope"] = [NOISE if one.category == NOISE else "ticket" for one in tickets]
    return Table([one.title for one in tickets], [one.body for one in tickets], labels)


def table_of(path: Path, text: Sequence[str], targets: dict[str, str]) -> Table:
    """Columns of a file; of two text columns the first is the title. Raises InputError for what is not there."""
    read = pyarrow.parquet.read_table(path) if path.suffix == ".parquet" else pyarrow.csv.read_csv(path)
    for column in (*text, *targets.values()):
        if column not in read.column_names:
            raise InputError(f"{path}: no column {column!r}; there are {', '.join(read.column_names)}")
    columns = [[str(value or "") for value in read[name].to_pylist()] for name in text]
    titles, bodies = (columns[0], columns[1]) if len(columns) > 1 else ([""] * len(columns[0]), columns[0])
    labels = {name: [str(value or "") for value in read[column].to_pylist()] for name, column in targets.items()}
    return Table(titles, bodies, labels)


def train(table: Table, encoder: Encoder, name: str, version: str, out: Path, about: dict[str, Any]) -> str:
    """Fits and saves; returns the bundle's digest."""
    scope_output = "category" if "category" in table.labels else next(iter(table.labels))
    balanced = [name for name in table.labels if name == "scope"]
    fitted = fit(table, encoder, scope_output, balanced, lambda step: print(f"{step} ...", file=sys.stderr, flush=True))
    counted = {name: dict(Counter(label for label in labels if label)) for name, labels in table.labels.items()}
    about = about | {"tickets": len(table), "labels": counted}
    return bundle.save(out, name, version, encoder, fitted.idf, fitted.classifier, about)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 done, 2 the input is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder NAME/VERSION of the bundle")
    parser.add_argument("--data", type=Path, help="CSV or Parquet; without it the tickets we wrote")
    parser.add_argument("--text", default="title,body", help="one column, or title,body")
    parser.add_argument("--target", action="append", default=[], help="output=column; may be repeated")
    parser.add_argument("--encoder", type=Path, default=ENCODER, help="folder of the encoder")
    given = parser.parse_args(arguments)
    try:
        encoder = Encoder.load(given.encoder, threads=2)
        if given.data is None:
            table, about = (
                default_table(authored.read()),
                {"data": "training/data/tickets", "licence": "Apache-2.0", "languages": ["en"]},
            )
        else:
            targets = dict(one.split("=", 1) for one in given.target)
            table, about = table_of(given.data, given.text.split(","), targets), {"data": given.data.name}
        digest = train(table, encoder, given.out.parent.name, given.out.name, given.out, about)
    except AiopsError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"out": str(given.out), "digest": digest, "tickets": len(table)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
