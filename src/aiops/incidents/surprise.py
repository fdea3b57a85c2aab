"""What a group of alerts is worth before an alert budget, and what grouping asks of such a budget.

Strengths of different metrics add up, as logarithms of probabilities do (Fisher 1925): several metrics of one cause say
more than one. Label variants of one metric move together and count once. An alert that lasts weighs more than a moment;
one that comes at this time of day, day after day, weighs less, and so does a state in which the series has been before.
"""

import math
from collections.abc import Iterable
from typing import Protocol

from aiops.incidents.alert import Alert
from aiops.metrics.series import Labels

LASTING, HABITUAL, KNOWN = 3.0, 0.5, 0.5


class Scope(Protocol):
    """One budget."""

    def offer(self, began_ms: int, strength: float, before: float = 0.0, is_told: bool = False) -> str:
        """Why a thing that grew from strength `before` to `strength` is told now, in words; empty: it is not."""


class Budget(Protocol):
    """All budgets in force."""

    def scope_of(self, labels: Labels) -> Scope | None:
        """The budget of a series; None where it has none."""


class NoBudget:
    """All alerts are told."""

    def scope_of(self, labels: Labels) -> Scope | None:
        """None."""
        return None


def surprise(alerts: Iterable[Alert]) -> float:
    """Strength of related alerts together; 1 is that of one alert at the usual bar."""
    by_name: dict[str, float] = {}
    for alert in alerts:
        lasting = LASTING if alert.is_persistent else 1 if alert.is_novel else KNOWN
        strength = alert.worth * lasting * (HABITUAL if alert.is_habitual else 1)
        by_name[alert.name] = max(by_name.get(alert.name, 0.0), strength)
    return sum(by_name.values())


def chance(count: int, mean: float) -> float:
    """P(a Poisson variable of this mean >= count)."""
    term, below = math.exp(-mean), 0.0
    for k in range(count):
        below += term
        term *= mean / (k + 1)
    return max(1.0 - below, term)  # `term` bounds it where 1 - below has no digits left
