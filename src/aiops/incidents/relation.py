"""What belongs together: the entities a series is of, and which entities are neighbours."""

from collections.abc import Mapping, Sequence

from aiops.metrics.series import Labels

Entity = tuple[str, str]
HOPS = 2  # neighbours of neighbours: a slow database is felt two services up


def entities_of(labels: Labels, entity_labels: Sequence[str]) -> list[Entity]:
    """All entities a series belongs to, in the order of `entity_labels`; a series with none stands for itself."""
    mapping = dict(labels)
    found = [(name, mapping[name]) for name in entity_labels if name in mapping]
    return found or [("series", repr([pair for pair in labels if pair[0] != "__name__"] or labels))]


def neighbourhood(depends_on: Mapping[str, Sequence[str]], hops: int = HOPS) -> dict[str, frozenset[str]]:
    """Entity value -> values within `hops` dependencies of it, in either direction."""
    links: dict[str, set[str]] = {}
    for above, below in depends_on.items():
        for other in below:
            links.setdefault(above, set()).add(other)
            links.setdefault(other, set()).add(above)
    reach = {}
    for start in links:
        seen = {start}
        for _ in range(hops):
            seen |= {other for value in seen for other in links[value]}
        reach[start] = frozenset(seen - {start})
    return reach
