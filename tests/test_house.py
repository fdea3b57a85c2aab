"""The house checks itself: direction of imports, what must not be imported or written, and that the README runs."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "aiops").rglob("*.py"))
FLOORS = (
    ("errors", "config", "log", "compiled"),
    ("metrics", "simulator"),
    ("detection", "incidents", "store", "tickets"),
    (
        "observation",
        "reply",
        "arrival",
        "telling",
        "finding",
        "evidence",
        "watch",
        "eviction",
        "keeping",
        "memory",
        "service",
        "score",
        "learning",
        "desk",
        "past",
        "installation_key",
        "intake",
        "ticket_decisions",
        "ticket_linking",
        "triage_table",
        "similar_table",
    ),
    (
        "api",
        "backtest",
        "bench",
        "bench_budget",
        "bench_desk",
        "bench_entities",
        "bench_ingest",
        "bench_joint",
        "bench_peers",
        "bench_similar",
        "bench_snapshot",
        "bench_triage",
        "demo",
    ),
    ("terminal",),
    ("ticket_commands", "similar_commands"),
    ("cli", "__main__"),
)
NEIGHBOURS = {  # rooms of one floor that may know each other, and how
    ("config", "errors"),
    ("simulator", "metrics"),
    ("store", "incidents"),
    ("service", "observation"),
    ("service", "reply"),
    ("service", "arrival"),
    ("arrival", "reply"),
    ("service", "telling"),
    ("telling", "observation"),
    ("service", "finding"),
    ("service", "watch"),
    ("watch", "finding"),
    ("service", "evidence"),
    ("evidence", "reply"),
    ("service", "eviction"),
    ("service", "keeping"),
    ("keeping", "observation"),
    ("keeping", "telling"),
    ("service", "memory"),
    ("eviction", "observation"),
    ("eviction", "watch"),
    ("store", "tickets"),
    ("intake", "desk"),
    ("intake", "ticket_decisions"),
    ("intake", "ticket_linking"),
    ("ticket_decisions", "desk"),
    ("intake", "installation_key"),
    ("desk", "past"),
    ("demo", "api"),
    ("demo", "bench_ingest"),
    ("bench_ingest", "bench"),
    ("bench_desk", "bench_ingest"),
    ("bench_peers", "bench"),
    ("bench_snapshot", "bench"),
    ("bench_budget", "demo"),
    ("bench_joint", "bench"),
    ("bench_joint", "bench_budget"),
    ("bench_joint", "demo"),
    ("__main__", "cli"),
}
HEAVY = ("torch", "mlflow", "pandas", "sentence_transformers", "pickle", "joblib", "dill")
LINES_MAX = 500


def floor(room: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room in rooms)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "aiops").parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_imports_point_down(path: Path) -> None:
    mine = room_of(path)
    if mine == "__init__":
        return
    for name in imports(path):
        assert name.split(".")[0] not in HEAVY, f"{name} must not be needed to serve"
        parts = name.split(".")
        if parts[0] != "aiops" or len(parts) < 2 or not any(parts[1] in rooms for rooms in FLOORS):
            continue
        theirs = parts[1]
        is_allowed = theirs == mine or floor(theirs) < floor(mine) or (mine, theirs) in NEIGHBOURS
        assert is_allowed, f"{mine} imports {name}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_every_file_is_in_order(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a file opens with its idea"
    assert len(text.splitlines()) <= LINES_MAX
    assert not re.search(r"\b(TODO|FIXME|XXX)\b", text)
    if room_of(path) != "cli":
        assert not re.search(r"^\s*print\(", text, re.M), "only the command line prints"
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else ""
            if caught in ("", "Exception", "BaseException"):
                assert "outermost loop" in text.splitlines()[node.lineno - 1], f"line {node.lineno}: broad except"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_what_is_public_is_explained(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            is_schema = "api" in path.parts or path.name == "config.py"  # fields explain themselves
            assert ast.get_docstring(node) or is_schema, node.name


RE2_ONLY = ("language", "markup", "personal_data", "redaction", "secret", "text")


def test_foreign_text_is_matched_in_linear_time() -> None:
    for path in SOURCES:
        if path.parent.name == "tickets" and path.stem in RE2_ONLY:
            assert not {"re", "regex"} & {name.split(".")[0] for name in imports(path)}, f"{path.name}: RE2 only"


def test_the_core_install_is_light() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[\[<>=; ]", requirement)[0].lower() for requirement in project["dependencies"]}
    assert not names & {"torch", "mlflow", "pandas", "sentence-transformers", "scikit-learn", "transformers"}
    assert {"train", "postgres", "dev"} <= set(project["optional-dependencies"])


def test_the_changelog_speaks_to_operators() -> None:
    lines = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("- ")]
    assert lines
    assert all(re.match(r"- \[(CHANGE|FEATURE|ENHANCEMENT|FIX)\] [a-z ]+: .", line) for line in lines)


def test_the_readme_names_commands_that_exist() -> None:
    from typer.main import get_command

    from aiops.cli import app

    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"make ([a-z-]+)", readme)) <= targets
    commands = set(get_command(app).commands)  # type: ignore[attr-defined]
    assert set(re.findall(r"aiops ([a-z]+)\b", " ".join(re.findall(r"`[^`]*`", readme)))) <= commands
