"""Recipes: the options of a training in a file; the command line wins, and mistakes are named."""

from pathlib import Path

import pytest

from aiops.errors import InputError
from training import recipe
from training.triage import main, parser

RECIPES = Path(recipe.__file__).parent / "recipes"


def parsed(tmp_path: Path, text: str, *arguments: str) -> dict[str, object]:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return vars(recipe.parse(parser(), ["--recipe", str(path), *arguments]))


def test_a_recipe_is_the_options_and_the_command_line_wins(tmp_path: Path) -> None:
    text = 'from-store = "data"\nout = "models/acme"\nprotect = ["team=sre"]\nshares = [0.5]\nno-authored = true'
    given = parsed(tmp_path, text)
    assert (given["from_store"], given["out"], given["protect"]) == ("data", Path("models/acme"), ["team=sre"])
    assert (given["no_authored"], given["shares"], given["track"]) == (True, [0.5], None)
    changed = parsed(tmp_path, text, "--protect", "team=security", "--out", "x", "--shares", "0.1", "0.2", "0.3")
    assert (changed["protect"], changed["out"]) == (["team=security"], Path("x"))
    assert changed["shares"] == [0.1, 0.2, 0.3]


@pytest.mark.parametrize(
    ("text", "told"),
    [("outt = 1", "'outt' is no option; there are .*out"), ("out = [1]", "out: one value"), ("out", "not TOML"),
     ('target = "a"', "target: a list")],
)  # fmt: skip
def test_mistakes_are_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        parsed(tmp_path, text)


def test_a_recipe_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recipe", "nowhere.toml"]) == 2
    assert "nowhere.toml: No such file" in capsys.readouterr().err
    assert main([]) == 2
    assert "--out is needed" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_recipes_that_come_along_can_be_read(path: Path) -> None:
    given = recipe.parse(parser(), ["--recipe", str(path)])
    assert given.out and given.track == ""
