"""A classifier on disk: manifest.json and one safetensors file of plain arrays; read safely, or refused with the
reason.

Nothing in a bundle is code. Its digest is that of its arrays and of the manifest's content, so that the same data and
seed give the same digest, and a changed byte is noticed. The encoder has a folder of its own (many bundles share it)
and is named here by its digest: heads fitted to other vectors would answer nonsense with confidence.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays
from safetensors.numpy import save as save_arrays

from aiops.errors import BundleError
from aiops.tickets import ngrams, tone
from aiops.tickets.classifier import NEIGHBOURS, Classifier, Heads, Output, Scope
from aiops.tickets.encoder import Encoder
from aiops.tickets.features import Idf

FORMAT = 2  # 2: votes of the neighbours
MANIFEST, ARRAYS = "manifest.json", "classifier.safetensors"
MANIFEST_BYTES_MAX = 4 * 1024 * 1024
ARRAYS_BYTES_MAX = 2 * 1024**3
_BLOCKS = ("word", "char", "title")
_SCOPE = ("center", "whole", "within", "class_means")


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a folder held. `about` is free text for people: source, figures, licence."""

    name: str
    version: str
    digest: str
    encoder_digest: str
    idf: Idf
    classifier: Classifier
    about: Mapping[str, Any]


def save(
    folder: Path, name: str, version: str, encoder: Encoder, idf: Idf, classifier: Classifier, about: Mapping[str, Any]
) -> str:
    """Writes the bundle, its folder made where it is not there; returns its digest."""
    heads, scope = classifier.heads, classifier.scope
    arrays: dict[str, NDArray[Any]] = {f"idf.{block}": getattr(idf, block) for block in _BLOCKS}
    arrays |= {f"heads.{block}": rows for block, rows in zip(_BLOCKS, heads.blocks, strict=True)}
    arrays |= {"heads.dense": heads.dense, "heads.bias": heads.bias, "memory": classifier.memory.astype(np.float16)}
    for output in classifier.outputs.values():
        arrays[f"trust.{output.name}"], arrays[f"thresholds.{output.name}"] = output.trust, output.thresholds
        arrays[f"labels.{output.name}"] = output.memory_labels
    if scope:
        arrays |= {f"scope.{part}": getattr(scope, part) for part in _SCOPE}
        arrays |= {"scope.sign_means": scope.sign_means, "scope.sign_scales": scope.sign_scales}
    raw = save_arrays({key: np.ascontiguousarray(array) for key, array in sorted(arrays.items())})
    manifest = {
        "format": FORMAT,
        "kind": "classifier",
        "name": name,
        "version": version,
        "encoder": encoder.digest,
        "hash": ngrams.HASH_NAME,
        "outputs": [
            {"name": o.name, "classes": list(o.classes), "temperature": o.temperature, "votes": o.votes}
            for o in classifier.outputs.values()
        ],
        "scope": {"output": classifier.scope_output, "threshold": scope.threshold} if scope else None,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "about": dict(about),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ARRAYS).write_bytes(raw)
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
    return digest_of(manifest)


def digest_of(manifest: Mapping[str, Any]) -> str:
    """Of everything that changes an answer: all but `name`, `version` and `about`."""
    content = {key: value for key, value in manifest.items() if key not in ("about", "name", "version")}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def newest(folder: Path) -> Path:
    """The version of the highest number in a folder of versions; `folder` itself where it is a bundle, or none."""
    if (folder / MANIFEST).exists():
        return folder
    versions = [path for path in folder.glob("*/") if path.name.isdecimal() and (path / MANIFEST).exists()]
    return max(versions, key=lambda path: int(path.name), default=folder)


