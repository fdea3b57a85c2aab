"""What is worth an alert, series by series: rules that the operator sets by label matcher.

A rule changes nothing of what is learned. It says which deviations count: only those up or only those down, and only
those of a least size. One that does not count stays below the alert bar (score < 0.5); the expected band is honest as
ever. Rules are looked up once, when a series is first seen, and stand as numbers beside its state.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from aiops.config import Rule
from aiops.errors import InputError, SettingsError
from aiops.metrics.series import Labels, Matcher, SeriesTable, parse_matchers

# float32 (n, POLICY_SIZE)
DIRECTION = 0  # +1 only up, -1 only down, 0 both
CHANGE_MIN, CHANGE_RELATIVE_MIN = 1, 2
LOW_BAR = 3  # deviations from here on are hints to the alert budget; 0 = no hints
LOW_REFRACTORY, LOW_STRENGTH = 4, 5  # as REFRACTORY and ONSET_STRENGTH of the state, of hints
POLICY_SIZE = 8
HINT_BAR = 0.5

_SIGN = {"up": 1.0, "down": -1.0, "both": 0.0}


def matchers_of(selector: str, where: str) -> tuple[Matcher, ...]:
    """The matchers of a selector in the settings. Raises SettingsError that names the setting `where`."""
    try:
        return parse_matchers(selector)
    except InputError as error:
        raise SettingsError(f"{where}: {error}") from None


class Policy:
    """The rules of all series of `table` as numbers; without rules and without hints it is empty and costs nothing.

    Of several rules that match, the later one wins, setting by setting. Raises SettingsError for a selector that
    cannot be read. Series that are `is_budgeted` give hints.
    """

    def __init__(
        self,
        table: SeriesTable,
        rules: Sequence[Rule] = (),
        is_budgeted: Callable[[Labels], bool] | None = None,
    ) -> None:
        self._table, self._is_budgeted = table, is_budgeted
        self._rules = [(matchers_of(rule.match, f"detection.rules.{k}.match"), rule) for k, rule in enumerate(rules)]
        self._known = 0
        size = table.series_max if rules or is_budgeted else 0
        self.rows: NDArray[np.float32] = np.zeros((size, POLICY_SIZE), np.float32)

    def learn_series(self) -> None:
        """Looks up the rules of series that are new to the table."""
        for row in self._table.new_since(self._known) if len(self.rows) else ():
            labels = dict(self._table.labels(row))
            self.rows[row] = 0
            if self._is_budgeted and self._is_budgeted(self._table.labels(row)):
                self.rows[row, LOW_BAR] = HINT_BAR
            for matchers, rule in self._rules:
                if all(matcher.matches(labels) for matcher in matchers):
                    self._apply(row, rule)
        self._known = self._table.given

    def _apply(self, row: int, rule: Rule) -> None:
        if rule.direction is not None:
            self.rows[row, DIRECTION] = _SIGN[rule.direction]
        if rule.change_min is not None:
            self.rows[row, CHANGE_MIN] = rule.change_min
        if rule.change_relative_min is not None:
            self.rows[row, CHANGE_RELATIVE_MIN] = rule.change_relative_min
