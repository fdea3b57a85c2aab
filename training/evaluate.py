"""Is this model good, and is it better than the one in use?

    python -m training.evaluate --data newest.parquet --challenger models/acme/2 --champion models/acme/1

Both models answer the same tickets, which neither may have learned from: the newest ones. The gate
(`aiops.learning.gate`) says in one screen whether the challenger may replace the champion, and which check decided.
`--force "reason"` overrules a refusal; the reason is kept in the verdict. Exit: 0 promoted, 1 refused, 2 wrong input.
"""

import argparse
import dataclasses
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable

from aiops.errors import AiopsError, InputError
from aiops.learning import gate
from aiops.learning.figures import PRECISION, Figures, figures, judge
from aiops.learning.fit import Table
from aiops.learning.gate import Candidate, Rules, Verdict
from aiops.tickets import bundle
from aiops.tickets.encoder import Encoder
from aiops.tickets.pipeline import TriagePipeline
from aiops.tickets.ticket import Ticket
from training.examples import examples_of, picked, targets_of

ENCODER = Path(__file__).parent.parent / "models" / "encoder" / "1"
TIMED_TICKETS = 40
SLICE_SHARE, SLICE_ROWS_MAX = 0.2, 5000


def newest_slice(table: Table, share: float = SLICE_SHARE, rows_max: int = SLICE_ROWS_MAX) -> tuple[Table, Table]:
    """(older, newest) by time; by place where there is none. Tickets of one moment stay together, on the older side."""
    count = min(rows_max, int(len(table) * share))
    if table.times_ms is None:
        order = np.arange(len(table))
        cut = len(table) - count
    else:
        order = np.argsort(table.times_ms, kind="stable")
        ordered = table.times_ms[order]
        at = len(table) - count
        cut = int(np.searchsorted(ordered, ordered[at - 1], side="right")) if 0 < at < len(table) else at
    return picked(table, order[:cut].tolist()), picked(table, order[cut:].tolist())


def candidate_of(folder: Path, encoder: Encoder, table: Table, is_timed: bool = True) -> Candidate:
    """The bundle's answers to the table, the median time of one ticket, and its size. Raises BundleError, InputError
    where the table knows none of its outputs."""
    loaded = bundle.load(folder, encoder)
    titles, texts = table.read()
    judged = judge(loaded, encoder, titles, texts, table.labels)
    judged = {name: one for name, one in judged.items() if len(one.truth)}
    if not judged:
        asked, known = ", ".join(table.labels), ", ".join(loaded.classifier.outputs)
        raise InputError(f"{folder} answers {known}; the tickets to judge it by are labelled with {asked}")
    latency = _latency_ms(TriagePipeline(loaded, encoder), table) if is_timed else None
    size = sum(path.stat().st_size for path in bundle.newest(folder).iterdir() if path.is_file())
    return Candidate(f"{loaded.name}/{loaded.version}", loaded.digest, judged, latency, size)


def _latency_ms(pipeline: TriagePipeline, table: Table) -> float:
    took = []
    for k in range(min(TIMED_TICKETS, len(table))):
        ticket = Ticket(f"{table.titles[k]} #{k}", table.bodies[k])  # not one that the encoder remembers
        started = time.perf_counter()
        pipeline.triage([ticket], with_reasons=False)
        took.append(time.perf_counter() - started)
    return 1000 * float(np.median(took))


def figures_of(candidate: Candidate) -> dict[str, Figures]:
    """By output."""
    return {name: figures(judged) for name, judged in candidate.judged.items()}


def as_json(found: Mapping[str, Figures]) -> dict[str, Any]:
    """Figures as plain values; None for what there is no number for."""
    plain = {name: dataclasses.asdict(one) for name, one in found.items()}
    return {name: _rounded(one) for name, one in plain.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 5)
    return value


def show(found: Mapping[str, Figures], console: Console) -> None:
    """The evaluation table."""
    table = RichTable(
        "output", "rows", "right", "macro-F1", "top 3", "calibration error", f"answered at {PRECISION:.0%}",
        "right then", box=None,
    )  # fmt: skip
    for name, one in found.items():
        shares = (one.accuracy, one.macro_f1, one.top_3, one.calibration_error, one.coverage, one.precision)
        table.add_row(name, str(one.rows), *(f"{x:.3f}" for x in shares))
    console.print(table)


def compared(
    challenger: Path, champion: Path | None, encoder: Encoder, table: Table, rules: Rules | None = None
) -> tuple[Candidate, Verdict]:
    """The challenger's answers and the gate's verdict on the same tickets."""
    mine = candidate_of(challenger, encoder, table)
    theirs = candidate_of(champion, encoder, table) if champion else None
    return mine, gate.decide(mine, theirs, rules)


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """As plain values."""
    return dataclasses.asdict(verdict)


def protected_of(given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Output -> classes, of OUTPUT=CLASS,CLASS each. Raises InputError."""
    found: dict[str, tuple[str, ...]] = {}
    for one in given:
        name, sign, classes = one.partition("=")
        if not sign or not classes:
            raise InputError(f"--protect {one}: give OUTPUT=CLASS,CLASS")
        found[name] = (*found.get(name, ()), *(label.strip() for label in classes.split(",")))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="CSV or Parquet of labelled tickets to judge by")
    parser.add_argument("--challenger", type=Path, required=True, help="folder of the new bundle")
    parser.add_argument("--champion", type=Path, help="folder of the bundle in use")
    parser.add_argument("--text", default="title,body", help="one column, or title,body")
    parser.add_argument("--target", action="append", default=[], help="output=column; may be repeated")
    parser.add_argument("--protect", action="append", default=[], help="output=class,class that must not get worse")
    parser.add_argument("--force", help="promote in spite of a refusal, and why")
    parser.add_argument("--out", type=Path, help="also write figures and verdict as JSON")
    parser.add_argument("--encoder", type=Path, default=ENCODER, help="folder of the encoder")
    given = parser.parse_args(arguments)
    try:
        table, _ = examples_of(given.data, given.text.split(","), targets_of(given.target))
        encoder = Encoder.load(given.encoder, threads=2, cache_texts_max=len(table) + 1)
        rules = Rules(protected=protected_of(given.protect))
        mine, verdict = compared(given.challenger, given.champion, encoder, table, rules)
        if given.force is not None:
            verdict = gate.force(verdict, given.force)
    except AiopsError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    show(figures_of(mine), Console(stderr=True))
    print(verdict.text)
    if given.out:
        told = {"figures": as_json(figures_of(mine)), "verdict": verdict_json(verdict)}
        given.out.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    return 0 if verdict.is_promoted else 1


if __name__ == "__main__":
    sys.exit(main())
