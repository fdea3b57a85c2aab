"""Compiled code follows its sources."""

import os
from pathlib import Path

from aiops.compiled import forget_stale


def test_what_is_older_than_any_source_is_forgotten(tmp_path: Path) -> None:
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    times_s = {"kernel.py": 100, "part.py": 300, "__pycache__/old.nbi": 200, "__pycache__/new.nbi": 400}
    for name, time_s in times_s.items():
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (time_s, time_s))
    forget_stale(str(tmp_path / "kernel.py"))
    assert [path.name for path in cache.iterdir()] == ["new.nbi"]
