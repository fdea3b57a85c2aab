"""A similarity index on disk: plain arrays, the items as text, and a manifest that names both by their digest.

Each save writes files of a new number; the manifest, replaced last, says which count, so that a reader beside a writer
and a power cut find one whole index, the old or the new. Nothing in it is code.
"""

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from aiops.errors import SnapshotError
from aiops.tickets import terms
from aiops.tickets.past_rows import PastItem, Rows
from aiops.tickets.similar_kernel import HEAD

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_BYTES_MAX = 64 * 1024 * 1024
_ARRAYS = ("head", "tail", "scale", "crowd", "starts", "columns", "counts", "tenant", "created")


def save(folder: Path, rows: Rows, arrays: dict[str, NDArray[Any]], encoder_digest: str) -> int:
    """`rows` all live; `arrays` are kept with them. Returns bytes. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    number = _number(folder) + 1
    arrays = arrays | {f"rows.{name}": getattr(rows, name).array for name in _ARRAYS}
    arrays["ends"] = np.cumsum([len(one) for one in rows.records], dtype=np.int64)
    parts = {
        f"rows.{number}.safetensors": save_arrays({key: np.ascontiguousarray(one) for key, one in arrays.items()}),
        f"items.{number}.msgpack": b"".join(rows.records),
    }
    manifest = {
        "format": FORMAT,
        "kind": "similar",
        "number": number,
        "items": len(rows),
        "terms": terms.HASH_NAME,
        "encoder": encoder_digest,
        "tenants": list(rows.tenants),
        "sha256": {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()},
    }
    for name, part in (parts | {MANIFEST: json.dumps(manifest).encode()}).items():
        draft = folder / f"{name}.draft"
        with draft.open("wb") as file:
            file.write(part)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / name)
    for path in folder.iterdir():
        if path.name not in (*parts, MANIFEST):
            with suppress(OSError):  # the next save will try again
                path.unlink()
    return sum(map(len, parts.values()))


def load(folder: Path, encoder_digest: str) -> tuple[Rows, dict[str, NDArray[Any]]]:
    """The rows and the arrays kept with them. Raises SnapshotError, and says why."""
    try:
        manifest = _manifest(folder)
        if manifest["encoder"] != encoder_digest or manifest["terms"] != terms.HASH_NAME:
            raise SnapshotError(f"{folder} was made with another encoder or hash: index the past again")
        raw = {}
        for name, digest in manifest["sha256"].items():
            raw[name] = (folder / Path(name).name).read_bytes()
            if hashlib.sha256(raw[name]).hexdigest() != digest:
                raise SnapshotError(f"{folder / name} is not the file its manifest names: index the past again")
        number = int(manifest["number"])
        arrays = load_arrays(raw[f"rows.{number}.safetensors"])
        rows = _rows(arrays, raw[f"items.{number}.msgpack"], [str(name) for name in manifest["tenants"]])
    except OSError as error:
        raise SnapshotError(f"{folder}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, SafetensorError) as error:
        raise SnapshotError(f"{folder} holds no index: {error}") from None
    except msgspec.ValidationError as error:
        raise SnapshotError(f"{folder} holds no index: {error}") from None
    return rows, arrays


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if path.stat().st_size > MANIFEST_BYTES_MAX:
        raise SnapshotError(f"{path} is larger than {MANIFEST_BYTES_MAX:,} bytes: not a manifest of ours")
    manifest = json.loads(path.read_bytes())
    if not isinstance(manifest, dict) or manifest.get("kind") != "similar" or manifest.get("format") != FORMAT:
        raise SnapshotError(f"{path} is no index of format {FORMAT}: index the past again")
    return manifest


def _number(folder: Path) -> int:
    with suppress(OSError, ValueError, KeyError, TypeError, SnapshotError):  # nothing there to be kept
        return int(_manifest(folder)["number"])
    return 0


def _rows(arrays: dict[str, NDArray[Any]], records: bytes, tenants: list[str]) -> Rows:
    """Checked: an index of numbers that do not fit together would read where nothing is."""
    width, size = len(arrays["center"]), len(arrays["ends"])
    if width <= HEAD or arrays["axes"].shape != (width, width):
        raise ValueError("axes and center do not fit")
    rows = Rows(width)
    for name in _ARRAYS:
        array, grown = arrays[f"rows.{name}"], getattr(rows, name)
        wanted = (*{"starts": (size + 1,), "columns": array.shape, "counts": array.shape}.get(name, (size,)),)
        if array.dtype != grown.array.dtype or array.shape[:1] != wanted[:1] or array.ndim != grown.array.ndim:
            raise ValueError(f"rows.{name} is {array.dtype} {array.shape}")
        if array.shape[1:] != grown.array.shape[1:]:
            raise ValueError(f"rows.{name} is {array.shape}")
        if name == "starts":
            rows.starts = grown = type(grown)(np.int64)
        grown.append(array)
    rows.is_live.append(np.ones(size, np.bool_))
    starts, columns = rows.starts.array, rows.columns.array
    if starts[0] or (np.diff(starts) < 0).any() or not starts[-1] == len(columns) == len(rows.counts.array):
        raise ValueError("rows.starts does not fit the terms")
    if len(columns) and not 0 <= columns.min() <= columns.max() < terms.SIZE:
        raise ValueError("rows.columns names a term that cannot be")
    ends = arrays["ends"]
    if (
        not np.isfinite([rows.scale.array, rows.crowd.array]).all()
        or (np.diff(ends) < 0).any()
        or (size and ends[-1] != len(records))
    ):
        raise ValueError("numbers that are none, or items cut in two")
    if size and not 0 <= rows.tenant.array.min() <= rows.tenant.array.max() < len(tenants):
        raise ValueError("rows.tenant names none")
    rows.tenants = {name: code for code, name in enumerate(tenants)}
    begins = np.concatenate([[0], ends])
    rows.records = [records[begins[k] : begins[k + 1]] for k in range(size)]
    msgspec.msgpack.Decoder(PastItem).decode(rows.records[0]) if size else None
    return rows
