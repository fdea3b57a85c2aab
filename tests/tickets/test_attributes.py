"""Attributes through the door and back."""

from typing import Any

import pytest

from aiops.errors import InputError
from aiops.tickets import attributes
from aiops.tickets.redaction import redact_all


def passed(given: dict[str, Any]) -> dict[str, Any]:
    return attributes.rebuilt(given, [one.text for one in redact_all(attributes.lines(given))])


def test_what_is_not_personal_comes_back_as_it_was() -> None:
    given: dict[str, Any] = {
        "vip": True,
        "affected_users": 12,
        "ratio": 0.5,
        "none": None,
        "tags": ["a", {"b": [1, "x: y"]}],
        "": {},
    }
    assert passed(given) == given


def test_values_and_keys_are_read_with_what_they_are_called() -> None:
    given = {
        "mail": "ann@example.com",
        "password": "hunter2-Zebra",
        "contact": {"phone": "+49 151 23456789", "note": "call ann@example.com"},
        "bob@example.com": [True, "x"],
        "card": 4111111111111111,
    }
    assert passed(given) == {
        "mail": "[email 1]",
        "password": "[password 1]",
        "contact": {"phone": "[phone 1]", "note": "call [email 1]"},
        "[email 2]": [True, "x"],
        "card": "[card 1]",
    }


def test_too_deep_is_told() -> None:
    deep: dict[str, Any] = {}
    for _ in range(attributes.DEPTH_MAX + 1):
        deep = {"a": deep}
    with pytest.raises(InputError, match="nested deeper"):
        attributes.lines(deep)
