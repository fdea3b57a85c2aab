"""Rules a service desk would write down: each is seen in the answer, and sets a floor under the learned urgency.

Rules add nothing to the accuracy of a head trained on many tickets; they are there for what a head cannot know (who
is affected, who asks, which service is critical) and for the first day. So they never lower or outvote silently: a
rule that holds says so, and lifts urgency or impact to its floor.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import re2

LEVELS = ("low", "medium", "high")


class Held(NamedTuple):
    """A rule that holds: `output` (urgency or impact) is at least `floor`."""

    output: str
    floor: str
    why: str


class _Rule(NamedTuple):
    output: str
    floor: str
    pattern: Any
    why: str


def _rule(output: str, floor: str, pattern: str, why: str) -> _Rule:
    return _Rule(output, floor, re2.compile(f"(?i){pattern}"), why)


_EVERYBODY = (
    r"\b(everyone|everybody|nobody|no one|no-one"
    r"|all (our )?(users|customers|staff|employees|sites|stores|students|patients)"
    r"|(the )?(whole|entire) (company|office|site|team|department|building|floor|school|plant))\b"
)
_STOPPED = r"\b(down|offline|cannot|can't|can not|unable|locked out|no access|not work\w*|stopped|without)\b"
_SERVICE = r"\b(production|prod|website|web ?shop|checkout|payments?|server|service|site|system|network)\b"
_DOWN = r"\b(is|are|went|has been|been)\b[^.!?\n]{0,12}\b(down|offline|unreachable|unavailable)\b"
_BREACH = (
    r"\b(ransom\w*|breach(ed)?|data leak|leaked|compromised|hacked|malware|intruder|unauthori[sz]ed access"
    r"|phish\w*[^.!?\n]{0,40}(clicked|entered|password))\b"
)
_HOURS = (
    r"\b(within|in|next) (the )?(next )?(\d{1,2}|one|two|three|an?|half an) ?"
    r"(minutes?|mins?|hours?|hrs?|h)\b"
)
_DAY = r"\b(by|before|until) (tomorrow|tonight|end of (the )?day|eod|noon|cob)\b"
_RULES = (
    _rule("urgency", "high", _EVERYBODY + r"[^.!?\n]{0,60}" + _STOPPED, "many people cannot work"),
    _rule("impact", "medium", _EVERYBODY + r"[^.!?\n]{0,60}" + _STOPPED, "a whole group is affected"),
    _rule("urgency", "high", _SERVICE + r"[^.!?\n]{0,40}" + _DOWN, "a service is down"),
    _rule("impact", "medium", _SERVICE + r"[^.!?\n]{0,40}" + _DOWN, "a service is down"),
    _rule(
        "urgency",
        "high",
        r"\b(nobody|no one|no-one|none of us) (here )?(can|is able|gets)\b",
        "many people cannot work",
    ),
    _rule("urgency", "high", _BREACH, "a security incident"),
    _rule("urgency", "high", _HOURS, "a deadline within hours"),
    _rule("urgency", "medium", _DAY, "a deadline"),
)
_VIP_FLOOR, _AFFECTED = "medium", ((100, "high"), (5, "medium"))


def held(text: str, attributes: Mapping[str, Any]) -> Iterator[Held]:
    """The rules that hold, by the text and by what the intake system knows: `vip` (true), `affected_users` (number),
    `service_criticality` (low, medium, high)."""
    for rule in _RULES:
        if rule.pattern.search(text):
            yield Held(rule.output, rule.floor, rule.why)
    if attributes.get("vip") is True:
        yield Held("urgency", _VIP_FLOOR, "the requester is a VIP")
    affected = attributes.get("affected_users")
    if isinstance(affected, int | float) and not isinstance(affected, bool):
        for least, floor in _AFFECTED:
            if affected >= least:
                yield Held("impact", floor, f"{affected:g} users are affected")
                break
    if attributes.get("service_criticality") in LEVELS:
        floor = str(attributes["service_criticality"])
        yield Held("impact", floor, f"the service's criticality is {floor}")


def lifted(label: str, output: str, rules: list[Held]) -> tuple[str, list[Held]]:
    """The label after the floors, and the rules that lifted it."""
    mine = [rule for rule in rules if rule.output == output and LEVELS.index(rule.floor) > LEVELS.index(label)]
    if not mine:
        return label, []
    top = max(mine, key=lambda rule: LEVELS.index(rule.floor)).floor
    return top, [rule for rule in mine if rule.floor == top]
