"""The model card: what a bundle was made of, what was wrong with the data, how good it is, and where it ends."""

from collections import Counter
from collections.abc import Mapping, Sequence

from aiops.learning.figures import PRECISION, Figures
from aiops.learning.fit import Table
from aiops.learning.gate import Verdict
from training.problems import Problem

CLASSES_SHOWN = 30


def card(
    name: str,
    digest: str,
    table: Table,
    fingerprint: str,
    problems: Sequence[Problem],
    found: Mapping[str, Figures],
    judged_on: str,
    verdict: Verdict | None = None,
) -> str:
    """Markdown. No text of any ticket is in it."""
    lines = [f"# {name}", "", f"Digest `{digest}`.", "", "## Data", ""]
    lines.append(f"{len(table):,} tickets, fingerprint `{fingerprint}`.")
    for output, labels in table.labels.items():
        counts = Counter(label for label in labels if label)
        shown = ", ".join(f"{label} {count:,}" for label, count in counts.most_common(CLASSES_SHOWN))
        more = f", and {len(counts) - CLASSES_SHOWN} more" if len(counts) > CLASSES_SHOWN else ""
        lines += ["", f"**{output}** ({len(counts)} classes): {shown}{more}"]
    lines += ["", "## Problems of the data", ""]
    lines += [f"- {one.kind} ({one.severity}): {one.said}" for one in problems] or ["None was found."]
    lines += ["", "## Figures", ""]
    if found:
        lines += [f"On {judged_on}, which it did not learn from.", "", *_figures(found)]
        for output, one in found.items():
            lines += ["", f"### {output} by class", "", *_classes(one)]
    else:
        lines.append("Not judged: give `--validation`.")
    if verdict:
        lines += ["", "## Gate", "", "```", verdict.text, "```"]
    lines += ["", "## Limits", "", *(f"- {limit}" for limit in _limits(table, found))]
    return "\n".join(lines) + "\n"


def _figures(found: Mapping[str, Figures]) -> list[str]:
    head = (
        f"| output | rows | right | macro-F1 | top 3 | calibration error | answered at {PRECISION:.0%} | right then |"
    )
    rows = [
        f"| {name} | {one.rows} | {one.accuracy:.3f} | {one.macro_f1:.3f} | {one.top_3:.3f} "
        f"| {one.calibration_error:.3f} | {one.coverage:.3f} | {one.precision:.3f} |"
        for name, one in found.items()
    ]
    return [head, "|---" * 8 + "|", *rows]


def _classes(one: Figures) -> list[str]:
    order = sorted(one.per_class.items(), key=lambda pair: -pair[1].rows)
    rows = [
        f"| {name} | {c.rows} | {c.precision:.3f} | {c.recall:.3f} | {c.f1:.3f} |" for name, c in order[:CLASSES_SHOWN]
    ]
    return ["| class | rows | precision | recall | F1 |", "|---" * 5 + "|", *rows]


def _limits(table: Table, found: Mapping[str, Figures]) -> list[str]:
    limits = [
        "It knows the classes above and no other; what changed since the newest of these tickets it does not know."
    ]
    if table.times_ms is None:
        limits.append("The tickets carry no time: abstention was learned on random folds, which flatter it.")
    for name, one in found.items():
        weak = sorted((c.f1, label) for label, c in one.per_class.items() if c.rows >= 10)[:3]
        if weak:
            limits.append(f"{name} is weakest on " + ", ".join(f"{label} (F1 {f1:.2f})" for f1, label in weak) + ".")
    return limits
