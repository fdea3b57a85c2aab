"""Who there is, in words: `teams.toml` gives routing on day one, before anything was learned.

    [identity]
    owns = "accounts, passwords, single sign-on, permissions; not: building cards"
    services = ["okta", "active-directory"]
    examples = ["I am locked out of my account", "please add me to the finance group"]
    hours = "Mon-Fri 08:00-18:00 Europe/Berlin"

A team's score is the similarity of the ticket to what the team says it owns and to its examples, the nearest
counting. Where the bundle has learned a team, both count; a team that only a description knows competes on equal
terms.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aiops.errors import SettingsError
from aiops.tickets.encoder import Encoder
from aiops.tickets.hours import Hours, hours

TEAMS_MAX = 500
SHARPNESS = 12.0  # cosines to probabilities: a difference of .1 is a factor of 3
_LEARNED_WEIGHT = 0.7  # beside the description, where both know a team


class TeamEntry(BaseModel):
    """One table of teams.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    owns: str = Field(min_length=3, max_length=2000)
    services: tuple[str, ...] = ()
    examples: tuple[str, ...] = Field((), max_length=100)
    hours: str = ""


@dataclass(frozen=True, slots=True)
class Teams:
    """Described teams and their vectors: float32 (texts, width), `owner` says whose each is."""

    names: tuple[str, ...]
    vectors: NDArray[np.float32]
    owner: NDArray[np.intp]
    services: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by team
    hours: Mapping[str, Hours] = field(default_factory=dict)

    def scores(self, sentence: NDArray[np.float32]) -> list[dict[str, float]]:
        """Per text and team the probability by description alone; each row sums to 1."""
        cosines = sentence @ self.vectors.T
        best = np.full((len(sentence), len(self.names)), -1.0)
        for k in range(len(self.names)):
            best[:, k] = cosines[:, self.owner == k].max(1)
        raised = np.exp(SHARPNESS * (best - best.max(1, keepdims=True)))
        shares = raised / raised.sum(1, keepdims=True)
        return [dict(zip(self.names, map(float, row), strict=True)) for row in shares]

    def ranked(self, learned: Mapping[str, float], described: Mapping[str, float]) -> list[tuple[str, float]]:
        """Teams by falling probability, learned and described together; only described teams are on offer."""
        known = {name: learned[name] for name in self.names if name in learned}
        weight = _LEARNED_WEIGHT * (len(known) / len(self.names))
        total = sum(known.values()) or 1.0
        mixed = {
            name: weight * known.get(name, 0.0) / total + (1 - weight) * described.get(name, 0.0) for name in self.names
        }
        return sorted(mixed.items(), key=lambda pair: -pair[1])


def load(path: Path, encoder: Encoder) -> Teams:
    """Raises SettingsError: not TOML, no team, an unknown key."""
    try:
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not TOML: {error}") from None
    if not 0 < len(tables) <= TEAMS_MAX:
        raise SettingsError(f"{path}: {len(tables)} teams; describe 1 to {TEAMS_MAX}, each in a table of its own")
    entries: dict[str, TeamEntry] = {}
    for name, table in tables.items():
        try:
            entries[name] = TeamEntry.model_validate(table)
            hours(entries[name].hours)
        except SettingsError as error:
            raise SettingsError(f"{path}: [{name}] {error}") from None
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise SettingsError(f"{path}: [{name}] {where}: {first['msg']}") from None
    return describe(entries, encoder)


def describe(entries: Mapping[str, TeamEntry], encoder: Encoder) -> Teams:
    """The vectors of what teams say of themselves."""
    texts: list[str] = []
    owner: list[int] = []
    for k, (name, entry) in enumerate(entries.items()):
        said: Sequence[str] = (f"{name.replace('_', ' ')}: {entry.owns}", *entry.services, *entry.examples)
        texts += said
        owner += [k] * len(said)
    services = {name: entry.services for name, entry in entries.items() if entry.services}
    there = {name: hours(entry.hours) for name, entry in entries.items() if entry.hours}
    return Teams(tuple(entries), encoder.encode(texts).sentence, np.array(owner, np.intp), services, there)
