"""What was computed from files, kept on disk, so that the second plan of a city starts at once.

An entry is one ``.npz`` file without pickles, named by a key: a hash of everything that the result
depends on, this package's own code included. It is written beside and renamed into place; one that
cannot be read is thrown away and made again. The oldest entries go when the folder grows too big.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from servicecircle.errors import Note

MAX_BYTES = 4 * 1024**3  # of all entries together
_FOLDER = "computed"
_STALE_S = 24 * 3600.0

Arrays = dict[str, NDArray]
T = TypeVar("T")


def cache_folder() -> Path:
    """``SERVICECIRCLE_CACHE``, or the platform's cache folder for this program."""
    import platformdirs  # noqa: PLC0415

    named = os.environ.get("SERVICECIRCLE_CACHE", "").strip()
    if named:
        return Path(named).expanduser().absolute()
    return platformdirs.user_cache_path("servicecircle", appauthor=False)


def key_of(*parts: Any) -> str:
    """A key of numbers, texts, paths and arrays, and of the code that computes with them."""
    digest = hashlib.sha256(_code_version())
    for part in parts:
        if isinstance(part, np.ndarray):
            head, body = f"{part.dtype}{part.shape}", np.ascontiguousarray(part).tobytes()
        else:
            head, body = "", json.dumps(part, sort_keys=True, default=str).encode()
        digest.update(f"{head}|{len(body)}|".encode())
        digest.update(body)
    return digest.hexdigest()


def remembered(
    kind: str,
    key: str,
    make: Callable[[], T],
    pack: Callable[[T], Arrays],
    unpack: Callable[[Arrays], T],
    notes: list[Note],
) -> T:
    """The entry ``kind``-``key``, or else what ``make`` gives, which is kept under that name.

    ``notes`` says what went wrong with the cache; it never keeps anybody from the result.
    """
    path = cache_folder() / _FOLDER / f"{kind}-{key}.npz"
    if path.exists():
        try:
            return unpack(_read(path))
        except Exception as error:  # damaged bytes make readers raise anything
            notes.append(_damaged(path, error))
    made = make()
    try:
        _write(path, pack(made))
    except OSError as error:
        said = _unwritable(path.parent, error)
        if said not in notes:  # once, not for every entry
            notes.append(said)
    return made


def pack_table(table: pd.DataFrame) -> NDArray:
    """A table as bytes (Parquet)."""
    file = io.BytesIO()
    table.to_parquet(file)
    return np.frombuffer(file.getvalue(), np.uint8)


def unpack_table(packed: NDArray, read: Callable[[Any], Any] = pd.read_parquet) -> Any:
    """The table that `pack_table` packed; ``read`` is GeoPandas' reader for layers."""
    return read(io.BytesIO(packed.tobytes()))


def pack_facts(facts: Mapping[str, Any]) -> NDArray:
    """Numbers and texts as bytes (JSON)."""
    return np.frombuffer(json.dumps(facts).encode(), np.uint8)


def unpack_facts(packed: NDArray) -> dict[str, Any]:
    """What `pack_facts` packed."""
    facts: dict[str, Any] = json.loads(packed.tobytes())
    return facts


# --- files ----------------------------------------------------------------------------------------


@cache
def _code_version() -> bytes:
    """Changes with every change of this package's code: no result outlives what computed it."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.digest()


def _read(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}  # zipfile checks each one's CRC
    with contextlib.suppress(OSError):
        os.utime(path)  # the last to be used is the last to go
    return arrays


def _write(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _make_room(path)


def _make_room(newest: Path) -> None:
    """Delete the entries that were used longest ago until the rest fits."""
    for left in newest.parent.glob(".*.part"):  # of a process that was killed
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_S:
                left.unlink()
    entries = []
    for path in newest.parent.glob("*.npz"):
        with contextlib.suppress(OSError):  # another process may be tidying up too
            entries.append((path.stat().st_mtime, path.stat().st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= MAX_BYTES:
            return
        if path != newest:
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size


def _damaged(path: Path, error: Exception) -> Note:
    with contextlib.suppress(OSError):
        path.unlink()
    return (
        f"缓存文件 {path.name} 已损坏（{type(error).__name__}），已丢弃并重新计算。",
        f"the cache file {path.name} was damaged ({type(error).__name__}); it was thrown away and "
        "computed anew.",
    )


def _unwritable(folder: Path, error: OSError) -> Note:
    return (
        f"缓存写不进 {folder}（{error.strerror}），下次要重新计算。"
        "请腾出空间，或用环境变量 SERVICECIRCLE_CACHE 另指文件夹。",
        f"the cache in {folder} cannot be written ({error.strerror}), so next time all is computed "
        "anew. Make room, or name another folder with SERVICECIRCLE_CACHE.",
    )
