"""`python -m tests.tickets.redaction_figures`: recall on planted personal data, and what technical text loses."""

from collections import Counter
from dataclasses import dataclass

from aiops.tickets.redaction import Kind, redact
from tests.tickets.planted import Planted, planted, technical

PER_KIND, LINES, SEEDS = 200, 4000, (1, 2)


@dataclass(frozen=True, slots=True)
class Figures:
    """How many were planted and found, by kind; technical lines, and those that lost something."""

    planted: Counter[Kind]
    found: Counter[Kind]
    missed: tuple[Planted, ...]
    lines: int
    changed: tuple[str, ...]

    @property
    def recall(self) -> float:
        return self.found.total() / self.planted.total()

    @property
    def false_share(self) -> float:
        return len(self.changed) / self.lines


def is_found(item: Planted) -> bool:
    """No character of the value is left."""
    left = set(range(item.start, item.end))
    for place in redact(item.text, ips=True).found:
        left -= set(range(place.start, place.end))
    return not left


def figures(seed: int, per_kind: int = PER_KIND, lines: int = LINES) -> Figures:
    items = planted(per_kind, seed)
    verdicts = [(item, is_found(item)) for item in items]
    operators = technical(lines, seed)
    return Figures(
        Counter(item.kind for item in items),
        Counter(item.kind for item, found in verdicts if found),
        tuple(item for item, found in verdicts if not found),
        lines,
        tuple(f"{line!r} -> {after!r}" for line in operators if (after := redact(line, ips=False).text) != line),
    )


def main() -> None:
    for seed in SEEDS:
        told = figures(seed)
        print(f"seed {seed}: {told.found.total()} of {told.planted.total()} found, recall {told.recall:.4f}; ", end="")
        print(f"{len(told.changed)} of {told.lines} technical lines changed, {told.false_share:.4f}")
        print("  " + ", ".join(f"{kind} {told.found[kind] / count:.3f}" for kind, count in told.planted.items()))
        for item in told.missed[:40]:
            print(f"  missed {item.kind}: {item.text!r} -> {redact(item.text, ips=True).text!r}")
        for line in told.changed[:40]:
            print(f"  changed {line}")


if __name__ == "__main__":
    main()
