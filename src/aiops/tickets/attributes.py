"""Attributes of a ticket as lines of text and back, so that they pass the same door as its title and body.

`{"contact": {"phone": "0151 23456789"}}` is read as `phone: 0151 23456789`: the key tells what the value is, as it
would in a sentence. Numbers are read too; what nothing is taken from stays what it was.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from aiops.errors import InputError

DEPTH_MAX = 6


def lines(attributes: Mapping[str, Any]) -> list[str]:
    """Keys and values in one order. Raises InputError for what is nested deeper than DEPTH_MAX."""
    return list(_lines("", attributes, 0))


def rebuilt(attributes: Mapping[str, Any], redacted: list[str]) -> dict[str, Any]:
    """The same attributes with the lines as they came back, in the same order."""
    found = _rebuilt("", attributes, iter(redacted))
    assert isinstance(found, dict)
    return found


def _lines(key: str, value: Any, depth: int) -> Iterator[str]:
    if depth > DEPTH_MAX:
        raise InputError(f"attributes: nested deeper than {DEPTH_MAX}")
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield name
            yield from _lines(name, one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            yield from _lines(key, one, depth + 1)
    elif value is not None and not isinstance(value, bool):
        yield f"{key}: {value}"


def _rebuilt(key: str, value: Any, redacted: Iterator[str], shown: str = "") -> Any:
    if isinstance(value, Mapping):
        found: dict[str, Any] = {}
        for name, one in value.items():
            after = next(redacted)
            found[after] = _rebuilt(name, one, redacted, after)
        return found
    if isinstance(value, list):
        return [_rebuilt(key, one, redacted, shown) for one in value]
    if value is None or isinstance(value, bool):
        return value
    line, ending = next(redacted), f": {value}"
    if line in (key + ending, shown + ending):
        return value
    return line.removeprefix(f"{key}: ").removeprefix(f"{shown}: ")
