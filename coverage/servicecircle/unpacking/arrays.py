"""NumPy archives: an array is allocated by what its header says, before a byte of it is read."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import Any, cast

import numpy as np

from servicecircle.unpacking.archives import sane_zip
from servicecircle.unpacking.excess import ExcessError

MAX_ARRAYS = 1_000
MAX_EXPANDED_BYTES = 8 << 30  # a province of 10⁷ demand points with 50 walks each: 6 GB
MAX_RATIO = 200  # statuses and multipliers repeat; plans reach 5 to 30
FREE_BYTES = 256_000_000
_MAX_HEADER = 10_000  # NumPy's own limit


def require_sane_arrays(path: Path) -> None:
    """Raise `ExcessError` where a ``.npz`` file would burst: as an archive, or by its headers.

    Raises one of `archives.BROKEN_ZIP` where it is none.
    """
    size = path.stat().st_size
    with (
        path.open("rb") as file,
        sane_zip(
            file, size, entries=MAX_ARRAYS, expanded=MAX_EXPANDED_BYTES, ratio=MAX_RATIO,
            free=FREE_BYTES,
        ) as archive,
    ):  # fmt: skip
        for part in archive.infolist():
            _require_said_size(archive, part)


def _require_said_size(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> None:
    """The array that a header announces is as long as the part."""
    with archive.open(part) as stream:
        version = np.lib.format.read_magic(cast(Any, stream))
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{part.filename}: version {version} of the format")
        read: Any = np.lib.format.read_array_header_1_0
        if version == (2, 0):
            read = np.lib.format.read_array_header_2_0
            head = stream.read(4)
            length = int.from_bytes(head, "little")
            if length > _MAX_HEADER:
                raise ValueError(f"{part.filename}: a header of {length} bytes")
            stream.seek(-4, 1)
        shape, _, kind = read(stream, max_header_size=_MAX_HEADER)
        announced = stream.tell() + math.prod(shape) * kind.itemsize
    if not kind.hasobject and announced != part.file_size:
        raise ExcessError(
            f"数组 {part.filename[:80]} 说自己有 {announced:,} 字节，文件里是 {part.file_size:,}。",
            f"the array {part.filename[:80]} announces {announced:,} bytes, the file holds "
            f"{part.file_size:,}.",
        )
