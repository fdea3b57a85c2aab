"""Compiled code kept on disk must follow its sources.

numba keeps what it compiled beside the module and compares only that module's own time with it. Our kernels are put
together from several files, so a change in one of the others would go unnoticed: what is older than any source of its
folder is forgotten before it is loaded.
"""

from contextlib import suppress
from pathlib import Path


def forget_stale(module: str) -> None:
    """Removes compiled code beside `module` (a file name) that is older than the newest source there."""
    folder = Path(module).parent
    newest = max(source.stat().st_mtime for source in folder.glob("*.py"))
    for index in (folder / "__pycache__").glob("*.nbi"):
        with suppress(OSError):  # another process did it, or the folder is not ours: pip renews all files at once
            if index.stat().st_mtime < newest:
                index.unlink()