def load(folder: Path, encoder: Encoder) -> Bundle:
    """Of a bundle, or of the newest in a folder of versions. Raises BundleError, and says why: missing, damaged,
    another format or hash, fitted to another encoder, or with numbers that are none."""
    folder = newest(folder)
    manifest = _manifest(folder)
    path = folder / ARRAYS
    try:
        if path.stat().st_size > ARRAYS_BYTES_MAX:
            raise BundleError(f"{path} is larger than {ARRAYS_BYTES_MAX:,} bytes: not a bundle of ours")
        raw = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from None
    if hashlib.sha256(raw).hexdigest() != manifest.get("sha256"):
        raise BundleError(f"{path} is not the file its manifest names (wrong digest): get the bundle again")
    if manifest.get("encoder") != encoder.digest:
        raise BundleError(f"{folder} was fitted to another encoder than the one in use: train it again with this one")
    try:
        arrays = load_arrays(raw)
        return _bundle(manifest, arrays, encoder)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder}: its arrays are not what the manifest says: {error}") from None


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MANIFEST_BYTES_MAX:
            raise BundleError(f"{path} is larger than {MANIFEST_BYTES_MAX:,} bytes: not a manifest of ours")
        manifest = json.loads(path.read_text())
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise BundleError(f"{path} is not JSON: {error}") from None
    if not isinstance(manifest, dict) or manifest.get("kind") != "classifier":
        raise BundleError(f"{path} is not the manifest of a classifier")
    if manifest.get("format") != FORMAT:
        raise BundleError(
            f"{path}: format {manifest.get('format')}, this version reads {FORMAT}: upgrade or train again"
        )
    if manifest.get("hash") != ngrams.HASH_NAME:
        raise BundleError(
            f"{path}: words are hashed by {manifest.get('hash')}, here by {ngrams.HASH_NAME}: train again"
        )
    return manifest


def _bundle(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], encoder: Encoder) -> Bundle:
    for key, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{key} holds NaN or infinity")
    outputs: dict[str, Output] = {}
    columns: dict[str, slice] = {}
    width = 0
    memory = arrays["memory"].astype(np.float32)
    for entry in manifest["outputs"]:
        name, classes = str(entry["name"]), tuple(map(str, entry["classes"]))
        labels = _shaped(arrays, f"labels.{name}", (len(memory),))
        if labels.size and not -1 <= labels.min() <= labels.max() < len(classes):
            raise ValueError(f"labels.{name} names a class that is not there")
        outputs[name] = Output(
            name,
            classes,
            float(entry["temperature"]),
            _shaped(arrays, f"trust.{name}", (6,)),
            arrays[f"thresholds.{name}"],
            labels,
            float(entry["votes"]),
        )
        columns[name] = slice(width, width + len(classes))
        width += len(classes)
    blocks = tuple(_shaped(arrays, f"heads.{block}", (ngrams.SIZE, width)) for block in _BLOCKS)
    dense = _shaped(arrays, "heads.dense", (2 * encoder.width + tone.SIZE, width))
    heads = Heads(blocks, dense, _shaped(arrays, "heads.bias", (width,)), columns)  # type: ignore[arg-type]
    if memory.shape[1:] != (encoder.width,) or len(memory) < NEIGHBOURS:
        raise ValueError(f"memory is {memory.shape}: at least {NEIGHBOURS} rows of {encoder.width} are needed")
    named = manifest["scope"] or {"output": "", "threshold": 0.0}
    scope = None
    if manifest["scope"]:
        d, classes_count = encoder.width, len(outputs[named["output"]].classes)
        scope = Scope(
            _shaped(arrays, "scope.center", (d,)),
            _shaped(arrays, "scope.whole", (d, d)),
            _shaped(arrays, "scope.within", (d, d)),
            _shaped(arrays, "scope.class_means", (classes_count, d)),
            _shaped(arrays, "scope.sign_means", (3,)),
            _shaped(arrays, "scope.sign_scales", (3,)),
            float(named["threshold"]),
        )
    idf = Idf(*(_shaped(arrays, f"idf.{block}", (ngrams.SIZE,)) for block in _BLOCKS))
    classifier = Classifier(heads, outputs, memory, scope, named["output"])
    name, version = str(manifest["name"]), str(manifest["version"])
    return Bundle(name, version, digest_of(manifest), encoder.digest, idf, classifier, manifest.get("about", {}))


def _shaped(arrays: Mapping[str, NDArray[Any]], key: str, shape: tuple[int, ...]) -> NDArray[Any]:
    if arrays[key].shape != shape:
        raise ValueError(f"{key} is {arrays[key].shape}, expected {shape}")
    return arrays[key]
