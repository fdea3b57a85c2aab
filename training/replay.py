"""Does learning from decisions pay, and is it safe? A history of tickets, week by week, as if it happened again.

    python -m training.replay --data train.parquet validation.parquet --target team=assignment_group --time created_at

Three desks get the same tickets in the order of time. The frozen one keeps the model of its first weeks. The retrained
one learns every week from what was decided so far; the newest decisions are kept apart, and the gate promotes the new
model or keeps the old. The loop adds the instant memory of what was decided since. A decision is known `--delay-h`
after the ticket came. One week is also replayed poisoned: half of its labels are moved to another class, once
everywhere and once only where the gate does not look; the gate has to refuse both.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as RichTable

from aiops.errors import AiopsError, InputError
from aiops.learning.figures import judge, paired_bootstrap
from aiops.learning.fit import Table, fit
from aiops.learning.gate import Candidate, Rules, Verdict, decide
from aiops.learning.instant import Answers, InstantMemory
from aiops.tickets.bundle import Bundle
from aiops.tickets.encoder import Encoder
from training.evaluate import ENCODER
from training.examples import examples_of, picked, targets_of

WEEK_MS, DAY_MS, HOUR_MS = 7 * 86_400_000, 86_400_000, 3_600_000
GATE_ROWS = 300  # newest decisions kept apart for the gate: two days of this desk
POISONED_SHARE = 0.5
SEED = 0


@dataclass(frozen=True, slots=True)
class Week:
    """How often each desk was right on a week's tickets, by ticket (0 or 1), and what the gate said at its end."""

    number: int
    frozen: NDArray[np.float64]
    retrained: NDArray[np.float64]
    loop: NDArray[np.float64]
    verdict: Verdict | None


@dataclass(frozen=True, slots=True)
class Poisoned:
    """What the gate said of a model that learned from a poisoned week."""

    week: int
    where: str
    rows: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class _Model:
    bundle: Bundle
    cut: int  # rows of the table it knows


