"""Compiled code follows its sources."""

import os
import sys
from pathlib import Path

from aiops.compiled import forget_stale, is_kept


def test_what_is_older_than_any_source_is_forgotten(tmp_path: Path) -> None:
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    times_s = {"kernel.py": 100, "part.py": 300, "__pycache__/old.nbi": 200, "__pycache__/new.nbi": 400}
    for name, time_s in times_s.items():
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (time_s, time_s))
    forget_stale(str(tmp_path / "kernel.py"))
    assert [path.name for path in cache.iterdir()] == ["new.nbi"]


def test_compiled_code_is_kept_only_where_it_is_of_this_module_and_python(tmp_path: Path) -> None:
    module = str(tmp_path / "kernel.py")
    assert not is_kept(module)
    (tmp_path / "__pycache__").mkdir()
    for other in ("kernel.ingest-1.py27.nbi", "kernels.ingest-1.py311.nbi"):
        (tmp_path / "__pycache__" / other).write_text("")
    assert not is_kept(module)
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    (tmp_path / "__pycache__" / f"kernel.ingest-1.{python}.nbi").write_text("")
    assert is_kept(module)
