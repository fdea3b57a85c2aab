"""May the challenger replace the champion? Only if it is surely better and nowhere noticeably worse.

Both answered the same newest tickets, which neither learned from. The checks are made in order, all of them, and the
verdict names the one that decided: a refused candidate says what to mend. A person may force a refused candidate
through, with a reason that is kept in the verdict.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from aiops.errors import InputError
from aiops.learning.figures import PRECISION, Judged, calibration_chance, figures, paired_bootstrap


@dataclass(frozen=True, slots=True)
class Rules:
    """Margins are shares (0.01: one in a hundred). `protected`: classes by output on which the challenger must not be
    worse than `class_margin`, whatever chance says; all others only where it is surely worse by more than that."""

    rows_min: int = 100  # fewer labelled tickets on the slice decide nothing
    champion_precision_min: float = 0.7  # less of what the champion is sure of: wrong labels, or another world
    output_margin: float = 0.01
    class_margin: float = 0.05
    class_rows_min: int = 20  # classes with fewer rows are judged together, as "rare"
    protected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bootstrap_draws: int = 2000
    certainty: float = 0.95
    calibration_error_max: float = 0.05  # beyond what chance makes of so few rows; or the champion's, where larger
    coverage_margin: float = 0.05  # of what the champion still answers at 90 %
    precision_margin: float = 0.02  # below the 90 % asked, or below the champion's where that is lower
    latency_ms_max: float = 50.0  # one ticket, median
    latency_factor: float = 2.0  # of the champion's, where that is more than a few milliseconds
    bytes_max: int = 500_000_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model and its answers. `latency_ms` and `bytes` None: not measured, not judged."""

    name: str
    digest: str
    judged: Mapping[str, Judged]
    latency_ms: float | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """One question, its answer, and the numbers in a sentence."""

    name: str
    passed: bool
    said: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`decided_by`: the first check that failed, or the last one where none did."""

    challenger: str
    champion: str
    is_promoted: bool
    decided_by: str
    checks: tuple[Check, ...]
    forced: str = ""  # why a person overruled a refusal

    @property
    def text(self) -> str:
        """One screen."""
        word = "PROMOTE" if self.is_promoted else "REFUSE"
        by = f"forced: {self.forced}; the gate had refused by: {self.decided_by}" if self.forced else self.decided_by
        width = max(len(one.name) for one in self.checks)
        lines = [f"{'ok  ' if one.passed else 'FAIL'}  {one.name:<{width}}  {one.said}" for one in self.checks]
        against = f" against {self.champion}" if self.champion else ""
        return "\n".join([f"{word} {self.challenger}{against}: {by}", *lines])


def decide(challenger: Candidate, champion: Candidate | None, rules: Rules | None = None, seed: int = 0) -> Verdict:
    """Without a champion, or on outputs that it lacks, the challenger has to beat the commonest label."""
    rules = rules or Rules()
    checks = tuple(_checks(challenger, champion, rules, seed))
    failed = [one.name for one in checks if not one.passed]
    named = champion.name if champion else ""
    return Verdict(challenger.name, named, not failed, failed[0] if failed else checks[-1].name, checks)


def force(verdict: Verdict, reason: str) -> Verdict:
    """The verdict overruled. Raises InputError without a reason."""
    if not reason.strip():
        raise InputError("a refused model is forced through only with a reason: say why")
    return verdict if verdict.is_promoted else replace(verdict, is_promoted=True, forced=reason.strip())


def _checks(mine: Candidate, theirs: Candidate | None, rules: Rules, seed: int) -> Iterator[Check]:
    rows = max((len(one.truth) for one in mine.judged.values()), default=0)
    yield Check(
        "enough tickets", rows >= rules.rows_min, f"{rows} labelled on the newest slice, {rules.rows_min} needed"
    )
    if not rows:
        return
    known = theirs.judged if theirs else {}
    lost = sorted(set(known) - set(mine.judged))
    yield Check("every output", not lost, f"missing: {', '.join(lost)}" if lost else f"{len(mine.judged)} answered")
    pairs = {name: (one, known.get(name)) for name, one in mine.judged.items() if len(one.truth)}
    yield from _labels(pairs, rules)
    yield from _outputs(pairs, rules)
    yield from _classes(pairs, rules, seed)
    yield from _calibration(pairs, rules, seed)
    yield from _coverage(pairs, rules)
    yield from _costs(mine, theirs, rules)
    yield _overall(pairs, rules, seed)


Pairs = Mapping[str, tuple[Judged, Judged | None]]


def _labels(pairs: Pairs, rules: Rules) -> Iterator[Check]:
    """Poisoned labels teach and judge alike; what the champion was sure of, and right in, gives them away."""
    for name, (_, theirs) in pairs.items():
        if theirs is None or theirs.answered.sum() < rules.class_rows_min:
            continue
        right = float(theirs.is_right[theirs.answered].mean())
        is_sound = right >= rules.champion_precision_min
        what = "" if is_sound else ": are the labels wrong, or has the world changed? Look, then --force"
        said = f"the champion is right in {right:.3f} of what it is sure of, at least {rules.champion_precision_min}"
        yield Check(f"{name} labels believable", is_sound, said + what)


def _outputs(pairs: Pairs, rules: Rules) -> Iterator[Check]:
    for name, (mine, theirs) in pairs.items():
        if theirs is None:
            continue
        ours, old = float(mine.is_right.mean()), float(theirs.is_right.mean())
        said = f"{ours:.3f} right, champion {old:.3f}, margin {rules.output_margin}"
        yield Check(f"{name} not worse", ours >= old - rules.output_margin, said)


def _classes(pairs: Pairs, rules: Rules, seed: int) -> Iterator[Check]:
    worst: tuple[float, str] = (0.0, "none is worse")
    failed: list[str] = []
    for name, (mine, theirs) in pairs.items():
        if theirs is None:
            continue
        for label, rows in _groups(mine.truth, rules).items():
            gain = mine.is_right[rows].astype(float) - theirs.is_right[rows].astype(float)
            difference = float(gain.mean())
            said = f"{name} {label}: {difference:+.3f} on {len(gain)}"
            worst = min(worst, (difference, said))
            if difference >= -rules.class_margin:
                continue
            bound = paired_bootstrap(gain, np.zeros(len(gain)), rules.bootstrap_draws, seed)
            surely = bound[int(rules.certainty * len(bound))] < 0
            if label in rules.protected.get(name, ()) or surely:
                failed.append(said)
    told = "; ".join(failed[:3]) if failed else f"worst {worst[1]}, margin {rules.class_margin}"
    yield Check("no class worse", not failed, told)


def _groups(truth: NDArray[np.object_], rules: Rules) -> dict[str, NDArray[np.intp]]:
    named = {name for names in rules.protected.values() for name in names}
    groups: dict[str, list[int]] = {}
    names, place, counts = np.unique(truth.astype(str), return_inverse=True, return_counts=True)
    for row, k in enumerate(place):
        is_own = counts[k] >= rules.class_rows_min or names[k] in named
        groups.setdefault(str(names[k]) if is_own else "(rare classes)", []).append(row)
    return {name: np.array(rows) for name, rows in groups.items()}


def _calibration(pairs: Pairs, rules: Rules, seed: int) -> Iterator[Check]:
    for name, (mine, theirs) in pairs.items():
        ours, chance = figures(mine).calibration_error, calibration_chance(mine.confidence, seed)
        limit = max(rules.calibration_error_max + chance, figures(theirs).calibration_error if theirs else 0.0)
        said = f"calibration error {ours:.3f}, at most {limit:.3f} ({chance:.3f} of it chance)"
        yield Check(f"{name} calibrated", ours <= limit, said)


def _coverage(pairs: Pairs, rules: Rules) -> Iterator[Check]:
    for name, (mine, theirs) in pairs.items():
        ours, old = figures(mine), figures(theirs) if theirs else None
        least = (old.coverage - rules.coverage_margin) if old else 0.0
        asked = min(PRECISION, old.precision if old and not math.isnan(old.precision) else 1.0)
        is_right = math.isnan(ours.precision) or ours.precision >= asked - rules.precision_margin
        said = f"answers {ours.coverage:.3f} (at least {least:.3f}), {ours.precision:.3f} of them right"
        yield Check(f"{name} abstains well", ours.coverage >= least and is_right, said)


def _costs(mine: Candidate, theirs: Candidate | None, rules: Rules) -> Iterator[Check]:
    if mine.latency_ms is not None:
        limit = rules.latency_ms_max
        if theirs and theirs.latency_ms is not None:
            limit = min(limit, max(5.0, rules.latency_factor * theirs.latency_ms))
        said = f"{mine.latency_ms:.1f} ms a ticket, at most {limit:.0f}"
        yield Check("fast enough", mine.latency_ms <= limit, said)
    if mine.bytes is not None:
        said = f"{mine.bytes / 1e6:.1f} MB, at most {rules.bytes_max / 1e6:.0f}"
        yield Check("small enough", mine.bytes <= rules.bytes_max, said)


def _overall(pairs: Pairs, rules: Rules, seed: int) -> Check:
    """Each ticket's share of right outputs, compared ticket by ticket."""
    size = 1 + max(int(mine.rows.max()) for mine, _ in pairs.values())
    ours, old, count = np.zeros(size), np.zeros(size), np.zeros(size)
    for mine, theirs in pairs.values():
        values, place = np.unique(mine.truth.astype(str), return_inverse=True)
        commonest = place == np.bincount(place, minlength=len(values)).argmax()
        np.add.at(ours, mine.rows, mine.is_right)
        np.add.at(old, mine.rows, theirs.is_right if theirs else commonest)
        np.add.at(count, mine.rows, 1)
    seen = count > 0
    share, share_old = ours[seen] / count[seen], old[seen] / count[seen]
    bound = paired_bootstrap(share, share_old, rules.bootstrap_draws, seed)
    low, high = bound[int((1 - rules.certainty) * len(bound))], bound[int(rules.certainty * len(bound)) - 1]
    said = f"{share.mean():.3f} against {share_old.mean():.3f}: {low:+.3f} .. {high:+.3f} by paired bootstrap"
    return Check("better overall", bool(low > 0), said)
