"""Names of services and machines in what people write: spelled as they like, told from ordinary words.

`orders-db`, `Orders DB` and `orders_db` are one name; a plural s does not matter. A name counts fully where an
attribute is it, where no sentence has it by chance, or where it is called what it is (`the search service`); an
ordinary word (`search`) counts less.
"""

import re
from collections import deque
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

ORDINARY = 0.75
STEPS_MAX = 3
_KINDS = ("service", "server", "host", "node", "pod", "database", "db", "api", "app", "cluster", "instance", "machine")
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Names:
    """The words of a text and of its attributes, to be asked for names."""

    words: str  # " the order db is slow "
    first: frozenset[str]  # of them, each alone: most names are ruled out by their first word
    values: frozenset[str]  # whole attribute values, as words

    @staticmethod
    def of(text: str, attributes: Mapping[str, Any]) -> "Names":
        """From a text without personal data."""
        words = _words(text)
        return Names(words, frozenset(words.split()), frozenset(_words(value) for value in _strings(attributes)))

    def says(self, name: str) -> float:
        """How surely the text speaks of it; 0 for not at all."""
        words, parts = _name(name)
        if not parts:
            return 0.0
        if words in self.values:
            return 1.0
        if parts[0] not in self.first or words not in self.words:
            return 0.0
        is_odd = len(parts) > 1 or any(c.isdigit() for c in words)
        is_called = any(f"{words}{kind} " in self.words or f" {kind}{words}" in self.words for kind in _KINDS)
        return 1.0 if is_odd or is_called else ORDINARY


def steps_down(needs: Mapping[str, Sequence[str]], name: str, wanted: Container[str]) -> tuple[int, str] | None:
    """How many steps below `name` in the topology the first of `wanted` lies, and which it is; None: not in reach."""
    seen, waiting = {name}, deque([(name, 0)])
    while waiting:
        at, count = waiting.popleft()
        if at in wanted:
            return count, at
        if count < STEPS_MAX:
            for below in needs.get(at, ()):
                if below not in seen:
                    seen.add(below)
                    waiting.append((below, count + 1))
    return None


@lru_cache(100_000)
def _name(name: str) -> tuple[str, tuple[str, ...]]:
    words = _words(name)
    return words, tuple(words.split())


def _words(text: str) -> str:
    """Lower case, words alone, without the plural s, a blank on both sides: `orders-db` -> ` order db `."""
    words = _WORD.findall(text.lower())
    return f" {' '.join(word[:-1] if len(word) > 3 and word.endswith('s') else word for word in words)} "


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