class Replay:
    """One history. Rows are in the order of time; weeks are of seven days from the first ticket."""

    def __init__(
        self,
        table: Table,
        encoder: Encoder,
        output: str,
        first_weeks: int,
        delay_h: float,
        gate_rows: int = GATE_ROWS,
        rules: Rules | None = None,
    ) -> None:
        if table.times_ms is None:
            raise InputError("a replay needs the tickets' times: name their column with --time")
        order = np.argsort(table.times_ms, kind="stable")
        self.table = picked(table, order.tolist())
        assert self.table.times_ms is not None
        self.times: NDArray[np.int64] = self.table.times_ms
        self.encoder, self.output, self.delay_ms = encoder, output, int(delay_h * HOUR_MS)
        self.first_weeks, self.gate_rows, self.rules = first_weeks, gate_rows, rules or Rules()
        self.titles, self.texts = self.table.read()
        self.truth = list(self.table.labels[output])
        self.week = ((self.times - self.times[0]) // WEEK_MS).astype(int)
        if self.week[-1] <= first_weeks:
            raise InputError(f"{self.week[-1] + 1} weeks of tickets: too few to replay after the first {first_weeks}")
        self.vectors = encoder.encode(self.texts).sentence

    def run(self, poisoned_week: int | None, told: Any) -> tuple[list[Week], list[Poisoned]]:
        """Every week after the first ones. `told` hears each step."""
        start = int(np.searchsorted(self.week, self.first_weeks))
        told(f"the first model: {start} tickets")
        frozen = champion = self._fit(start, self.truth, 0)
        weeks, poisoned = [], []
        for number in range(self.first_weeks, int(self.week[-1]) + 1):
            rows = np.flatnonzero(self.week == number)
            if not len(rows):
                continue
            told(f"week {number + 1}: {len(rows)} tickets")
            theirs, mine = self._answers(frozen, rows), self._answers(champion, rows)
            corrected = self._remembered(champion, rows)
            verdict = None
            end = int(rows[-1]) + 1
            if number < self.week[-1]:
                if number == poisoned_week:
                    poisoned = [self._poisoned(champion, rows, end, is_slice) for is_slice in (True, False)]
                candidate, verdict = self._challenge(champion, end, self.truth, number)
                told(verdict.text.splitlines()[0])
                champion_next = candidate if verdict.is_promoted else champion
            else:
                champion_next = champion
            weeks.append(Week(number + 1, self._right(theirs, rows), self._right(mine, rows), corrected, verdict))
            champion = champion_next
        return weeks, poisoned

    def _fit(self, rows: int, labels: Sequence[str], version: int) -> _Model:
        table = replace(picked(self.table, range(rows)), labels={self.output: list(labels[:rows])})
        fitted = fit(table, self.encoder, self.output)
        made = Bundle("replay", str(version), "", self.encoder.digest, fitted.idf, fitted.classifier, {})
        return _Model(made, rows)

    def _challenge(self, champion: _Model, end: int, labels: Sequence[str], number: int) -> tuple[_Model, Verdict]:
        """A model of all decisions but the newest, judged on these beside the champion."""
        cut = max(champion.cut, end - self.gate_rows)
        candidate = self._fit(cut, labels, number + 1)
        slice_ = slice(cut, end)
        told = {self.output: labels[slice_]}

        def judged(model: _Model) -> Candidate:
            found = judge(model.bundle, self.encoder, self.titles[slice_], self.texts[slice_], told)
            return Candidate(f"week {model.bundle.version}", "", found)

        return candidate, decide(judged(candidate), judged(champion), self.rules)

    def _poisoned(self, champion: _Model, rows: NDArray[np.intp], end: int, is_slice: bool) -> Poisoned:
        rng = np.random.default_rng(SEED)
        names = [name for name, _ in Counter(self.truth[:end]).most_common()]
        after = dict(zip(names, [*names[1:], names[0]], strict=True))
        touched = rows if is_slice else rows[rows < end - self.gate_rows]
        labels = list(self.truth)
        moved = touched[rng.random(len(touched)) < POISONED_SHARE]
        for row in moved:
            labels[row] = after[labels[row]]
        _, verdict = self._challenge(champion, end, labels, int(self.week[rows[0]]))
        where = "everywhere" if is_slice else "not where the gate looks"
        return Poisoned(int(self.week[rows[0]]) + 1, where, len(moved), verdict)

    def _answers(self, model: _Model, rows: NDArray[np.intp]) -> Answers:
        titles, texts = [self.titles[k] for k in rows], [self.texts[k] for k in rows]
        found = judge(model.bundle, self.encoder, titles, texts, {self.output: ["?"] * len(rows)})[self.output]
        return Answers(found.classes, found.probabilities)

    def _remembered(self, model: _Model, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Right or not, day by day, with what was decided before that day and is not in the model yet."""
        right = np.zeros(len(rows))
        day = (self.times[rows] - self.times[0]) // DAY_MS
        first = int(rows[0])
        since = np.arange(model.cut, int(rows[-1]) + 1)
        expected = self._answers(model, since) if len(since) else None
        for one in np.unique(day):
            now = np.flatnonzero(day == one)
            opened_ms = int(self.times[0] + one * DAY_MS)
            known = since[self.times[since] + self.delay_ms <= opened_ms]
            at = [int(rows[k]) for k in now]
            assert expected is not None
            model_says = Answers(expected.classes, expected.probabilities[np.array(at) - model.cut])
            told = Answers(expected.classes, expected.probabilities[known - model.cut])
            memory = InstantMemory(self.vectors[known], tuple(self.truth[k] for k in known), told)
            right[now] = self._right(memory.answer(model_says, self.vectors[at]), np.array(at))
        assert first >= model.cut
        return right

    def _right(self, found: Answers, rows: NDArray[np.intp]) -> NDArray[np.float64]:
        top = np.array(found.classes, dtype=object)[found.probabilities.argmax(1)]
        return np.array([label == self.truth[row] for label, row in zip(top, rows, strict=True)], float)


def report(weeks: Sequence[Week], poisoned: Sequence[Poisoned]) -> dict[str, Any]:
    """Shares of right answers, and what was gained with the 95 % interval of a paired bootstrap."""
    desks = {name: np.concatenate([getattr(week, name) for week in weeks]) for name in ("frozen", "retrained", "loop")}
    gained = {}
    for name in ("retrained", "loop"):
        bound = paired_bootstrap(desks[name], desks["frozen"], 2000, SEED)
        low, high = float(bound[50]), float(bound[-51])
        gained[name] = [round(float((desks[name] - desks["frozen"]).mean()), 4), round(low, 4), round(high, 4)]
    return {
        "tickets": len(desks["loop"]),
        "right": {name: round(float(one.mean()), 4) for name, one in desks.items()},
        "gained_on_frozen": gained,
        "weeks": [
            {
                "week": week.number,
                "tickets": len(week.loop),
                **{name: round(float(getattr(week, name).mean()), 4) for name in desks},
                "gate": "" if week.verdict is None else "promoted" if week.verdict.is_promoted else "refused",
                "decided_by": week.verdict.decided_by if week.verdict else "",
            }
            for week in weeks
        ],
        "poisoned": [
            {
                "week": one.week,
                "where": one.where,
                "labels_moved": one.rows,
                "gate": "promoted" if one.verdict.is_promoted else "refused",
                "decided_by": one.verdict.decided_by,
            }
            for one in poisoned
        ],
    }


def _show(told: dict[str, Any], console: Console) -> None:
    table = RichTable("week", "tickets", "frozen", "retrained", "loop", "gate at its end", box=None)
    for week in told["weeks"]:
        shares = (f"{week[name]:.3f}" for name in ("frozen", "retrained", "loop"))
        gate = f"{week['gate']}: {week['decided_by']}" if week["gate"] else ""
        table.add_row(str(week["week"]), str(week["tickets"]), *shares, gate)
    right = told["right"]
    table.add_row("all", str(told["tickets"]), *(f"{right[name]:.3f}" for name in right), "")
    console.print(table)
    for name, (gain, low, high) in told["gained_on_frozen"].items():
        console.print(f"{name}: {gain:+.3f} on the frozen model ({low:+.3f} .. {high:+.3f})", highlight=False)
    for one in told["poisoned"]:
        said = f"week {one['week']} poisoned {one['where']} ({one['labels_moved']} labels moved): {one['gate']}"
        console.print(f"{said} by {one['decided_by']}", highlight=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line: 0 done, 2 the input is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="CSV or Parquet of labelled tickets")
    parser.add_argument("--text", default="title,body", help="one column, or title,body")
    parser.add_argument("--target", required=True, help="output=column")
    parser.add_argument("--time", required=True, help="column of times")
    parser.add_argument("--first-weeks", type=int, default=2, help="weeks the first model learns from")
    parser.add_argument("--delay-h", type=float, default=24, help="until a ticket's label is decided")
    parser.add_argument("--poison", type=int, help="week to replay poisoned; else the one in the middle; 0 = none")
    parser.add_argument("--encoder", type=Path, default=ENCODER, help="folder of the encoder")
    given, console = parser.parse_args(arguments), Console(stderr=True)
    try:
        targets = targets_of([given.target])
        parts = [examples_of(path, given.text.split(","), targets, given.time)[0] for path in given.data]
        table = _joined(parts)
        encoder = Encoder.load(given.encoder, threads=2, cache_texts_max=len(table) + 1)
        replay = Replay(table, encoder, next(iter(targets)), given.first_weeks, given.delay_h)
        middle = (given.first_weeks + int(replay.week[-1])) // 2
        poison = middle if given.poison is None else given.poison - 1
        weeks, poisoned = replay.run(poison, lambda step: console.print(f"{step} ...", highlight=False, markup=False))
    except AiopsError as error:
        print(f"replay: {error}", file=sys.stderr)
        return 2
    told = report(weeks, poisoned)
    _show(told, console)
    print(json.dumps(told))
    return 0


def _joined(parts: Sequence[Table]) -> Table:
    """Without rows that lack the label."""
    name = next(iter(parts[0].labels))
    whole = Table(
        [title for one in parts for title in one.titles],
        [body for one in parts for body in one.bodies],
        {name: [label for one in parts for label in one.labels[name]]},
        np.concatenate([one.times_ms for one in parts if one.times_ms is not None]),
    )
    return picked(whole, [k for k, label in enumerate(whole.labels[name]) if label])


if __name__ == "__main__":
    sys.exit(main())
