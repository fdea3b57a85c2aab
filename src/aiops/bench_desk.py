"""How fast triage is for who asks it: the real service on a loopback port, one ticket at a time and in batches.

The service is held to one core, and no text comes twice, so that none is answered from memory. Texts are sentences of
tickets in an order of their own, cut to so many tokens of the encoder; latency is that of the whole request.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import tokenizers

from aiops.bench_ingest import await_ready, cpu_s, running
from aiops.desk import ENCODER, shipped_models

SIZES = (40, 128)  # tokens: a mail, and all that the encoder reads
BATCH = 32
_WARM_UP = 40  # requests, untimed
_SENTENCES = (
    "Since the update this morning the VPN drops every {n} minutes and asks for my password again.",
    "I cannot open the share \\\\files{n}\\finance, it says access denied.",
    "The printer on floor {n} prints empty pages.",
    "Nobody in the Lyon office can log in to the ERP, order entry has stopped.",
    "Error 0x8004{n:04d} appears when Outlook starts and then it closes.",
    "Could you please add Amira to the payroll group, she starts on Monday?",
    "We were charged twice for invoice {n} and I still wait for the refund.",
    "The checkout answers 502 for about {n} % of our customers.",
    "Disk /data on db-{n} is 97 % full and grows by 3 GB an hour.",
    "How do I set an out of office reply for a shared mailbox?",
    "My laptop does not charge any more, I tried another cable and another socket.",
    "This is the third time I write and I am really disappointed.",
    "Thanks a lot, you have been very helpful last week!",
    "We need it before the audit at 3 pm today.",
    "The nightly backup of host app{n} failed with exit code 13.",
    "I clicked on a link in a strange mail and entered my password.",
    "Please order {n} monitors for the new colleagues in the Dublin office.",
    "It worked yesterday; nothing was changed on our side as far as I know.",
    "The badge reader at door {n} stays red, people wait outside.",
    "The report shows last year's figures after the migration to version 7.{n}.",
)


def bench_desk(requests: int, seed: int, folder: Path) -> dict[str, Any]:
    """`requests` single tickets of each size and as many in batches, to a service with its data in `folder`."""
    serve = [sys.executable, "-m", "aiops", "serve", "--port", "0", "--data-dir", str(folder)]
    quiet = {"AIOPS_LOG_LEVEL": "error"}
    with running(serve, quiet) as server, _client(server) as client:  # the first start of an installation compiles
        await_ready(client, "/readyz")
    started = time.perf_counter()
    with running(serve, quiet) as server, _client(server) as client:
        await_ready(client, "/readyz", pause_s=0.005)
        ready_s = time.perf_counter() - started
        _hold_to_one_core(server.pid)
        texts = _texts(seed)
        for _ in range(_WARM_UP):
            _triage(client, next(texts)(SIZES[0]))
        figures: dict[str, Any] = {"ready_s": round(ready_s, 2), "rss_at_start_bytes": _rss_bytes(server.pid)}
        for tokens in SIZES:
            figures[f"tokens_{tokens}"] = _single(client, server.pid, texts, tokens, requests)
        figures[f"batches_of_{BATCH}"] = _batches(client, server.pid, texts, requests)
        return figures | {"rss_bytes": _rss_bytes(server.pid)}


def _client(server: "subprocess.Popen[str]") -> httpx2.Client:
    assert server.stdout
    return httpx2.Client(base_url=server.stdout.readline().split()[-1], timeout=60)


def _texts(seed: int) -> Iterator[Any]:
    """Functions of a number of tokens: one new text each."""
    tokenizer = tokenizers.Tokenizer.from_file(str(shipped_models() / ENCODER / "tokenizer.json"))
    rng = random.Random(seed)
    number = 0
    while True:
        number += 1
        order = rng.sample(_SENTENCES, len(_SENTENCES))
        whole = " ".join(one.format(n=(rng.randrange(10_000))) for one in order)

        def cut(tokens: int, whole: str = f"Case {number}: {whole}") -> str:
            offsets = tokenizer.encode(whole).offsets  # the last but one token is a text's, the last is [SEP]
            return whole[: offsets[min(tokens, len(offsets)) - 2][1]]

        yield cut


def _single(client: httpx2.Client, pid: int, texts: Iterator[Any], tokens: int, requests: int) -> dict[str, float]:
    took_ms, own_ms = [], []
    bodies = [next(texts)(tokens) for _ in range(requests)]
    cpu_started = cpu_s(pid)
    for text in bodies:
        started = time.perf_counter()
        reply = _triage(client, text)
        took_ms.append(1000 * (time.perf_counter() - started))
        own_ms.append(reply["took_ms"])
    cpu_ms = 1000 * (cpu_s(pid) - cpu_started) / requests
    p50, p99, own = *np.percentile(took_ms, [50, 99]), float(np.median(own_ms))
    named = {"p50_ms": p50, "p99_ms": p99, "triage_p50_ms": own, "cpu_ms": cpu_ms}
    return {name: round(float(value), 2) for name, value in named.items()}


def _batches(client: httpx2.Client, pid: int, texts: Iterator[Any], requests: int) -> dict[str, float]:
    bodies = [[{"body": next(texts)(SIZES[0])} for _ in range(BATCH)] for _ in range(max(1, requests // BATCH))]
    started, cpu_started = time.perf_counter(), cpu_s(pid)
    for body in bodies:
        client.post("/v1/triage", json={"tickets": body}).raise_for_status()
    wall_s, used_s = time.perf_counter() - started, cpu_s(pid) - cpu_started
    count = BATCH * len(bodies)
    return {"tickets_per_s": round(count / wall_s, 1), "tickets_per_cpu_s": round(count / max(used_s, 0.01), 1)}


def _triage(client: httpx2.Client, text: str) -> dict[str, Any]:
    title, _, body = text.partition(": ")
    reply = client.post("/v1/triage", json={"title": title, "body": body})
    if reply.status_code != 200:
        raise RuntimeError(f"the service answered {reply.status_code}: {reply.text}")
    found: dict[str, Any] = json.loads(reply.content)
    return found


def _hold_to_one_core(pid: int) -> None:
    """Every thread of the process; the client keeps the other cores."""
    core = min(os.sched_getaffinity(0))
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def _rss_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS:")).split()[1])
