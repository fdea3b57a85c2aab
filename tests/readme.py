"""Runs what the README shows, as a reader would: serve, curl and compare the answer, score a file.

`python tests/readme.py` from the root of a set-up checkout. `make demo` and `make test` are run by themselves.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.processes import running_aiops

ROOT = Path(__file__).parents[1]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.S)


def main() -> None:
    shell = "\n".join(blocks("sh"))
    curls = re.findall(r"curl -s (?:[^\\\n]|\\\n|\\.)*", shell)
    assert len(curls) == 3, curls
    answer, triaged = blocks("json")
    with tempfile.TemporaryDirectory() as folder, running_aiops(Path(folder)) as (url, _):
        said = [run(curl.replace("http://127.0.0.1:8080", url)) for curl in curls]
        assert json.loads(said[0]) == json.loads(answer), said[0]
        assert json.loads(said[1]) == {"items": [], "next_cursor": None}, said[1]
        assert_part_of(json.loads(triaged), json.loads(said[2]))
        Path(folder, "metric.csv").write_text(
            "timestamp,value\n" + "".join(f"{60 * k},{k % 5}\n" for k in range(1, 99))
        )
        score = next(line for line in shell.splitlines() if " score " in line)
        run(score.replace(".venv/bin", str(ROOT / ".venv" / "bin")), cwd=folder)
        replay = next(line for line in shell.splitlines() if " backtest metric.csv" in line)
        assert "98 samples" in run(replay.replace(".venv/bin", str(ROOT / ".venv" / "bin")), cwd=folder)
        Path(folder, "tickets.csv").write_text("id,title,body\nT-1,VPN drops,every ten minutes\n")
        triage = next(line for line in shell.splitlines() if "aiops triage" in line)
        run(triage.replace(".venv/bin", str(ROOT / ".venv" / "bin")), cwd=folder)
        assert ",network," in Path(folder, "triaged.csv").read_text().replace('"', "")
        Path(folder, "past_tickets.csv").write_text(
            "id,title,body,resolution\nP-1,VPN drops,every few minutes,new driver\n"
        )
        for command in (line for line in shell.splitlines() if "aiops index" in line or "aiops similar" in line):
            said.append(run(command.replace(".venv/bin", str(ROOT / ".venv" / "bin")), cwd=folder))
        assert "new driver" in said[-2], said[-2]
        assert "P-1" in Path(folder, "similar.csv").read_text()
        lines = Path(folder, "scored.csv").read_text().splitlines()
        assert len(lines) == 99, len(lines)
    sys.stdout.write(f"README: {len(curls)} requests and one file answered as shown\n")


def assert_part_of(shown: Any, said: Any) -> None:
    """What the README shows of a long answer must be in it."""
    if isinstance(shown, dict):
        for key, value in shown.items():
            assert_part_of(value, said[key])
    elif isinstance(shown, list):
        for one, other in zip(shown, said, strict=True):
            assert_part_of(one, other)
    else:
        assert shown == said, (shown, said)


def run(command: str, cwd: str | None = None) -> str:
    return subprocess.run(command, shell=True, cwd=cwd, capture_output=True, text=True, timeout=120, check=True).stdout


if __name__ == "__main__":
    main()
