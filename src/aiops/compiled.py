"""Compiled code kept on disk must follow its sources.

numba keeps what it compiled beside the module and compares only that module's own time with it. Our kernels are put
together from several files, so a change in one of the others would go unnoticed: what is older than any source of its
folder is forgotten before it is loaded.
"""

import sys
from contextlib import suppress
from pathlib import Path

FIRST_START = "the first start of an installation compiles for about half a minute"


def is_kept(module: str) -> bool:
    """Whether compiled code of this Python lies beside `module` (a file name)."""
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    return any((Path(module).parent / "__pycache__").glob(f"{Path(module).stem}.*{python}.nbi"))


def forget_stale(module: str) -> None:
    """Removes compiled code beside `module` (a file name) that is older than the newest source there."""
    folder = Path(module).parent
    newest = max(source.stat().st_mtime for source in folder.glob("*.py"))
    for index in (folder / "__pycache__").glob("*.nbi"):
        with suppress(OSError):  # another process did it, or the folder is not ours: pip renews all files at once
            if index.stat().st_mtime < newest:
                index.unlink()
