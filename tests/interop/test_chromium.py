"""What people look at, in a real browser that reaches nothing but this machine: the report of a replay, and /docs.

A script at the end of the page measures what the browser laid out, and is read back from the page as it then stands.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from typer.testing import CliRunner

from aiops.cli import app
from tests.processes import running_aiops

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]
PROBE = """<script>
const inside = (inner, outer) => inner.left >= outer.left - 1 && inner.right <= outer.right + 1
  && inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1;
const box = element => element.getBoundingClientRect();
const found = {
  pictures: [...document.querySelectorAll("svg")].map(svg => ({
    width: box(svg).width, height: box(svg).height, lines: svg.querySelectorAll("path").length,
    cut: [...svg.querySelectorAll("text")].filter(text => !inside(box(text), box(svg))).map(text => text.textContent),
  })),
  wider_by: document.documentElement.scrollWidth - document.documentElement.clientWidth,
};
const said = document.body.appendChild(document.createElement("pre"));
said.id = "probe";
said.textContent = JSON.stringify(found);
</script>"""


def shown(url: str, profile: Path, width: int = 1000) -> str:
    """The page as a browser of this width has it after its scripts ran; no console message may be an error."""
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr"]
    command += [f"--user-data-dir={profile}", f"--window-size={width},900", "--virtual-time-budget=20000"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--dump-dom", url]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line and re.search("error|refused", line, re.I)]
    assert done.returncode == 0 and not said, (done.returncode, said)
    return done.stdout


def test_the_report_of_a_replay_is_laid_out_whole_on_wide_and_narrow_screens(tmp_path: Path) -> None:
    rng, times = np.random.default_rng(0), np.arange(4000)
    values = 50 + 10 * np.sin(times / 288 * 2 * np.pi) + rng.normal(size=4000) + 40 * ((times >= 3500) & (times < 3512))
    rows = [f"{1_767_571_200 + 300 * k},{value:.3f}" for k, value in enumerate(values)]
    (tmp_path / "latency.csv").write_text("\n".join(["timestamp,value", *rows]))
    report = tmp_path / "report.html"
    done = CliRunner().invoke(app, ["backtest", str(tmp_path / "latency.csv"), "--report", str(report)])
    assert done.exit_code == 0, done.output
    report.write_text(report.read_text().replace("</body>", PROBE + "</body>"))
    for width in (1000, 500):
        page = shown(report.as_uri(), tmp_path / f"profile{width}", width)
        found: dict[str, Any] = json.loads(html.unescape(page.split('<pre id="probe">')[1].split("</pre>")[0]))
        assert len(found["pictures"]) >= 2
        for picture in found["pictures"]:
            assert picture["width"] > 200, picture
            assert picture["cut"] == []
        assert max(picture["lines"] for picture in found["pictures"]) > 0
        assert found["wider_by"] <= 0  # nothing to scroll sideways for


def test_the_documentation_needs_no_other_host(tmp_path: Path) -> None:
    with running_aiops(tmp_path / "data") as (url, _):
        routes = httpx2.get(f"{url}/openapi.json").json()["paths"]
        page = shown(f"{url}/docs", tmp_path / "profile")
    assert not [route for route in routes if f'data-path="{route}"' not in page and route not in html.unescape(page)]
