"""Priority from urgency and impact, by the matrix in force; and the cap against "everything is critical".

The cap is one stated rule: of a tenant's tickets of the last 24 hours at most a set share may be P1 by the model's word
alone, though always a few; what goes beyond is P2 and says so. Where a rule holds that asks for the highest level (an
outage for all, a security incident, a hundred users affected), P1 is not capped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aiops.tickets.ticket import Priority, Reason
from aiops.tickets.urgency_rules import Held

Matrix = Mapping[tuple[str, str], str]
"""(urgency, impact) -> priority"""

ITIL: Matrix = {
    ("high", "high"): "P1",
    ("high", "medium"): "P2",
    ("high", "low"): "P3",
    ("medium", "high"): "P2",
    ("medium", "medium"): "P3",
    ("medium", "low"): "P4",
    ("low", "high"): "P3",
    ("low", "medium"): "P4",
    ("low", "low"): "P5",
}
UNKNOWN = "P3"  # of levels that a model of your own calls otherwise
HIGHEST, NEXT = "P1", "P2"
CAP_MS = 86_400_000


def matrix(changed: Mapping[Any, Mapping[Any, str]]) -> Matrix:
    """ITIL's, where `changed` (urgency -> impact -> priority) says nothing else."""
    return {**ITIL, **{(urgency, impact): p for urgency, row in changed.items() for impact, p in row.items()}}


def priority(of: Matrix, urgency: str, impact: str, rules: Sequence[Held] = ()) -> Priority:
    """Levels to priority, with the reasons."""
    why = [Reason("matrix", f"urgency {urgency} x impact {impact}", 0.0)]
    why += [Reason("rule", f"{rule.why}: {rule.output} at least {rule.floor}", 0.0) for rule in rules]
    is_ruled = any(rule.floor == "high" for rule in rules)
    return Priority(of.get((urgency, impact), UNKNOWN), urgency, impact, tuple(why), is_ruled)


def is_by_model(one: Priority) -> bool:
    """P1, and no rule asks for it."""
    return one.label == HIGHEST and not one.is_ruled


def capped(one: Priority, recent: int, by_model: int, share_max: float, free: int) -> Priority:
    """The priority under the cap. `recent`: tickets of this tenant in 24 hours, this one included; `by_model`: those
    among them that are P1 by the model alone, without this one; `free`: so many always pass."""
    if share_max >= 1 or not is_by_model(one) or by_model < max(free, int(share_max * recent)):
        return one
    why = (
        f"{by_model} of this tenant's {recent} tickets in 24 hours are {HIGHEST} by the model alone, and"
        f" tickets.p1_share_max is {share_max:g}: {NEXT} until a person or a rule says more"
    )
    return replace(one, label=NEXT, reasons=(Reason("cap", why, 0.0), *one.reasons))
