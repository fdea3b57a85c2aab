"""A recipe: the options of a training in a TOML file, so that next month's training is this month's.

    from-store = "data"
    out = "models/acme"
    protect = ["team=security,sre"]

Names are those of the options without their dashes; what is given on the command line wins. Paths are as written: from
where the command is run.
"""

import argparse
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aiops.errors import InputError

_PATHS = ("out", "data", "validation", "champion", "encoder")
_ADDED = ("target", "protect")  # may be repeated
_LISTS = (*_ADDED, "shares")


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options in force. Raises InputError for a recipe that says something that is no option."""
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--recipe", type=Path)
    path = first.parse_known_args(arguments)[0].recipe
    if path:
        known = {action.dest for action in parser._actions} - {"help", "recipe"}
        parser.set_defaults(**{name: _value(name, value, known, path) for name, value in _read(path).items()})
    given = parser.parse_args(arguments)
    for name in _ADDED:  # argparse adds to a default list: what was said on the command line stands alone
        said, written = getattr(given, name), parser.get_default(name)
        if path and written and len(said) > len(written):
            setattr(given, name, said[len(written) :])
    return given


def _read(path: Path) -> dict[str, Any]:
    try:
        read = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: not TOML: {error}") from None
    return {name.replace("-", "_"): value for name, value in read.items()}


def _value(name: str, value: Any, known: set[str], path: Path) -> Any:
    if name not in known:
        names = ", ".join(sorted(one.replace("_", "-") for one in known))
        raise InputError(f"{path}: {name.replace('_', '-')!r} is no option; there are {names}")
    if name in _LISTS:
        if not isinstance(value, list):
            raise InputError(f"{path}: {name}: a list is needed")
        return [float(one) if name == "shares" else str(one) for one in value]
    if isinstance(value, list | dict):
        raise InputError(f"{path}: {name}: one value is needed")
    return Path(str(value)) if name in _PATHS else value
