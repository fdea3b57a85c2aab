"""Real processes for tests: started on free loopback ports, waited for, and stopped by handle."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], bool], what: str, patience_s: float = 60, pause_s: float = 0.2) -> None:
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {patience_s:.0f} s: {what}"
        time.sleep(pause_s)


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


@contextmanager
def running(command: list[str], ready_url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that answers at `ready_url`; what it says goes to `log`."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_until(lambda: process.poll() is not None or answers(ready_url), f"{command[0]} answers", 120)
            assert process.poll() is None, log.read_text()[-2000:]
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(30)


@contextmanager
def running_aiops(data_dir: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`aiops serve` with its data in `data_dir`: its URL and its process."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "aiops", "serve", "--port", url.rsplit(":", 1)[1], "--data-dir", str(data_dir)]
    data_dir.mkdir(parents=True, exist_ok=True)
    with running([*command, *options], f"{url}/readyz", data_dir / "log.txt") as process:
        yield url, process


@contextmanager
def running_postgres(folder: Path) -> Iterator[str]:
    """A private PostgreSQL cluster in `folder`, gone afterwards: the SQLAlchemy URL of an empty database."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    port, data = free_port(), folder / "cluster"
    prefix: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        prefix = ["runuser", "-u", "postgres", "--"]
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"

    def call(program: str, *arguments: str) -> None:
        with (folder.parent / "postgres.log").open("ab") as log:
            command = [*prefix, str(programs / program), *arguments]
            subprocess.run(command, check=True, timeout=60, stdout=log, stderr=log, cwd="/")

    call("initdb", "-D", str(data), "-U", "aiops", "--auth=trust", "--encoding=UTF8")
    call("pg_ctl", "-D", str(data), "-o", options, "-w", "-l", str(folder / "server.log"), "start")
    try:
        yield f"postgresql+psycopg://aiops@127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
